"""bench_http - HTTP GET by wrk: gridd's door beside nginx, which serves a file of the same bytes from the system's
cache. Both answer one request at a time on each of 50 connections that are kept."""
import http.client
import os
import re
import statistics
import subprocess

from bench_peers import HTTP_VALUE, BenchError

UNITS = {"us": 1, "ms": 1e3, "s": 1e6}


def path_of(server):
    return "/key" if server.name == "nginx" else "/v1/caches/bench-memory/entries/key"


def put(server):
    c = http.client.HTTPConnection("127.0.0.1", server.port)
    c.request("PUT", path_of(server), HTTP_VALUE)
    if c.getresponse().status != 201:
        raise BenchError("PUT over HTTP failed")
    c.close()


def cpu_seconds(pid):
    """Of a process and its children."""
    def of(path):
        with open(path, encoding="ascii", errors="replace") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as f:
        children = [int(p) for p in f.read().split()]
    return sum(of("/proc/%d/stat" % p) for p in [pid, *children])


def wrk(bench, server, connections, seconds):
    """One run: its figures."""
    command = ["wrk", "-t1", "-c", str(connections), "-d", "%ds" % max(1, round(seconds)), "--latency",
               "http://127.0.0.1:%d%s" % (server.port, path_of(server))]
    before = cpu_seconds(server.process.pid)
    with bench.spawn(command, bench.client_cpu, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as p:
        out = p.communicate()[0]
    used = cpu_seconds(server.process.pid) - before
    done = re.search(r"(\d+) requests in ([\d.]+)s", out)
    if not done or "Non-2xx" in out or "Socket errors" in out:
        raise BenchError("%s\n%s" % (" ".join(command), out))
    requests, took = int(done[1]), float(done[2])
    points = {name: float(v) * UNITS[unit] for name, v, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)", out)}
    return {"per_second": requests / took, "server_cpu_us": used * 1e6 / requests, "server_busy": used / took,
            "p50_us": points["50"], "p99_us": points["99"]}


def scenario(bench, name):
    args, connections = bench.args, 50
    servers = [bench.server(n) for n in ("gridd-http", "nginx") if bench.present(n)]
    if not bench.present("wrk") or not servers:
        return None
    for s in servers:
        if s.name != "nginx":
            put(s)
    runs = {s.name: [] for s in servers}
    for s in servers:
        wrk(bench, s, connections, 1)
    for r in range(args.rounds):
        for i in range(len(servers)):
            s = servers[(i + r) % len(servers)]
            runs[s.name].append(wrk(bench, s, connections, args.seconds))
    rows = [{"depth": 1, "server": n, "rounds": v, **{k: statistics.median(run[k] for run in v) for k in v[0]}}
            for n, v in runs.items()]
    return {"name": name, "kind": "http", "title": "GET over HTTP of 100 bytes, by wrk", "connections": connections,
            "rows": rows}
