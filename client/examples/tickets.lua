#!lua name=tickets
-- A service: one in the grid hands out numbers, from blocks that it takes of the cache. When its node dies
-- another goes on behind the last block, so no number is handed out twice. service.c asks for many.
--
--   gridctl module deploy tickets.lua
--   gridctl service deploy tickets.office
--   gridctl service call tickets.office next

local BLOCK = 100
local at, last = 0, 0

grid.service("office", {
    description = "numbers, each once",
    call = function(s, method)
        if method ~= "next" then
            error("there is no method " .. method)
        end
        if at == last then
            last = s.incr("default", "tickets", BLOCK)
            at = last - BLOCK
        end
        at = at + 1
        return at
    end,
})

-- On each node: gridctl broadcast tickets.where
grid.broadcast("where", function(b)
    return b.node
end)
