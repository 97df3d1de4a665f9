"""check_history.py - whether a history that load.c wrote is one that the promises of the grid allow.

Knows nothing of gridd: requests with their times, outcomes and versions go in, broken promises come out. What holds:
  all      a later request has a greater version (also over restarts); versions are never given twice; no value that was
           never written; a batch is whole; a count is what a scan finds; no outcome that nobody asked for
  sync     nothing acknowledged is lost, reads are never stale, counters and compare-and-set exactly once
  async    as sync, but what was acknowledged less than LOSS_US before a kill may be lost, then all after it as well
  memory   as sync since the last kill, and nothing from before it"""
from collections import defaultdict

LOSS_US = 2_000_000  # log_sync_interval is 100 ms; the rest is for syncs on a busy machine
SLACK_US = 1_000_000  # a time to live this close to its end says nothing
WRITES = {"put", "del", "incr", "cas", "expire", "batch"}
USUAL = {"put": {"OK"}, "get": {"OK", "NOT_FOUND"}, "del": {"OK", "NOT_FOUND"}, "incr": {"OK"},
         "cas": {"OK", "CONDITION"}, "expire": {"OK", "NOT_FOUND"}, "batch": {"OK"}}
DOUBTFUL = {"IN_DOUBT"}


class Op:
    __slots__ = ("worker", "kind", "context", "key", "sent", "done", "outcome", "version", "argument", "result", "ttl")

    def __init__(self, words):
        self.worker, self.kind, self.context, self.key = words[1], words[3], words[4], words[5]
        self.sent, self.done, self.outcome, self.version = int(words[6]), int(words[7]), words[8], int(words[9])
        self.argument, self.result, self.ttl = words[10], words[11], int(words[12])

    def __repr__(self):
        return (f"{self.kind} {self.context}/{self.key} {self.argument} at {self.sent}..{self.done}: "
                f"{self.outcome} {self.version:#x} {self.result}")

    @property
    def boot(self):
        return self.version >> 40


class Final:
    def __init__(self, words):
        self.version, self.deadline, self.value, self.at = int(words[4]), int(words[5]), words[6], int(words[7])

    def __repr__(self):
        return f"{self.value} {self.version:#x}"


class History:
    def __init__(self, lines, kills):
        self.kills, self.round = kills, None  # monotonic us
        self.by_key = defaultdict(list)
        self.finals, self.counts = {}, {}
        self.ops, self.ended, self.written = 0, {}, defaultdict(int)
        for line in lines:
            words = line.split()
            if words[0] == "op":
                op = Op(words)
                self.by_key[op.context, op.key].append(op)
                self.written[op.worker] += 1
                self.ops += 1
            elif words[0] == "final":
                self.finals[words[1], words[2], words[3]] = Final(words)
            elif words[0] == "count":
                self.counts[words[1], words[2]] = int(words[3])
            elif words[0] == "end":
                self.ended[words[1]] = int(words[2])

        self.boot = {}  # of each context, the last in which it was written
        for (context, _), ops in self.by_key.items():
            self.boot[context] = max(self.boot.get(context, 0), max(op.boot for op in ops))

    def across_kills(self):
        """Writes that were on their way when the server died."""
        return sum(op.sent < kill < op.done for ops in self.by_key.values() for op in ops if op.kind in WRITES
                   for kill in self.kills)

    def losable(self, op):
        """Whether a kill may have come before the log had it."""
        return any(op.sent <= kill and kill - op.done <= LOSS_US for kill in self.kills)


def check_order(key, ops, faults):
    """Versions grow with time and are never given twice."""
    latest, before = None, None
    for op in ops:
        if before and op.version == before.version:
            faults.append(f"{key}: one version twice: {before} and {op}")
        if latest and op.done < latest.sent:
            faults.append(f"{key}: a later request got a lesser version: {op} after {latest}")
        if latest is None or op.sent > latest.sent:
            latest = op
        before = op


def replay(history, context, ops):
    """For each write the states (version, value, ttl, write) that may follow it; None: absent. At last what may be now.
    More than one: an async context may have lost its newest writes when the next boot began."""
    states, after, tail, boot = [None], [], [], None
    for op in ops + [None]:
        if context == "async" and (op is None or op.boot != boot):
            for lost, before in reversed(tail):
                if not history.losable(lost):
                    break
                states = states + before
        if context == "memory" and (op.boot if op else history.boot[context]) != boot:
            states = [None]
        if op is None or op.boot != boot:
            tail = []
        if op is None:
            return after, states
        tail.append((op, states))
        boot = op.boot
        if op.kind == "del":
            states = [None]
        elif op.kind == "expire":
            states = [(op.version, state[1], op.ttl, op) for state in states if state]
        else:
            states = [(op.version, op.argument, op.ttl, op)]
        after.append(states)
    return after, states


