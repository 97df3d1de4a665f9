"""recording.py - the recorder of histories as an object, and the judge. Both are programs of their own (recorder.c,
tests/lib/check_history.c); `before` is a command that starts the recorder, such as `ip netns exec NAME`."""
import os
import re
import subprocess

import world


class Report:
    """What the recorder said in the end: report["gap_ms"]; the exit code and all its words."""

    def __init__(self, code, out):
        self.code, self.out = code, out
        tail = out.strip().split("\n")[-1]
        self.numbers = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", tail)}

    def __getitem__(self, name):
        return self.numbers[name]

    def __repr__(self):
        return f"exit {self.code}, {self.numbers or self.out[-500:]}"

    def seconds(self):
        """Requests done in each second."""
        return [int(n) for n in re.findall(r"^second \d+: (\d+) done", self.out, re.M)]


class Recorder:
    """All keys must be new to the cache: `prefix` tells them from those of another history."""

    def __init__(self, endpoints, path, before=(), **options):
        self.path, self.log = path, path + ".out"
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        with open(self.log, "wb") as log:
            self.process = world.start(*before, world.BUILD + "/e2e/recorder", "--endpoints", endpoints, "--history",
                                       path, *words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def running(self):
        return self.process.poll() is None

    def records(self):
        """Whether something is written down by now."""
        return os.path.exists(self.path) and os.path.getsize(self.path) > 0

    def wait(self, seconds=120):
        """Wait until it is done by itself."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return Report(code, file.read())

    def stop(self, seconds=120):
        """No more requests but the last reads."""
        self.process.terminate()
        return self.wait(seconds)


def judge(path):
    """Exit code 0: one grid that does one thing at a time may have told this; 1: no; 3: too hard to say."""
    return world.run(world.BUILD + "/check-history", path, seconds=300)


def join(paths, path):
    """One history of several, of recorders on one machine with clients of their own."""
    with open(path, "wb") as whole:
        for part in paths:
            with open(part, "rb") as file:
                whole.write(file.read())
    return path
