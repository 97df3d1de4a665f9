"""bench_nodes - grids of several gridd, a redis with its replica, a Redis Cluster."""
import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.request

from bench_peers import BenchError, free_port

READY_SECONDS = 60
CHECKPOINT_INTERVAL_MS = "30000"  # the default
LAG = "gridd_checkpoint_lag_records "


def wait_for(what, true, seconds=READY_SECONDS, every=0.05):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise BenchError("%s: not after %d s" % (what, seconds))
        time.sleep(every)


class Processes:
    """Named processes that share a directory; bench.stop_all() ends them."""

    def __init__(self, bench, kind, cpu):
        self.bench, self.cpu, self.running = bench, cpu, {}
        self.directory = tempfile.mkdtemp(prefix=kind + "-", dir=bench.directory)
        bench.servers.append(self)

    def launch(self, name, command):
        with open(os.path.join(self.directory, name + ".log"), "ab") as log:
            self.running[name] = self.bench.spawn(command, self.cpu, stdout=log, stderr=log)

    def kill_one(self, name):
        """The moment of it, monotonic."""
        process = self.running.pop(name)
        at = time.monotonic()
        process.kill()
        process.wait()
        return at

    def kill(self):
        for name in list(self.running):
            self.kill_one(name)

    def pids(self):
        return ",".join(str(p.pid) for p in self.running.values())

    def cpu_seconds(self):
        """Processor time of each, by name."""
        used = {}
        for name, process in self.running.items():
            with open("/proc/%d/stat" % process.pid, encoding="ascii", errors="replace") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            used[name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return used


class Grid(Processes):
    """A grid of `nodes` gridd on loopback that has founded itself; start() adds one more."""

    def __init__(self, bench, nodes, cpu=None):
        super().__init__(bench, "grid", cpu)
        self.nodes, self.ports = nodes, {}
        for i in range(nodes):
            self.ports["abcdefg"[i]] = {k: free_port() for k in ("client", "peer", "http", "resp")}
        for name in list(self.ports):
            self.start(name)
        wait_for("a grid of %d" % nodes, self.whole)

    def start(self, name):
        if name not in self.ports:
            self.ports[name] = {k: free_port() for k in ("client", "peer", "http", "resp")}
        peers = ", ".join('"127.0.0.1:%d"' % p["peer"] for p in self.ports.values())
        path = os.path.join(self.directory, name + ".conf")
        expect = self.nodes if name in "abcdefg"[:self.nodes] else 0
        with open(path, "w", encoding="ascii") as f:
            f.write('peers = { %s }\nnode { name = "%s" grid = "bench" data = "%s/%s" bootstrap_expect = %d }\n' %
                    (peers, name, self.directory, name, expect))
            f.write("listen { %s }\n" % " ".join('%s = "127.0.0.1:%d"' % i for i in self.ports[name].items()))
            f.write("storage { shards = 1 }\n")
        self.launch(name, [self.bench.built("gridd"), "--config", path])

    def endpoints(self):
        return ",".join("127.0.0.1:%d" % self.ports[n]["client"] for n in self.running)

    def ctl(self, *words, check=True, at=None):
        endpoints = "127.0.0.1:%d" % self.ports[at]["client"] if at else self.endpoints()
        done = subprocess.run([self.bench.built("gridctl"), "--endpoints", endpoints, *words],
                              capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise BenchError("gridctl %s: %s" % (" ".join(words), done.stderr))
        return done.stdout

    def status(self):
        """Of the grid, by any node: one small request, so that who waits for something does not slow it down."""
        port = self.ports[next(iter(self.running))]["http"]
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d/v1/status" % port, timeout=5) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return None

    def whole(self, status=None):
        """All that run are there, and every partition has all of its copies."""
        s = status or self.status()
        serving = [n for n in s["nodes"] if n["state"] == "serving"] if s else []
        return len(serving) == len(self.running) and s["healthy"] and not s["joining"] and not s["short_of_copies"]

    def leader(self):
        s = self.status()
        return next((n["name"] for n in s["nodes"] if n["leader"]), None) if s else None

    def context(self, name, durability, *more):
        self.ctl("context", "create", name, "--durability", durability, "--backups", "1", *more)
        self.ctl("cache", "create", name + "/entries")
        wait_for("copies of " + name, self.whole)
        for node in self.running:  # each hears of it by itself
            wait_for(name, lambda node=node: name + "/entries" in self.ctl("cache", "list", check=False, at=node))

    def load(self, cache, *switches):
        port = next(iter(self.ports.values()))["client"]
        return self.bench.gridload("--routed", "--port", str(port), "--cache", cache, "--server-pid", self.pids(),
                                   *switches)

    def unfolded(self):
        """Records that are in a log and not yet in its checkpoint, of all nodes."""
        lag = 0.0
        for name in self.running:
            with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % self.ports[name]["http"], timeout=5) as told:
                lag += sum(float(line.split()[-1]) for line in told.read().decode().splitlines()
                           if line.startswith(LAG))
        return lag

    def settle(self):
        """What was written is folded now: no fold runs in what is measured next."""
        self.ctl("settings", "set", "checkpoint_interval", "100")
        wait_for("folds", lambda: self.unfolded() == 0, 120)
        self.ctl("settings", "set", "checkpoint_interval", CHECKPOINT_INTERVAL_MS)


class Callers:
    """Programs that use libgridclient at a fixed rate, in the background (callers.c)."""

    def __init__(self, grid, cache, *switches):
        self.process = grid.bench.spawn(
            [grid.bench.built("bench/callers"), "--endpoints", grid.endpoints(), "--cache", cache, *switches],
            grid.bench.client_cpu, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise BenchError("callers ended")
        return json.loads(line)

    def mark(self):
        """What happened since the last mark."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class RedisPair(Processes):
    """A primary with one replica."""

    def __init__(self, bench, durability, cpu):
        super().__init__(bench, "redis", cpu)
        self.port, self.ports = free_port(), []
        aof = {"memory": ["no"], "async": ["yes", "--appendfsync", "everysec"],
               "sync": ["yes", "--appendfsync", "always"]}[durability]
        for name, port in (("primary", self.port), ("replica", free_port())):
            directory = os.path.join(self.directory, name)
            os.mkdir(directory)
            self.ports.append(port)
            follow = ["--replicaof", "127.0.0.1 %d" % self.port] if name == "replica" else []
            self.launch(name, ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", directory, "--save",
                               "", "--repl-diskless-sync-delay", "0", "--appendonly", *aof, *follow])
        wait_for("the replica of redis", lambda: "state=online" in redis_ask(self.port, "INFO replication"))

    def settle(self):
        """Rewrites of the append-only files are over."""
        wait_for("rewrites", lambda: all("aof_rewrite_in_progress:0" in said and "aof_rewrite_scheduled:0" in said
                                         for said in (redis_ask(p, "INFO persistence") for p in self.ports)), 120)

    def load(self, *switches):
        return self.bench.gridload("--protocol", "resp-wait", "--port", str(self.port), "--server-pid", self.pids(),
                                   *switches)


class RedisCluster(Processes):
    """Three primaries with a replica each."""

    def __init__(self, bench, timeout_ms=None, cpu=None):
        super().__init__(bench, "cluster", cpu)
        self.ports = {"r%d" % i: free_cluster_port() for i in range(6)}
        for name, port in self.ports.items():
            os.mkdir(os.path.join(self.directory, name))
            timeout = ["--cluster-node-timeout", str(timeout_ms)] if timeout_ms else []
            self.launch(name, ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir",
                               os.path.join(self.directory, name), "--save", "", "--cluster-enabled", "yes", *timeout])
        wait_for("redis", lambda: all("PONG" in redis_ask(p, "PING") for p in self.ports.values()))
        done = subprocess.run(["redis-cli", "--cluster", "create", *("127.0.0.1:%d" % p for p in self.ports.values()),
                               "--cluster-replicas", "1", "--cluster-yes"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError("redis-cli --cluster create: " + done.stdout + done.stderr)
        wait_for("the cluster", self.whole)

    def whole(self):
        ports = self.ports.values()
        return (all("cluster_state:ok" in redis_ask(p, "CLUSTER INFO") for p in ports) and
                sum("state=online" in redis_ask(p, "INFO replication") for p in ports) == 3)


def free_cluster_port():
    """The bus of a node of the cluster listens 10000 above."""
    while True:
        port = free_port()
        if port < 55000:
            return port


def redis_ask(port, *commands, seconds=1.0):
    """The answers to inline commands, as text; "" when there is none."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as s:
            s.sendall("".join(c + "\r\n" for c in (*commands, "QUIT")).encode())
            out = b""
            while chunk := s.recv(65536):
                out += chunk
            return out.decode(errors="replace")
    except OSError:
        return ""
