"""grid_world.py - a whole grid, each node on a host of its own (netns.py), with certificates of its own authority, as
an operator would make it; and what must hold of it whatever happened."""
import glob
import json
import os
import shutil
import subprocess
import sys

import netns
import world
from recording import Recorder, judge
from world import check

GRID = "shop"
CONTEXT, CACHE = "proof", "proof/data"
RESP_COUNTERS = os.path.dirname(os.path.abspath(__file__)) + "/resp_counters"
SETTLED = 60  # seconds: for a grid to be whole again


class GridNode(netns.Node):
    def __init__(self, net, name, grid, data, labels):
        self.grid = grid
        self.given_up = False  # it is not meant to run
        tls = {key: f"{grid.certificates}/{file}" for key, file in
               (("ca", "ca.crt"), ("cert", f"{name}.crt"), ("key", f"{name}.key"))}
        node = {"grid": GRID, "bootstrap_expect": len(grid.names), "labels": labels}
        super().__init__(net, name, data=data, tls=tls, node=node)
        self.credentials = grid.credentials

    def configure(self):
        peers = ", ".join(f'"{self.grid.peer_address(name)}"' for name in self.grid.names)
        if self.name == self.grid.relayed:
            self.sections["listen"]["advertise_peer"] = self.grid.peer_address(self.name)
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(f"peers = {{ {peers} }}\n" if len(self.grid.names) > 1 else "")
            file.write(world.conf_text(self.sections))

    def start(self, wait=True, before=()):
        self.given_up = False
        return super().start(wait, before)

    def kill(self):
        self.given_up = True
        super().kill()

    def stop(self):
        self.given_up = True
        return super().stop()

    def wipe(self):
        """Its disk is lost."""
        shutil.rmtree(self.data)

    def spoil(self, where, what, by):
        """In the files `where` of its data, every `what` becomes `by`; how many there were. It must not run."""
        found = 0
        for path in glob.glob(f"{self.data}/{where}"):
            with open(path, "r+b") as file:
                data = file.read()
                found += data.count(what)
                file.seek(0)
                file.write(data.replace(what, by))
        return found


