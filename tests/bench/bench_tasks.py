"""bench_tasks - code next to the data: what clients that run endless code take from others."""
import itertools
import os
import socket
import sys

import bench_scenarios as loads

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


ALL = {name: runaway for name in TITLES}

if __name__ == "__main__":
    runs(int(sys.argv[1]), sys.argv[2])
