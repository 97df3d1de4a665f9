"""world.py - one real node with its directory and ports, gridctl to talk to it, and how checks are reported.

Each test is a program of its own in a fresh directory; what it started is ended by process id. Waiting is always for a
condition, up to a deadline. KEEP=1 leaves the directories for a look."""
import atexit
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
GRIDD, GRIDCTL = BUILD + "/gridd", BUILD + "/gridctl"
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("GRIDCTL_")}
DEADLINE = 30.0  # seconds: for whatever should come soon
SMALL = {"storage": {"shards": 2, "log_segment": "4M"}}  # a node that is quick to make

_started = []
_failed = []


def check(name, good, seen=""):
    """Report one check; `seen` is what was there instead. Returns whether it held."""
    if good:
        print(f"ok {name}", flush=True)
    else:
        _failed.append(name)
        print(f"not ok {name}: {str(seen)[:2000]!r}", flush=True)
    return bool(good)


def skip(name, why):
    print(f"SKIPPED {name}: {why}", flush=True)


def finish():
    sys.exit(1 if _failed else 0)


def fresh_directory():
    path = tempfile.mkdtemp(prefix="gridd-e2e-")
    if os.environ.get("KEEP"):
        print(f"# {path} stays", flush=True)
    else:
        atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def wait_until(condition, seconds=DEADLINE, every=0.01):
    """Whether condition() came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True


def let_pass(seconds):
    """Let a fault last; never to wait for something."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end, seconds + DEADLINE)


def free_ports(n=4):
    """The first of n free ports in a row, below those the kernel gives to outgoing connections: none of these can
    take the place of a server while it is down."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        top = max(int(file.read().split()[0]), 12000)
    while True:
        base = random.randrange(10000, top - n)
        sockets = []
        try:
            for i in range(n):
                sockets.append(socket.socket())
                sockets[-1].bind(("127.0.0.1", base + i))
            return base
        except OSError:
            continue
        finally:
            for s in sockets:
                s.close()


def start(*command, **more):
    """A process that is killed at the end if it still runs."""
    process = subprocess.Popen(command, **more)
    _started.append(process)
    return process


@atexit.register
def _end_all():
    for process in _started:
        if process.poll() is None:
            process.kill()
            process.wait()


class Outcome:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return f"exit {self.code}, stdout {self.out[:500]!r}, stderr {self.err[:1500]!r}"

    def said(self, pattern):
        return re.search(pattern, self.err) is not None


def run(*command, feed=None, seconds=DEADLINE, **more):
    """Run to the end; exit code 124 when it does not end."""
    more.setdefault("env", ENVIRONMENT)
    if isinstance(feed, str):
        feed = feed.encode()
    try:
        done = subprocess.run(command, input=feed if feed is not None else b"", capture_output=True,
                              timeout=seconds, check=False, **more)
    except subprocess.TimeoutExpired as late:
        code, out, err = 124, late.stdout or b"", late.stderr or b""
    else:
        code, out, err = done.returncode, done.stdout, done.stderr
    return Outcome(code, out.decode(errors="replace"), err.decode(errors="replace"))


def conf_text(sections):
    def literal(value):
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, list):
            return "{" + ", ".join(map(literal, value)) + "}"
        return str(value) if isinstance(value, int) else f'"{value}"'
    return "".join(f"{name} {{\n" + "".join(f"    {k} = {literal(v)}\n" for k, v in keys.items()) + "}\n"
                   for name, keys in sections.items())


class Node:
    """A gridd with a configuration file; `sections` are added to it: {"limits": {"connections": 10}}."""

    def __init__(self, directory=None, host="127.0.0.1", data=None, port=None, **sections):
        self.dir = directory or fresh_directory()
        self.data = data or self.dir + "/data"
        self.port = port or free_ports()
        self.endpoint = f"{host}:{self.port}"
        self.conf, self.log = self.dir + "/gridd.conf", self.dir + "/log"
        self.credentials = []
        self.environment = dict(ENVIRONMENT)
        self.process = None
        names = ("client", "peer", "http", "resp")
        self.sections = {"node": {"name": "n", "data": self.data},
                         "listen": {k: f"{host}:{self.port + i}" for i, k in enumerate(names)}}
        for name, keys in {**SMALL, **sections}.items():
            self.sections.setdefault(name, {}).update(keys)
        self.configure()

    def configure(self):
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(conf_text(self.sections))

    def start(self, wait=True, before=()):
        """Start it and wait until it answers, or has ended. `before`: a command that starts it, such as setpriv."""
        with open(self.log, "ab") as log:
            self.process = start(*before, GRIDD, "--config", self.conf, stdin=subprocess.DEVNULL, stdout=log,
                                 stderr=log, env=self.environment)
        return self.serves() if wait else True

    def serves(self):
        return wait_until(lambda: self.ended() or self.ctl("ping", timeout=200).code == 0) and not self.ended()

    def ended(self):
        return self.process is None or self.process.poll() is not None

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """SIGTERM; the exit code, or 124."""
        self.process.terminate()
        return self.exit_code()

    def exit_code(self, seconds=DEADLINE):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return 124

    def refused(self):
        """Start it where it should refuse: its outcome, with stderr."""
        return run(GRIDD, "--config", self.conf, env=self.environment)

    def ctl(self, *words, feed=None, timeout=5000, seconds=DEADLINE, before=()):
        return run(*before, GRIDCTL, "--endpoints", self.endpoint, "--timeout", str(timeout), *self.credentials, *words,
                   feed=feed, seconds=seconds)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)

    def log_lines(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()

    def logged(self, pattern):
        return any(re.search(pattern, line) for line in self.log_lines())

    def log_tail(self):
        return "\n".join(self.log_lines())[-1500:]

    def rss(self):
        """Resident bytes."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))