class Grid:
    """`labels`: of a node by its name; `disks`: {"b": netns.Disk}; `relayed`: the node that the others reach by a
    proxy on the host `relay` alone, grid.proxy; `timed`: prove() judges how long a key was waited for."""

    def __init__(self, net, names, labels=None, disks=None, relayed=None, timed=True):
        self.net, self.names, self.disks, self.relayed, self.timed = net, names, disks or {}, relayed, timed
        self.dir = world.fresh_directory()
        self.certificates = self.dir + "/certificates"
        netns.must(world.GRIDCTL, "cert", "init", self.certificates)
        for name in names:
            netns.must(world.GRIDCTL, "cert", "issue", self.certificates, name, "--host", net.address(name))
        netns.must(world.GRIDCTL, "cert", "issue", self.certificates, "client")
        self.credentials = [word for key, file in (("ca", "ca.crt"), ("cert", "client.crt"), ("key", "client.key"))
                            for word in (f"--{key}", f"{self.certificates}/{file}")]
        self.nodes = {name: GridNode(net, name, self, name in self.disks and self.disks[name].dir + "/data",
                                     (labels or {}).get(name, [f"zone={name}"])) for name in names}
        self.endpoints = ",".join(node.endpoint for node in self.nodes.values())
        self.proxy = relayed and netns.Proxy(net, "relay", netns.PEER, f"{net.address(relayed)}:{netns.PEER}")

    def peer_address(self, name):
        """Where the others reach it."""
        return f"{self.net.address('relay' if name == self.relayed else name)}:{netns.PEER}"

    def __iter__(self):
        return iter(self.nodes.values())

    def __getitem__(self, name):
        return self.nodes[name]

    def start(self, order=None):
        """All at once, or one after the other in this order; then wait until the grid is whole."""
        for name in order or self.names:
            self[name].start(wait=False)
        return self.settled()

    def end(self):
        for node in self:
            node.kill()
        if self.proxy:
            self.proxy.stop()

    def ctl(self, *words, via=None, **more):
        """gridctl at the whole grid, or at one node."""
        endpoints = self[via].endpoint if via else self.endpoints
        timeout = more.pop("timeout", 5000)
        return self.net.run("client", world.GRIDCTL, "--endpoints", endpoints, "--timeout", str(timeout),
                            *self.credentials, *words, **more)

    def status(self, via=None):
        """What `status --json` says; {} when nobody answers."""
        done = self.ctl("status", "--json", via=via, timeout=1000)
        return json.loads(done.out) if done.out.startswith("{") else {}

    def is_whole(self, via=None):
        status = self.status(via)
        return status.get("healthy") is True and len(status["nodes"]) == len(self.names)

    def settled(self, seconds=SETTLED):
        """Whether, in time, every node says that nothing is missing."""
        return world.wait_until(lambda: all(self.is_whole(name) for name in self.names), seconds, every=0.1)

    def make_context(self, name, *options):
        made = self.ctl("context", "create", name, *options)
        made = made if made.code else self.ctl("cache", "create", f"{name}/data")
        check(f"context {name} is made", made.code == 0, made)
        return f"{name}/data"

    def locate(self, key, cache=CACHE):
        return json.loads(self.ctl("locate", cache, key, "--json").out)

    def primary(self, key, cache=CACHE):
        return self[self.locate(key, cache)["primary"]]

    def primaries(self, node):
        """How many partitions it leads; -1 when nobody says so."""
        return next((n["primaries"] for n in self.status().get("nodes", ()) if n["name"] == node.name), -1)

    def leader(self):
        """Who leads the control plane, or None."""
        return next((self[n["name"]] for n in self.status().get("nodes", ()) if n["leader"]), None)

    def record(self, name="history", **options):
        certificate = {key: file for key, file in zip(("ca", "cert", "key"), self.credentials[1::2])}
        options = {"clients": 12, "keys": 48, "rate": 100, "cache": CACHE, **certificate, **options}
        recorder = Recorder(self.endpoints, f"{self.dir}/{name}", self.net.inside("client"), **options)
        world.wait_until(lambda: recorder.records() or not recorder.running())
        return recorder

    def count_by_resp(self):
        """Redis clients that count until counted()."""
        endpoints = ",".join(f"{self.net.address(name)}:{netns.RESP}" for name in self.names)
        started = world.start(*self.net.inside("client"), sys.executable, RESP_COUNTERS, "--endpoints", endpoints,
                              *self.credentials, stdout=subprocess.PIPE, text=True)
        return started

    @staticmethod
    def counted(counters):
        counters.terminate()
        return json.loads(counters.communicate(timeout=60)[0] or "{}")

    # --- what must hold at the end ---

    def prove(self, story, recorder, wait_ms=None):
        """Faults are over: the grid becomes whole, the history is good, the copies are equal. `wait_ms`: the longest
        that a key may have been waited for. The report of the recorder."""
        check(f"{story}: the grid becomes whole", self.settled(), self.status())
        report = recorder.stop()
        print(f"# {story}: {report}", flush=True)
        check(f"{story}: every key is read at the end", report.code == 0 and report["unread"] == 0, report)
        verdict = judge(recorder.path)
        check(f"{story}: the history is good", verdict.code == 0, verdict.out)
        if wait_ms and self.timed:
            check(f"{story}: no key is waited for longer than {wait_ms} ms", report["wait_ms"] <= wait_ms, report)
        self.prove_copies(story)
        return report

    def prove_copies(self, story):
        if len(self.names) > 1:
            verified = self.ctl("verify", CONTEXT, "--json", timeout=60000, seconds=90)
            check(f"{story}: the copies are equal", verified.code == 0, verified)
        for node in self:
            check(f"{story}: {node.name} has not ended by itself", node.given_up or not node.ended(), node.log_tail())


def counters(path):
    """Of a history: {key: (increments acknowledged, increments in doubt, last number read)}."""
    found = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            words = line.split()
            acked, doubted, last = found.get(words[1], (0, 0, None))
            if words[5] == "incr":
                found[words[1]] = (acked + (words[4] == "ok"), doubted + (words[4] == "doubt"), last)
            elif words[4] in ("ok", "no"):
                found[words[1]] = (acked, doubted, int(words[7]) if words[4] == "ok" else 0)
    return found
