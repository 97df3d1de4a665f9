"""bench_scenarios - what is measured. A scenario takes (bench, name) and returns its figures, or None
without servers."""
import statistics

import bench_http

LOADS = {  # name: title, peers, durability, TLS, share of PUTs, requests in flight, open-loop rate, shape of the data
    "echo": ("the machine's limit: frames sent back as they came", ["echo"], "memory", False, 0, [1, 16], 0, "string"),
    "echo-tls": ("the machine's limit over TLS", ["echo"], "memory", True, 0, [1, 16], 0, "string"),
    "get": ("GET, in memory", ["gridd", "redis", "memcached", "echo"], "memory", False, 0, [1, 16], 0, "string"),
    "put": ("PUT, in memory", ["gridd", "redis", "memcached", "echo"], "memory", False, 100, [1, 16], 0, "string"),
    "durable": ("PUT, on disk before it is answered", ["gridd", "redis"], "sync", False, 100, [1, 16], 0, "string"),
    "async": ("PUT, on disk within a moment", ["gridd", "redis"], "async", False, 100, [1, 16], 0, "string"),
    "tls": ("GET over TLS, in memory", ["gridd", "redis", "echo"], "memory", True, 0, [1, 16], 0, "string"),
    "tls-put": ("PUT over TLS, in memory", ["gridd", "redis", "echo"], "memory", True, 100, [1, 16], 0, "string"),
    "open": ("90 % GET, 10 % PUT, zipf, open loop at a fixed rate",
             ["gridd", "redis", "memcached"], "memory", False, 10,
             [16], 20000, "string"),
    # the same as a Redis client asks it
    "resp-get": ("GET, by a Redis client", ["gridd-resp", "redis"], "memory", False, 0, [1, 16], 0, "string"),
    "resp-set": ("SET, by a Redis client", ["gridd-resp", "redis"], "memory", False, 100, [1, 16], 0, "string"),
    "resp-mset": ("MSET of ten keys, by a Redis client", ["gridd-resp", "redis"], "memory", False, 100, [1, 16], 0,
                  "mset"),
    "resp-hget": ("HGET, hashes of ten fields", ["gridd-resp", "redis"], "memory", False, 0, [1, 16], 0, "hash"),
    "resp-hset": ("HSET, hashes of ten fields", ["gridd-resp", "redis"], "memory", False, 100, [1, 16], 0, "hash"),
    "resp-durable": ("SET, on disk before it is answered, by a Redis client", ["gridd-resp", "redis"], "sync", False,
                     100, [1, 16], 0, "string"),
    "resp-evalsha": ("EVALSHA of a script that reads, adds and writes", ["gridd-resp", "redis"], "memory", False, 100,
                     [1, 16], 0, "evalsha"),
    "resp-fcall": ("FCALL of a function that does the same", ["gridd-resp", "redis"], "memory", False, 100, [1, 16], 0,
                   "fcall"),
    "task-native": ("a task in C that does the same, beside EVALSHA and the machine's limit",
                    ["gridd-native", "redis", "echo"], "memory", False, 100, [1, 16], 0, "evalsha"),
    "resp-tls": ("GET over TLS, by a Redis client", ["gridd-resp", "redis"], "memory", True, 0, [1, 16], 0, "string"),
}
FIGURES = ("per_second", "server_cpu_us", "client_cpu_us", "server_busy", "client_busy")
POINTS = ("p50", "p99", "p999")
CONNECTIONS = 50


def figures_of(run):
    return {**{k: run[k] for k in FIGURES}, **{k + "_us": run["latency_us"][k] for k in POINTS}}


def medians(runs):
    return {k: statistics.median(r[k] for r in runs) for k in runs[0]}


def fill(bench, server, keys, shape="string"):
    return server.load("--fill", "--shape", shape, "--depth", "64", "--connections", "16", "--keys", str(keys))


def load(bench, name):
    title, names, durability, tls, puts, depths, rate, shape = LOADS[name]
    args = bench.args
    servers = [bench.server(n, durability, tls) for n in names if bench.present(n)]
    for s in servers:
        if s.name != "echo":
            fill(bench, s, args.keys, shape)
    more = ["--rate", str(rate), "--distribution", "zipf" if rate else "uniform", "--shape", shape]
    return beside(bench, {s: more for s in servers}, depths, puts,
                  {"name": name, "kind": "load", "title": title, "rate": rate})


def beside(bench, servers, depths, puts, result):
    """Rounds of load on each of `servers`, which say with which switches."""
    args = bench.args
    common = ["--connections", str(CONNECTIONS), "--keys", str(args.keys), "--put-percent", str(puts),
              "--seconds", str(args.seconds), "--warmup", str(args.seconds / 5)]
    names = list(servers)
    runs = {(d, s.name): [] for d in depths for s in names}
    for r in range(args.rounds):
        for depth in depths:
            for i in range(len(names)):  # another one begins each round
                s = names[(i + r) % len(names)]
                run = s.load(*common, *servers[s], "--depth", str(depth), "--seed", str(r + 1))
                runs[depth, s.name].append(figures_of(run))
    return {**result, "connections": CONNECTIONS,
            "rows": [{"depth": d, "server": n, **medians(v), "rounds": v} for (d, n), v in runs.items()]}


def memory(bench, name):
    """Resident memory with and without the entries."""
    keys, rows = bench.args.keys, []
    for n in ("gridd", "redis", "memcached"):
        if not bench.present(n):
            continue
        s = bench.server(n)
        # what connections and contexts cost is there
        s.load("--count", "1", "--keys", str(keys), "--connections", "16")
        empty = s.rss_bytes()
        fill(bench, s, keys)
        rows.append({"server": n, "empty_bytes": empty, "full_bytes": s.rss_bytes(),
                     "per_entry": (s.rss_bytes() - empty) / keys})
        bench.stop_all()
    title = "resident bytes per entry of 16 + 100 bytes"
    return {"name": name, "kind": "memory", "title": title, "keys": keys, "rows": rows}


def restart(bench, name):
    """kill -9, start again: until the first read is right, and until everything is in memory."""
    keys, rows = bench.args.restart_keys, []
    for n, durability in (("gridd", "sync"), ("redis", "async")):
        if not bench.present(n):
            continue
        s = bench.server(n, durability)
        filled = fill(bench, s, keys)
        full = s.rss_bytes()
        s.kill()
        s.start()
        probed = bench.gridload(*s.switches, "--probe", "--keys", str(keys), "--seconds", "600",
                                "--since", str(s.started_ns))
        check = s.load("--keys", str(keys), "--depth", "16", "--check",
                       "--seconds", str(bench.args.seconds), "--warmup", "0")
        rows.append({"server": n, "fill_per_second": filled["per_second"], "full_bytes": full,
                     "missing": check["missing"],
                     **probed})
        bench.stop_all()
    return {"name": name, "kind": "restart", "title": "kill -9 and start again", "keys": keys, "rows": rows}


ALL = {**{name: load for name in LOADS}, "http-get": bench_http.scenario, "memory": memory, "restart": restart}
