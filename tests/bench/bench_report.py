"""bench_report - tables of medians and ratios, and how they stand to the goals."""
import statistics

GOALS = [  # scenario, in flight, figure, other server, at least
    ("get", 1, "rate", "echo", 0.9), ("get", 1, "rate", "redis", 1.1), ("get", 16, "rate", "redis", 2.0),
    ("put", 1, "rate", "echo", 0.9), ("put", 1, "rate", "redis", 1.1), ("put", 16, "rate", "redis", 2.0),
    ("durable", 1, "rate", "redis", 1.3), ("durable", 16, "rate", "redis", 3.0),
    ("durable", 1, "p99", "redis", 1.0), ("durable", 16, "p99", "redis", 1.0),
    ("tls", 1, "rate", "echo", 0.85), ("tls", 16, "rate", "redis", 1.4),
    ("resp-get", 1, "rate", "redis", 1.1), ("resp-get", 16, "rate", "redis", 1.8),
    ("resp-set", 1, "rate", "redis", 1.1), ("resp-set", 16, "rate", "redis", 1.8),
    ("resp-mset", 1, "rate", "redis", 1.5),
    ("resp-hget", 16, "rate", "redis", 1.5), ("resp-hset", 16, "rate", "redis", 1.5),
    *((name, depth, figure, "redis", 1.5)
      for name in ("resp-evalsha", "resp-fcall") for depth in (1, 16) for figure in ("rate", "cpu")),
    *(("task-native", depth, figure, "redis", 3.0) for depth in (1, 16) for figure in ("rate", "cpu")),
    ("resp-durable", 1, "rate", "redis", 1.3), ("resp-durable", 16, "rate", "redis", 3.0),
    ("http-get", 1, "rate", "nginx", 0.5),
    *(("task", depth, figure, "redis", 1.5) for depth in (1, 16) for figure in ("rate", "cpu")),
    ("transfer", 1, "rate", "client", 3.0),
    ("runaway", 1, "p99", "nobody", 0.5), ("runaway-new", 1, "p99", "nobody", 0.5),
    ("map", 1, "rate", "get_many of 1000", 5.0),
    ("replicated-async", 16, "rate", "redis", 3.0), ("replicated-sync", 16, "rate", "redis", 4.0),
]
OURS = {name: "gridd-" + name.split("-")[0] for name, *_ in GOALS if name.split("-")[0] in ("resp", "http")}
OURS |= {"runaway": "runaway", "runaway-new": "runaway-new", "transfer": "task"}
OURS |= {"task-native": "gridd-native", "map": "map in C: sum"}
AT_MOST_NS = {("local", "get, 1 threads"): 1000, ("local", "read in a task of 1000"): 300}
RATIOS = {"rate": ("per_second", False), "cpu": ("server_cpu_us", True),
          "p50": ("p50_us", True), "p99": ("p99_us", True)}


def head(bench):
    m, s = bench.machine, bench.settings
    print("%s, %s processors, Linux %s; memory is given at %.1f GB/s" % (
        m["processor"], m.get("processors", "?"), m.get("kernel", "?"), m["memory_gb_per_second"]))
    print("%d rounds of %g s; server on processor %d, client on %d" %
          (s["rounds"], s["seconds"], bench.server_cpu, bench.client_cpu), flush=True)


def ratio(ours, theirs, figure):
    """Median over the rounds of ours against theirs; above 1 is better, whatever the figure."""
    key, less_is_better = RATIOS[figure]
    pairs = [(b[key], a[key]) if less_is_better else (a[key], b[key]) for a, b in zip(ours["rounds"], theirs["rounds"])]
    return statistics.median(x / y for x, y in pairs if y) if any(y for _, y in pairs) else 0


def row_of(result, depth, server):
    return next((r for r in result["rows"] if r["depth"] == depth and r["server"] == server), None)


def load_table(result):
    at = " at %d/s" % result["rate"] if result["rate"] else ""
    print("%9s %-10s %11s %8s %8s %7s %8s %8s %9s   %s" %
          ("in flight", "server", "requests/s", "cpu us", "client", "busy %", "p50 us", "p99 us", "p99.9 us",
           "gridd is better by: rate, cpu, p99" + at))
    for r in result["rows"]:
        ours, against = row_of(result, r["depth"], "gridd") or row_of(result, r["depth"], "gridd-resp"), ""
        if ours and ours is not r:
            against = " ".join("%5.2f" % ratio(ours, r, f) for f in ("rate", "cpu", "p99"))
        busy = "%3.0f/%-3.0f" % (100 * r["server_busy"], 100 * r["client_busy"])
        print("%9d %-10s %11.0f %8.2f %8.2f %7s %8.0f %8.0f %9.0f   %s" %
              (r["depth"], r["server"], r["per_second"], r["server_cpu_us"], r["client_cpu_us"], busy, r["p50_us"],
               r["p99_us"], r["p999_us"], against))


def http_table(result):
    print("%-10s %11s %8s %7s %8s %8s   %s" %
          ("server", "requests/s", "cpu us", "busy %", "p50 us", "p99 us", "gridd is better by: rate, cpu, p99"))
    ours = row_of(result, 1, "gridd-http")
    for r in result["rows"]:
        against = ""
        if ours and ours is not r:
            against = " ".join("%5.2f" % ratio(ours, r, f) for f in ("rate", "cpu", "p99"))
        print("%-10s %11.0f %8.2f %7.0f %8.0f %8.0f   %s" %
              (r["server"], r["per_second"], r["server_cpu_us"], 100 * r["server_busy"], r["p50_us"], r["p99_us"],
               against))


