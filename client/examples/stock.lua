#!lua name=stock
-- What is in all carts together, "7 apples" in each: gridctl map stock.total --cache shop/carts
grid.map{name = "total", description = "sums by what it is", reduce = "sum", map = function(e, emit)
    local n, what = e.value:match("^(%d+) (%a+)$")
    if n then emit(what, math.tointeger(tonumber(n))) end
end}

-- Who is there: gridctl broadcast stock.here
grid.broadcast("here", function(b) return "here is " .. b.node end)
