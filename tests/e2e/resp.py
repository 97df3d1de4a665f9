"""resp.py - the Redis protocol by hand: encode requests, cut a stream of bytes into replies, take replies apart.

A reply is compared as the bytes it came as; `parse` makes of it a tuple (type byte, content), so that an integer,
a simple string and a bulk string of the same text stay three different things."""
import select
import socket

AGGREGATES = {b"*"[0]: 1, b"~"[0]: 1, b">"[0]: 1, b"%"[0]: 2, b"|"[0]: 2}
BULKS = b"$!="


class Closed(Exception):
    """The server ended the connection; `seen`: the bytes that came before and are no whole reply."""

    def __init__(self, seen=b""):
        super().__init__(f"closed after {seen[-200:]!r}")
        self.seen = seen


def as_bytes(word):
    return word if isinstance(word, bytes) else str(word).encode()


def encode(words):
    """A request as clients send it."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        word = as_bytes(word)
        parts.append(b"$%d\r\n%b\r\n" % (len(word), word))
    return b"".join(parts)


def reply_end(data, at):
    """Where the reply that begins at `at` ends; None: not whole yet. ValueError: no reply at all."""
    open_items = 1
    while open_items:
        newline = data.find(b"\r\n", at)
        if newline < 0:
            return None
        kind = data[at]
        if kind in BULKS:
            length = int(data[at + 1:newline])
            at = newline + 2 if length < 0 else newline + 4 + length
            if at > len(data):
                return None
        elif kind in AGGREGATES:
            open_items += max(int(data[at + 1:newline]), 0) * AGGREGATES[kind]
            open_items += kind == b"|"[0]  # an attribute goes before a reply
            at = newline + 2
        elif kind in b"+-:_,#(":
            at = newline + 2
        else:
            raise ValueError(f"no reply begins with {bytes(data[at:at + 50])!r}")
        open_items -= 1
    return at


def items_of(raw):
    """The replies that an aggregate holds, each as it came."""
    at = raw.index(b"\r\n") + 2
    items = []
    while at < len(raw):
        end = reply_end(raw, at)
        items.append(raw[at:end])
        at = end
    return items


def parse(raw):
    """One whole reply as (type byte, content): lists for aggregates, bytes else, None for every null."""
    item, end = _parse(raw, 0)
    assert end == len(raw), raw
    return item


def _parse(data, at):
    newline = data.index(b"\r\n", at)
    kind, head = chr(data[at]), data[at + 1:newline]
    if data[at] in BULKS:
        length = int(head)
        if length < 0:
            return (kind, None), newline + 2
        return (kind, data[newline + 2:newline + 2 + length]), newline + 4 + length
    if data[at] in AGGREGATES:
        if int(head) < 0:
            return (kind, None), newline + 2
        items, at_item = [], newline + 2
        for _ in range(int(head) * AGGREGATES[data[at]]):
            item, at_item = _parse(data, at_item)
            items.append(item)
        return (kind, items), at_item
    return (kind, None if kind == "_" else head), newline + 2


def plain(reply):
    """A parsed reply without types: bytes, int, None, list (maps flat)."""
    kind, content = reply
    if isinstance(content, list):
        return [plain(item) for item in content]
    return int(content) if kind == ":" else content


class Connection:
    """One connection that is read by whole replies."""

    def __init__(self, port, host="127.0.0.1", seconds=30.0):
        self.socket = socket.create_connection((host, port), timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""

    def send(self, *commands):
        self.write(b"".join(map(encode, commands)))

    def write(self, data):
        """Send all of it, reading meanwhile, so that neither side waits for the other for ever."""
        view = memoryview(data)
        while view:
            ready, free, _ = select.select([self.socket] if len(view) > 65536 else [], [self.socket], [],
                                           self.socket.gettimeout())
            if not ready and not free:
                raise TimeoutError("neither readable nor writable")
            if ready:
                self._more()
            if free:
                view = view[self.socket.send(view[:65536]):]

    def _more(self):
        more = self.socket.recv(1 << 18)
        if not more:
            raise Closed(self.data)
        self.data += more

    def replies(self, count):
        """The bytes of the next `count` replies."""
        found, at = [], 0
        while len(found) < count:
            end = reply_end(self.data, at) if at < len(self.data) else None
            if end is not None:
                found.append(self.data[at:end])
                at = end
                continue
            self.data, at = self.data[at:], 0
            self._more()
        self.data = self.data[at:]
        return found

    def until(self, last):
        """The bytes of all replies before the one that is `last`."""
        found = []
        while True:
            reply = self.replies(1)[0]
            if reply == last:
                return found
            found.append(reply)

    def ask(self, *words):
        """One request, its reply parsed and without types; an error as bytes with its minus sign."""
        self.send(words)
        reply = parse(self.replies(1)[0])
        return b"-" + reply[1] if reply[0] == "-" else plain(reply)

    def rest(self):
        """Everything until the server closes."""
        data, self.data = self.data, b""
        while True:
            try:
                more = self.socket.recv(1 << 18)
            except ConnectionResetError:
                return data
            if not more:
                return data
            data += more

    def close(self):
        self.socket.close()
