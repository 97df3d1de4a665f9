"""bench_tasks - code next to the data: what it does a second, and what endless code takes from others."""
import itertools
import json
import os
import socket
import statistics
import subprocess
import sys

import bench_scenarios as loads
from bench_peers import BenchError

ACCOUNTS = 1000
RATE = 20000  # open loop: half of what one processor can do
RUNAWAY = (
    "while true do end",
    "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1e6) .. i end",
    "local function f() return 1 + f() end return f()",
    "return ('x'):rep(1e5):find(('.-'):rep(50) .. 'y')",
    "return ('x'):rep(2^30)",
    "local s = 'x' while true do s = s .. s end",
)

TITLES = {
    "runaway": "GET and SET of others on the shard, while a client runs code without pause that has no end",
    "runaway-new": "GET and SET of others on the shard, while a client runs new code each time that has no end",
}


def runs(port, kind):
    """What a client runs without pause: endless code, new code each time, or harmless code; until it is killed."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # what it takes of its processor is not the question
    with socket.create_connection(("127.0.0.1", port)) as s:
        answers = s.makefile("rb")
        for n in itertools.count():
            text = "return 1" if kind == "harmless" else RUNAWAY[n % len(RUNAWAY)]
            words = [b"EVAL", (text + f" -- {n}" if kind == "runaway-new" else text).encode(), b"1", b"k"]
            s.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
            answers.readline()


def runaway(bench, name):
    """p99 of others on the shard: beside nobody, and beside clients of each kind."""
    if not bench.present("gridd-resp"):
        return None
    s = bench.server("gridd-resp")
    loads.fill(bench, s, bench.args.keys)
    kinds = ("nobody", "harmless", name)
    rounds = {kind: [] for kind in kinds}
    for r in range(bench.args.rounds):
        for i in range(len(kinds)):
            kind = kinds[(i + r) % len(kinds)]
            beside = None
            if kind != "nobody":
                beside = bench.spawn([sys.executable, os.path.abspath(__file__), str(s.port), kind], bench.client_cpu)
            run = s.load("--connections", str(loads.CONNECTIONS), "--keys", str(bench.args.keys), "--put-percent", "50",
                         "--seconds", str(bench.args.seconds), "--warmup", "1", "--rate", str(RATE), "--depth", "16",
                         "--seed", str(r + 1))
            rounds[kind].append(loads.figures_of(run))
            if beside:
                beside.kill()
                beside.wait()
    rows = [{"depth": 1, "server": kind, **loads.medians(v), "rounds": v} for kind, v in rounds.items()]
    return {"name": name, "kind": "runaway", "rate": RATE, "rows": rows, "title": TITLES[name]}


TASKS = """#!lua name=bench
grid.task("add", function(t)
    local n = (tonumber(grid.get(t.key)) or 0) + tonumber(t.arg)
    grid.put(t.key, n)
    return n
end)
grid.task("transfer", function(t)
    if grid.incr(t.key, -t.arg) < 0 then error("too little") end
    grid.incr("savings", t.key, 1 * t.arg)
end)
"""


def ctl(server, *words, feed=None):
    done = subprocess.run([server.bench.built("gridctl"), "--endpoints", endpoint(server), *words], input=feed,
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError("gridctl " + " ".join(words) + ": " + done.stderr)


def endpoint(server):
    with open(os.path.join(server.directory, "gridd.conf"), encoding="ascii") as f:
        return f.read().split('client = "')[1].split('"')[0]


def task(bench, name):
    """A Lua task that reads, adds and writes, beside redis's EVALSHA of a script that does."""
    ours, theirs = [bench.server(n) if bench.present(n) else None for n in ("gridd", "redis")]
    shapes = {}
    if ours:
        ours.load("--count", "1", "--keys", "1000")
        ctl(ours, "module", "deploy", "-", feed=TASKS)
        shapes[ours] = ["--task", "bench.add"]
    if theirs:
        shapes[theirs] = ["--shape", "evalsha"]
    return loads.beside(bench, shapes, [1, 16], "100", {
        "name": name, "kind": "load", "rate": 0, "title": "a Lua task that reads, adds and writes, beside EVALSHA"})


def transfer(bench, name):
    """Between two caches of one partition: by a task, and by reads and conditional writes of the client."""
    if not bench.present("gridd"):
        return None
    s = bench.server("gridd")
    ctl(s, "context", "create", "bench", "--durability", "memory")
    for cache in ("accounts", "savings"):
        ctl(s, "cache", "create", "bench/" + cache)
    ctl(s, "module", "deploy", "-", feed=TASKS)
    rounds = {"task": [], "client": []}
    for r in range(bench.args.rounds):
        for i in range(2):
            by = ("task", "client")[(i + r) % 2]
            command = [bench.built("bench/transfer_bench"), endpoint(s), by, str(loads.CONNECTIONS), str(ACCOUNTS),
                       str(max(1, round(bench.args.seconds)))]
            with bench.spawn(command, bench.client_cpu, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
                out, err = p.communicate()
            if p.returncode:
                raise BenchError(err)
            rounds[by].append(json.loads(out))
    rows = [{"depth": 1, "server": by, **loads.medians(v), "rounds": v} for by, v in rounds.items()]
    return {"name": name, "kind": "transfer", "connections": loads.CONNECTIONS, "rows": rows,
            "title": "from an account to its savings, two caches of one partition"}


def lines(bench, *command, cpu):
    """What a program says, a JSON object a line."""
    with bench.spawn(list(command), cpu, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        out, err = p.communicate()
    if p.returncode:
        raise BenchError(err)
    return [json.loads(line) for line in out.splitlines()]


def by_row(by, rates):
    return {"depth": 1, "server": by, "per_second": statistics.median(rates),
            "rounds": [{"per_second": rate} for rate in rates]}


def mapped(bench, name):
    """A map over a cache, in C and in Lua, beside reading all of it out and adding up in C."""
    if not bench.present("gridd-native"):
        return None
    s, keys = bench.server("gridd-native"), bench.args.keys
    said = lines(bench, bench.built("bench/map_bench"), endpoint(s), str(keys), cpu=bench.client_cpu)
    return {"name": name, "kind": "by", "keys": keys, "what": "entries", "against": "get_many of 1000",
            "rows": [by_row(x["by"], [keys / took for took in x["seconds"]]) for x in said],
            "title": "all entries of a cache, read out and added up in C, or mapped by the node"}


def local(bench, name):
    """Calls of a program to the node that it has inside."""
    rounds = [lines(bench, bench.built("bench/local_bench"), "%s/local-%d" % (bench.directory, r), cpu=None)
              for r in range(bench.args.rounds)]
    return {"name": name, "kind": "by", "what": "calls",
            "rows": [by_row(x["by"], [1e9 / max(r[i]["ns"], 1) for r in rounds]) for i, x in enumerate(rounds[0])],
            "title": "what a program pays for calls to the node that it has inside"}


ALL = {**{name: runaway for name in TITLES}, "task": task, "transfer": transfer, "map": mapped, "local": local}

if __name__ == "__main__":
    runs(int(sys.argv[1]), sys.argv[2])
