"""netns.py - hosts of a network of their own: namespaces on one bridge, with faults between them.

    netns.enter()                      first of all: the program starts again in namespaces of its own
    net = netns.Network("a", "b", "client")
    node = netns.Node(net, "a")        a world.Node that runs on host a; its gridctl runs on host client
    net.cut("a"); net.heal()

The bridge stands in the network namespace of the program itself, which has no other way out; each host is a namespace
with one end of a pair whose other end is at the bridge. No end is ever in the namespace of the machine, and nobody has
a default route: nothing can leave. Mounts and process ids are the program's own, too. So all of it goes with the
program, even if that is killed: processes, mounts, namespaces, names.

Packets are lost where they arrive, so that senders see what they see of a real network: nothing."""
import atexit
import os
import shutil
import signal
import subprocess
import sys

import world

INSIDE = "GRIDD_NETNS"  # in the environment: already in namespaces of its own
CLIENT, PEER, HTTP, RESP = 7400, 7401, 7402, 7403
SUBNET = "10.91.0"
PROXY = os.path.dirname(os.path.abspath(__file__)) + "/proxy"


def must(*command, **more):
    """Run what has to work; its stdout."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def leave_out(why, needed):
    """Say why nothing is tried; that fails where what is `needed` is missing and SKIP=never."""
    name = os.path.basename(sys.argv[0])
    world.skip(name, why)
    world.check(f"{name}: nothing tried, {why}", not (needed and os.environ.get("SKIP") == "never"))
    world.finish()


def enter():
    """Go on in namespaces of the program's own, or end here: where that cannot be, with a line that says so."""
    if os.environ.get(INSIDE):
        must("mount", "-t", "tmpfs", "none", "/run")  # names of namespaces, the lock of iptables
        must("ip", "link", "set", "lo", "up")
        return
    if os.geteuid() != 0:
        leave_out("it needs root", needed=False)
    unshare = ("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc")
    if subprocess.run((*unshare, "true"), capture_output=True, check=False).returncode:
        leave_out("no namespaces can be made here", needed=False)
    for tool, package in (("ip", "iproute2"), ("iptables", "iptables")):
        if not shutil.which(tool):
            leave_out(f"{package} is not installed", needed=True)
    environment = {**os.environ, INSIDE: str(os.getpid())}
    sys.exit(subprocess.call((*unshare, sys.executable, *sys.argv), env=environment))


class Network:
    def __init__(self, *names):
        self.names = names
        self.tag = f"g{os.environ[INSIDE]}"
        must("ip", "link", "add", "bridge", "type", "bridge")
        must("ip", "link", "set", "bridge", "up")
        for number, name in enumerate(names):
            self._add(name, number)

    def _add(self, name, number):
        """The pair is made in the host's namespace, and its other end moved to the bridge at once."""
        host, end = self.namespace(name), f"{self.tag}.{number}"
        must("ip", "netns", "add", host)
        must("ip", "-n", host, "link", "add", "eth0", "type", "veth", "peer", "name", end, "netns", str(os.getpid()))
        must("ip", "link", "set", end, "master", "bridge", "up")
        must("ip", "-n", host, "address", "add", f"{self.address(name)}/24", "dev", "eth0")
        must("ip", "-n", host, "link", "set", "lo", "up")
        must("ip", "-n", host, "link", "set", "eth0", "up")
        self._iptables(name, "-L")

    def namespace(self, name):
        return f"{self.tag}-{name}"

    def address(self, name):
        return f"{SUBNET}.{self.names.index(name) + 1}"

    def inside(self, name):
        """What runs a command on this host; the process is the command's own."""
        return ("ip", "netns", "exec", self.namespace(name))

    def run(self, name, *command, **more):
        return world.run(*self.inside(name), *command, **more)

    def _iptables(self, name, *rule):
        return must(*self.inside(name), "iptables", "-w", *rule)

    def _drop(self, at, *which):
        self._iptables(at, "-A", "INPUT", "-i", "eth0", *which, "-j", "DROP")

    # --- faults: what comes from whom is lost where ---

    def cut_one_way(self, sender, receiver):
        """What one sends does not reach the other."""
        self._drop(receiver, "-s", self.address(sender))

    def cut_pair(self, one, other):
        self.cut_one_way(one, other)
        self.cut_one_way(other, one)

    def cut(self, name):
        """Nothing reaches it, and nothing of it anybody."""
        self._drop(name)
        for other in self.names:
            if other != name:
                self.cut_one_way(name, other)

    def loss(self, name, percent):
        """Each packet from it or to it is lost with this chance."""
        chance = ("-m", "statistic", "--mode", "random", "--probability", str(percent / 100))
        self._drop(name, *chance)
        for other in self.names:
            if other != name:
                self._drop(other, "-s", self.address(name), *chance)

    def dropped(self):
        """Packets lost since the last heal()."""
        lines = [line.split() for name in self.names
                 for line in self._iptables(name, "-L", "INPUT", "-v", "-x", "-n").splitlines()]
        return sum(int(words[0]) for words in lines if len(words) > 2 and words[2] == "DROP")

    def heal(self):
        for name in self.names:
            self._iptables(name, "-F", "INPUT")


class Disk:
    """A small file system for one node, to be filled; made before the node starts."""

    def __init__(self, megabytes):
        self.dir = world.fresh_directory() + "/disk"
        os.mkdir(self.dir)
        must("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", self.dir)
        atexit.register(must, "umount", "-l", self.dir)  # its node may still run

    def fill(self):
        with open(self.dir + "/other", "wb", buffering=0) as file:
            try:
                while file.write(bytes(65536)) > 0:
                    pass
            except OSError:
                pass  # full

    def empty(self):
        os.unlink(self.dir + "/other")


class Node(world.Node):
    """A gridd on one of the hosts; gridctl speaks to it from the host `client`."""

    def __init__(self, net, name, client="client", **more):
        self.net, self.name, self.client = net, name, client
        more.setdefault("tls", {"insecure": True})
        more["node"] = {"name": name, **more.get("node", {})}
        super().__init__(host=net.address(name), port=CLIENT, **more)

    def start(self, wait=True, before=()):
        return super().start(wait, (*before, *self.net.inside(self.name)))

    def ctl(self, *words, client=None, **more):
        return super().ctl(*words, before=self.net.inside(client or self.client), **more)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)


class Proxy:
    """tests/e2e/proxy on one of the hosts: what connects to its port meets `target` ("address:port")."""

    def __init__(self, net, name, port, target, **faults):
        self.endpoint = f"{net.address(name)}:{port}"
        words = [word for fault, value in faults.items() for word in (f"--{fault}", str(value))]
        self.process = world.start(*net.inside(name), sys.executable, PROXY, self.endpoint, target, *words,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line.startswith("ok"):
            raise RuntimeError(f"proxy: {line!r}")

    def set(self, **faults):
        """delay=ms, jitter=ms, bandwidth=bytes per second (0: any), stall=0 or 1, reset=1 (all connections)."""
        for fault, value in faults.items():
            self.process.stdin.write(f"{fault} {value}\n")
            self.process.stdin.flush()
            self._answer()

    def stop(self):
        self.process.kill()
        self.process.wait()

