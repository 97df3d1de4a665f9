"""bench_grid - what a grid of several nodes reaches: replicated writes, failover, hand-over, rebalance, idleness."""
import os
import statistics
import time

from bench_nodes import Callers, Grid, RedisCluster, RedisPair, redis_ask, wait_for
from bench_peers import BenchError
from bench_scenarios import CONNECTIONS, figures_of, medians

DEPTHS = [1, 16]


# --- PUT with one backup ----------------------------------------------------------------------------------------------

def replicated(bench, name):
    """gridd and redis, both with one more copy; two gridd, as there are two redis, and three."""
    durability = name.split("-")[1]
    args, cpu = bench.args, bench.server_cpu
    cache, runs = "bench/entries", {}
    servers = {}
    for label, nodes in (("gridd", 2), ("gridd-3", 3)):
        if bench.present(label):
            grid = Grid(bench, nodes, cpu)
            grid.context("bench", durability)
            servers[label] = (lambda *switches, grid=grid: grid.load(cache, *switches)), grid.settle
    if bench.present("redis"):
        pair = RedisPair(bench, durability, cpu)
        servers["redis"] = pair.load, pair.settle
    keys = ["--keys", str(args.keys)]
    for ask, settle in servers.values():
        ask("--fill", "--depth", "16", "--connections", "16", *keys)
        settle()
    order = list(servers)
    for r in range(args.rounds):
        for depth in DEPTHS:
            for i in range(len(order)):
                label = order[(i + r) % len(order)]
                ask, settle = servers[label]
                run = ask("--connections", str(CONNECTIONS), "--put-percent", "100", "--depth", str(depth),
                          "--seed", str(r + 1), "--seconds", str(args.seconds), "--warmup", str(args.seconds / 5),
                          *keys)
                settle()
                runs.setdefault((depth, label), []).append(figures_of(run))
    title = {"async": "PUT, in memory of two nodes, against redis with a replica and WAIT 1 0",
             "sync": "PUT, on disk of two nodes, against redis with a replica, appendfsync always and WAIT 1 0"}
    return {"name": name, "kind": "load", "title": title[durability], "connections": CONNECTIONS, "rate": 0,
            "rows": [{"depth": d, "server": n, **medians(v), "rounds": v} for (d, n), v in runs.items()]}


# --- kill -9 of a primary ---------------------------------------------------------------------------------------------

def grid_outage(grid, victim, cache):
    """Kill; the longest that a call waited, by whomever, ms, and what failed."""
    with Callers(grid, cache, "--keys", "20000", "--rate", "2000", "--put-percent", "100") as callers:
        time.sleep(1)
        callers.mark()
        grid.kill_one(victim)
        time.sleep(4)
        told = callers.mark()
        while told["waiting_us"] > 1e6:
            time.sleep(1)
            told = callers.mark()
    return told["max_us"] / 1e3, told["errors"]


def grid_failover(bench, rounds):
    """Outages of plain nodes and of leaders: the same grid again and again; who was killed comes back."""
    grid = Grid(bench, 3)
    grid.context("bench", "async")
    outages = {"primary": [], "leader": []}
    errors = 0
    for r in range(2 * rounds):
        kind = "leader" if r % 2 else "primary"
        leader = grid.leader()
        victim = leader if kind == "leader" else next(n for n in sorted(grid.running) if n != leader)
        waited, failed = grid_outage(grid, victim, "bench/entries")
        outages[kind].append(waited)
        errors += failed
        grid.start(victim)
        wait_for("all copies again", grid.whole, 120)
        time.sleep(0.5)
    grid.kill()
    return [{"server": "gridd, " + kind, "outages_ms": v, "errors": errors} for kind, v in outages.items()]


def moved_to(answer):
    """Port that a redis points to, or 0."""
    return int(answer.split("\r\n")[0].rsplit(":", 1)[1]) if answer.startswith("-MOVED") else 0


def redis_put(cluster, port, key):
    answer = redis_ask(port, "SET %s v" % key, seconds=0.3)
    to = moved_to(answer)
    if to:
        answer = redis_ask(to, "SET %s v" % key, seconds=0.3)
    return answer.startswith("+OK")


def redis_outage(cluster, keys):
    """Kill a primary; until each of `keys` was written again. Ms."""
    primary = next(n for n in cluster.running if "role:master" in redis_ask(cluster.ports[n], "INFO replication"))
    at = cluster.kill_one(primary)
    other = cluster.ports[next(iter(cluster.running))]
    for key in keys:
        wait_for("redis writes %s" % key, lambda key=key: redis_put(cluster, other, key), 120, 0.01)
    return (time.monotonic() - at) * 1e3, primary


def redis_failover(bench, timeout_ms, rounds):
    outages = []
    for _ in range(rounds):
        cluster = RedisCluster(bench, timeout_ms)
        outages.append(redis_outage(cluster, ["key%d" % i for i in range(30)])[0])
        cluster.kill()
    return {"server": "redis cluster, %s" % ("%d ms" % timeout_ms if timeout_ms else "defaults"),
            "outages_ms": outages, "errors": 0}


def failover(bench, name):
    rounds = 1 if bench.args.quick else 10
    rows = grid_failover(bench, rounds)
    if bench.present("redis"):
        rows.append(redis_failover(bench, 1000, 1 if bench.args.quick else 5))
        if not bench.args.quick:
            rows.append(redis_failover(bench, None, 2))
    for row in rows:
        row["median_ms"], row["worst_ms"] = statistics.median(row["outages_ms"]), max(row["outages_ms"])
    return {"name": name, "kind": "failover", "rows": rows,
            "title": "kill -9 of a node: until writes to its partitions succeed again"}


