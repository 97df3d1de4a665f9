#!lua name=bank
-- For task.c: gridctl module deploy bank.lua

-- Moves money from the account that is the task's key to another one of the same branch.
grid.task("transfer", function(t)
    local order = grid.json.decode(t.arg)
    local left = grid.incr(t.key, -order.amount)
    if left < 0 then
        error(t.key .. " has only " .. left + order.amount) -- and nothing was changed
    end
    return left .. " and " .. grid.incr(order.to, order.amount)
end)
