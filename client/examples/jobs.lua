#!lua name=work
-- Jobs: long work beside the data, with checkpoints. Deploy with `gridctl module deploy jobs.lua`.

-- Counts up to n in the key that it is about, by tens: what it wrote and how far it is are one
-- change, so whoever goes on with it after a crash neither repeats nor leaves out any.
grid.job("count", function(j)
    local n, done = tonumber(j.arg), tonumber(j.state) or 0
    while done < n do
        j.incr(j.key, 1)
        done = done + 1
        if done % 10 == 0 or done == n then
            j.checkpoint(done, done / n)
        end
    end
    return j.get(j.key)
end)

-- Adds up all numbers of the partition's part of a cache, page by page.
grid.job("total", function(j)
    local state = grid.json.decode(j.state or '{"sum": 0}')
    repeat
        local rows, after = j.scan{after = state.after, limit = 1000}
        for _, row in ipairs(rows) do
            state.sum = state.sum + (tonumber(row.value) or 0)
        end
        state.after = after
        j.checkpoint(state)
    until not after
    return {sum = state.sum}
end)

-- For schedules: a task is fine where an atomic change is all that is needed.
grid.task("tick", function(t)
    return grid.incr(t.key)
end)