# --- planned moves ----------------------------------------------------------------------------------------------------

def of_node(status, node, what):
    return next((n[what] for n in status["nodes"] if n["name"] == node), 0)


def wait_grid(what, grid, true, every=0.05):
    """Until the grid's status is as wanted; that status."""
    seen = {}

    def look():
        seen["status"] = grid.status()
        return seen["status"] and true(seen["status"])

    wait_for(what, look, 300, every)
    return seen["status"]


def settled(grid, status):
    """Every copy is where it belongs."""
    return not status["misplaced"] and grid.whole(status)


def drain(bench, name):
    """Each node hands all of its primaries over, and gets them back, under load."""
    grid = Grid(bench, 3)
    grid.context("bench", "async")
    keys = min(bench.args.keys, 100000)
    grid.load("bench/entries", "--fill", "--depth", "16", "--connections", "16", "--keys", str(keys))
    rows, seconds = [], 1 if bench.args.quick else 4
    with Callers(grid, "bench/entries", "--keys", str(keys)) as callers:
        time.sleep(1)
        for node in sorted(grid.running):
            callers.mark()
            time.sleep(seconds)
            before, at = callers.mark(), time.monotonic()
            grid.ctl("drain", node)
            wait_grid("drain", grid, lambda s, node=node: of_node(s, node, "primaries") == 0)
            took, during = time.monotonic() - at, callers.mark()
            wait_grid("copies elsewhere", grid, lambda s, node=node: of_node(s, node, "copies") == 0)
            rest = callers.mark()
            grid.ctl("undrain", node)
            wait_grid("copies back", grid, lambda s, node=node: of_node(s, node, "primaries") > 0 and settled(grid, s))
            back = callers.mark()
            rows.append({"node": node, "seconds": took, "before": before, "during": during, "rest": rest, "back": back,
                         "errors": sum(x["errors"] for x in (during, rest, back)),
                         "first_error": next((x["first_error"] for x in (during, rest, back) if x["errors"]), ""),
                         "added_p99_ms": (during["p99_us"] - before["p99_us"]) / 1e3})
    return {"name": name, "kind": "drain", "rows": rows, "title": "all primaries of a node are handed over, under load"}


def share_there(grid, status, node):
    """The node has as many copies as others; the last primaries follow within a second."""
    fair = sum(n["copies"] for n in status["nodes"]) / len(status["nodes"])
    return grid.whole(status) and of_node(status, node, "copies") > 0.95 * fair


def rebalance_once(bench, bytes_, under_load):
    """From three nodes to four; `bytes_` of values, two copies of each."""
    value, grid = 1000, Grid(bench, 3)
    keys = bytes_ // value
    grid.context("bench", "memory")
    grid.load("bench/entries", "--fill", "--depth", "16", "--connections", "16", "--keys", str(keys), "--value-bytes",
              str(value))
    row = {"load": under_load, "bytes": bytes_}
    callers = Callers(grid, "bench/entries", "--keys", str(keys), "--value-bytes", str(value)) if under_load else None
    if callers:
        time.sleep(1)
        callers.mark()
        time.sleep(1 if bench.args.quick else 5)
        row["before"] = callers.mark()
    grid.start("d")
    used = sum(grid.cpu_seconds().values())
    wait_grid("the fourth node", grid, lambda s: of_node(s, "d", "copies") > 0, 0.01)
    at = time.monotonic()
    status = wait_grid("its share", grid, lambda s: share_there(grid, s, "d"))
    row["seconds"] = time.monotonic() - at
    share = of_node(status, "d", "copies") / sum(n["copies"] for n in status["nodes"])
    row["moved"] = share * 2 * bytes_
    row["cpu_per_gb"] = (sum(grid.cpu_seconds().values()) - used) / row["moved"] * 1e9
    row["mb_per_second"] = row["moved"] / 1e6 / row["seconds"]
    if callers:
        row["during"] = callers.mark()
        row["errors"] = row["during"]["errors"]
        callers.__exit__()
    bench.stop_all()
    return row


def rebalance(bench, name):
    size = 50 << 20 if bench.args.quick else 2000 << 20
    return {"name": name, "kind": "rebalance", "rows": [rebalance_once(bench, size, load) for load in (False, True)],
            "title": "a fourth node takes its share of %d MB that are held twice" % (size >> 20)}


# --- nothing to do ----------------------------------------------------------------------------------------------------

def idle(bench, name):
    """20 contexts of 1024 partitions on three nodes."""
    grid, contexts, seconds = Grid(bench, 3), 4 if bench.args.quick else 20, 2 if bench.args.quick else 20
    for i in range(contexts):
        grid.ctl("context", "create", "c%d" % i, "--backups", "1", "--partitions", "1024")
    wait_for("copies", grid.whole)
    time.sleep(3)
    before, at = grid.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - at
    used = {n: (c - before[n]) / took for n, c in grid.cpu_seconds().items()}
    control = max(os.stat(os.path.join(grid.directory, n, "control", "data.mdb")).st_size for n in used)
    return {"name": name, "kind": "idle", "contexts": contexts, "control_bytes": control,
            "rows": [{"node": n, "share": u} for n, u in used.items()],
            "title": "three nodes with %d contexts of 1024 partitions, and nobody asks" % contexts}


ALL = {"replicated-async": replicated, "replicated-sync": replicated, "failover": failover, "drain": drain,
       "rebalance": rebalance, "idle": idle}