def check_reads(name, ops, reads, after, stale, faults):
    """A value read was written, with that version; and it is none that was overwritten before the read began."""
    written = {op.version: (op, {state[1] for state in states if state}) for op, states in zip(ops, after)}
    by_end = sorted(ops, key=lambda op: op.done)
    at, greatest = 0, None
    for read in sorted(reads, key=lambda op: op.sent):
        while at < len(by_end) and by_end[at].done < read.sent:
            if greatest is None or by_end[at].version > greatest.version:
                greatest = by_end[at]
            at += 1
        if read.outcome == "OK":
            write, values = written.get(read.version, (None, ()))
            if not write or read.result not in values:
                faults.append(f"{name}: read what nobody wrote: {read}; {write} left {values}")
            elif write.sent > read.done:
                faults.append(f"{name}: read before it was written: {read}")
            elif stale and greatest and read.version < greatest.version:
                faults.append(f"{name}: stale read: {read} after {greatest}")
        elif stale and greatest and greatest.kind != "del" and not greatest.ttl:
            if not any(op.version > greatest.version and op.sent < read.done and (op.kind == "del" or op.ttl)
                       for op in ops):
                faults.append(f"{name}: not found, but was written: {read} after {greatest}")


def matches(final, state):
    if state is None:
        return final is None
    version, value, ttl, last = state
    short = 0 < ttl < 60_000
    if final is None:
        return short
    if short and final.at > last.done + ttl * 1000 + SLACK_US:
        return False
    return final.version == version and final.value == value and bool(final.deadline) == bool(ttl)


def check_final(name, final, states, faults):
    if not any(matches(final, state) for state in states):
        faults.append(f"{name}: is {final}, expected one of {states}")


def check_counter(history, context, key, ops, final, faults):
    """Each result is the one before plus what was added; a fall is what a kill may take."""
    number, before, may_lose = 0, None, 0
    for op in ops:
        by = 1 if op.kind == "cas" else int(op.argument)
        result = int(op.argument) if op.kind == "cas" else int(op.result)
        if before and op.boot != before.boot:
            if context == "memory":
                number = 0
            elif context == "async" and number - may_lose <= result - by <= number:
                number = result - by
            may_lose = 0
        if result != number + by:
            faults.append(f"{context}/{key}: {number} plus {by} gave {result}: {op}")
        number, before = result, op
        may_lose = may_lose + by if history.losable(op) else 0
    if context == "memory" and before and before.boot != history.boot[context]:
        number = 0
    seen = int(final.value) if final else 0
    least = number - (may_lose if context == "async" else 0)
    if not least <= seen <= number:
        faults.append(f"{context}/{key}: is {seen}, expected {least} to {number}")


def check_batch(history, context, key, ops, faults):
    x, y, n = (history.finals.get((history.round, context, f"{key}:{part}")) for part in "xyn")
    parts = [p for p in (x, y, n) if p]
    if len(parts) not in (0, 3) or len({p.version for p in parts}) > 1 or (x and x.value != y.value):
        faults.append(f"{context}/{key}: a torn batch: {x}, {y}, {n}")
        return
    check_final(f"{context}/{key}", x, replay(history, context, ops)[1], faults)
    if context == "sync" and (int(n.value) if n else 0) != len(ops):
        faults.append(f"{context}/{key}: {n} batches, acknowledged were {len(ops)}")


def check_key(history, context, key, ops, faults):
    for op in ops:
        if op.outcome not in USUAL[op.kind]:
            faults.append(f"{context}/{key}: an outcome that should not be: {op}")
    if any(op.outcome in DOUBTFUL for op in ops):
        return  # reported above; what follows would only repeat it
    name = f"{context}/{key}"
    writes = sorted((op for op in ops if op.kind in WRITES and op.outcome == "OK"), key=lambda op: op.version)
    reads = [op for op in ops if op.kind == "get"]
    check_order(name, writes, faults)
    final = history.finals.get((history.round, context, key))
    if key[0] in "nc":
        check_counter(history, context, key, writes, final, faults)
    elif key[0] == "b":
        check_batch(history, context, key, writes, faults)
    else:
        after, states = replay(history, context, writes)
        check_reads(name, writes, reads, after, context == "sync", faults)
        check_final(name, final, states, faults)


def check(history, contexts=("sync", "async", "memory"), this_round="1"):
    """Every broken promise, one line each. After `this_round` of reading back."""
    faults = []
    history.round = this_round
    for worker, count in history.written.items():
        if history.ended.get(worker) != count:
            faults.append(f"worker {worker}: {count} requests, it speaks of {history.ended.get(worker)}")
    for (context, key), ops in history.by_key.items():
        if context in contexts:
            check_key(history, context, key, ops, faults)
    for context in contexts:
        found = {key: f for (r, c, key), f in history.finals.items() if (r, c) == (this_round, context)}
        if history.counts.get((this_round, context)) != len(found):
            faults.append(f"{context}: count {history.counts.get((this_round, context))}, the scan found {len(found)}")
        for key, final in found.items():
            if (context, key.split(":")[0]) not in history.by_key:
                faults.append(f"{context}/{key}: {final} was never written")
            elif final.value == "garbled":
                faults.append(f"{context}/{key}: garbled")
    return faults