def memory_table(result):
    print("%-10s %14s %14s %16s" % ("server", "empty MiB", "full MiB", "bytes per entry"))
    for r in result["rows"]:
        print("%-10s %14.1f %14.1f %16.1f" % (
            r["server"], r["empty_bytes"] / 2**20, r["full_bytes"] / 2**20, r["per_entry"]))


def restart_table(result):
    print("%-10s %14s %16s %16s %10s" % ("server", "filled at/s", "first read ms", "all warm ms", "missing"))
    for r in result["rows"]:
        print("%-10s %14.0f %16.1f %16.1f %10d" %
              (r["server"], r["fill_per_second"], r["first_read_ms"], r["all_warm_ms"], r["missing"]))


def failover_table(result):
    print("%-26s %10s %10s %7s   %s" % ("killed", "median ms", "worst ms", "errors", "each"))
    for r in result["rows"]:
        print("%-26s %10.0f %10.0f %7d   %s" % (r["server"], r["median_ms"], r["worst_ms"], r["errors"],
                                                " ".join("%.0f" % x for x in r["outages_ms"])))


def drain_table(result):
    print("%-5s %9s %7s %14s %14s %14s %12s   %s" %
          ("node", "seconds", "errors", "p99 ms before", "hand-over", "copies go", "come back", "longest ms"))
    for r in result["rows"]:
        parts = [r[k] for k in ("before", "during", "rest", "back")]
        print("%-5s %9.2f %7d %14.1f %14.1f %14.1f %12.1f   %s %s" %
              (r["node"], r["seconds"], r["errors"], *(x["p99_us"] / 1e3 for x in parts),
               " ".join("%.0f" % (x["max_us"] / 1e3) for x in parts), r["first_error"]))


def rebalance_table(result):
    for r in result["rows"]:
        line = "%-10s %6.0f MB moved in %6.2f s: %6.0f MB/s, %.1f s of processor per GB" % (
            "under load" if r["load"] else "idle", r["moved"] / 1e6, r["seconds"], r["mb_per_second"], r["cpu_per_gb"])
        if r["load"]:
            line += "; errors %d; p99 %.1f ms before, %.1f ms meanwhile" % (
                r["errors"], r["before"]["p99_us"] / 1e3, r["during"]["p99_us"] / 1e3)
        print(line)


def idle_table(result):
    for r in result["rows"]:
        print("node %s: %.1f %% of a processor" % (r["node"], 100 * r["share"]))
    print("control log and state on disk: %.2f MB" % (result["control_bytes"] / 1e6))


def runaway_table(result):
    print("%-12s %11s %8s %8s %9s   %s" % ("beside", "requests/s", "p50 us", "p99 us", "p99.9 us",
                                           "p99 beside nobody is better by"))
    quiet = row_of(result, 1, "nobody")
    for r in result["rows"]:
        print("%-12s %11.0f %8.0f %8.0f %9.0f   %5.2f" % (r["server"], r["per_second"], r["p50_us"], r["p99_us"],
                                                          r["p999_us"], ratio(quiet, r, "p99")))


def transfer_table(result):
    print("%-8s %11s %8s %8s %16s   %s" % ("by", "transfers/s", "p50 us", "p99 us", "made again",
                                           "the task is better by"))
    ours = row_of(result, 1, "task")
    for r in result["rows"]:
        print("%-8s %11.0f %8.0f %8.0f %16.4f   %5.2f" % (r["server"], r["per_second"], r["p50_us"], r["p99_us"],
                                                        r["again"], ratio(ours, r, "rate")))


def by_table(result):
    print("%-28s %12s %9s   %s" % ("by", result["what"] + "/s", "ns each",
                                   "times as fast as " + result["against"] if "against" in result else ""))
    other = row_of(result, 1, result.get("against"))
    for r in result["rows"]:
        print("%-28s %12.0f %9.0f   %s" % (r["server"], r["per_second"], 1e9 / r["per_second"],
                                           "%5.2f" % ratio(r, other, "rate") if other else ""))


TABLES = {"by": by_table, "load": load_table, "memory": memory_table, "restart": restart_table, "http": http_table,
          "runaway": runaway_table, "transfer": transfer_table,
          "failover": failover_table, "drain": drain_table, "rebalance": rebalance_table, "idle": idle_table}


def show(result):
    print("\n%s: %s" % (result["name"], result["title"]))
    if result["kind"] == "http":
        print("%d connections that are kept" % result["connections"])
    elif result["kind"] == "load":
        print("%d connections, 16-byte keys, 100-byte values" % result["connections"])
    elif "keys" in result:
        print("%d entries of 16-byte keys and 100-byte values" % result["keys"])
    TABLES[result["kind"]](result)
    print(end="", flush=True)


def goals(results):
    """Every goal whose scenario was measured; the verdict goes into the result, too."""
    by_name = {r["name"]: r for r in results}
    lines = []
    for name, depth, figure, other, least in GOALS:
        result = by_name.get(name)
        ours, theirs = (row_of(result, depth, n) for n in (OURS.get(name, "gridd"), other)) if result else (None, None)
        if not ours or not theirs:
            continue
        got = ratio(ours, theirs, figure)
        result.setdefault("goals", []).append(
            {"depth": depth, "figure": figure, "against": other, "least": least, "got": got, "met": got >= least})
        lines.append("%-16s %2d in flight  %-4s against %-6s at least %4.2f   got %5.2f   %s" %
                     (name, depth, figure, other, least, got, "met" if got >= least else "MISSED"))
    for (name, by), most in AT_MOST_NS.items():
        row = row_of(by_name[name], 1, by) if name in by_name else None
        if row:
            got = 1e9 / row["per_second"]
            lines.append("%-16s %-28s at most %4d ns   got %4.0f   %s" %
                         (name, by, most, got, "met" if got <= most else "MISSED"))
    if lines:
        print("\ngoals")
        print("\n".join(lines))
