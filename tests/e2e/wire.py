"""wire.py - the grid protocol spoken by hand, well or badly: frames of protobuf (proto/client.proto, proto/frame.h)."""
import os
import socket
import struct

GET, PUT, PING, OPEN_CACHE, BATCH, SCAN, GET_MANY, ADMIN = 1, 2, 32, 33, 6, 7, 16, 35
OK, TOO_LARGE, BAD_REQUEST, NO_CONTEXT, UNSUPPORTED = 0, 5, 6, 7, 27


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])


def message(**fields):
    """Bytes of a protobuf message: f1=5 is a varint, f3=b'x' is bytes."""
    out = b""
    for name, value in fields.items():
        number = int(name[1:])
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def frame(body):
    return struct.pack("<I", len(body)) + body


def hello(version=1, **more):
    return frame(message(f1=version, f2=version, f3=os.urandom(16), **more))


def request(number, op, **more):
    return frame(message(f1=number, f2=op, **more))


def fields_of(body):
    """{number: last value} of a message."""
    out, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = body[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(body):
        tag = number()
        value = number()
        if tag & 7 == 2:
            at += value
            value = body[at - value:at]
        out[tag >> 3] = value
    return out


class Wire:
    """One connection."""

    def __init__(self, sock, greet=True):
        self.socket, self.buffer = sock, b""
        if greet:
            self.send(hello())
            self.greeting = self.receive()

    def send(self, data):
        """False: the server closed it."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def receive(self):
        """Fields of the next message; None: closed."""
        while len(self.buffer) < 4 or len(self.buffer) < 4 + struct.unpack("<I", self.buffer[:4])[0]:
            try:
                more = self.socket.recv(1 << 16)
            except TimeoutError:
                raise
            except OSError:
                more = b""
            if not more:
                return None
            self.buffer += more
        end = 4 + struct.unpack("<I", self.buffer[:4])[0]
        body, self.buffer = self.buffer[4:end], self.buffer[end:]
        return fields_of(body)

    def status(self):
        """Status and text of the next response, or "closed"."""
        r = self.receive()
        return "closed" if r is None else (r.get(2, 0), r.get(7, b"").decode())

    def greeting_status(self):
        r = self.receive()
        return "closed" if r is None else (r.get(1, 0), r.get(2, b"").decode())

    def until_closed(self):
        """What comes before the server closes it; TimeoutError: it does not."""
        out = []
        while (r := self.receive()) is not None:
            out.append(r)
        return out

    def pings(self):
        self.send(request(999, PING))
        r = self.receive()
        return r is not None and r.get(1) == 999 and r.get(2, 0) == OK

    def close(self):
        self.socket.close()

    def end_input(self):
        self.socket.shutdown(socket.SHUT_WR)


class Client(Wire):
    """Puts and gets in one cache, many on their way."""
    WINDOW = 200

    def __init__(self, sock, cache="default/default"):
        super().__init__(sock)
        self.number = 1
        self.send(request(1, OPEN_CACHE, f20=cache.encode()))
        self.cache = self.receive().get(6, 0) >> 1

    def each(self, op, keyed):
        """One request for each (key, more fields); yields (key, status, fields) in the order of the answers. Ends
        early when the connection does."""
        waiting, iterator, more = {}, iter(keyed), True
        while more or waiting:
            burst = b""
            while more and len(waiting) < self.WINDOW:
                key, fields = next(iterator, (None, None))
                more = key is not None
                if more:
                    self.number += 1
                    waiting[self.number] = key
                    burst += request(self.number, op, f3=self.cache, f4=key.encode(), **fields)
            if burst and not self.send(burst):
                return
            r = self.receive() if waiting else None
            if r is None:
                return
            if r.get(1) in waiting:
                yield waiting.pop(r[1]), r.get(2, 0), r

    def put_all(self, values):
        """{key: status} of what was answered; values: {key: bytes}."""
        return {key: status for key, status, _ in self.each(PUT, ((k, {"f5": v}) for k, v in values.items()))}

    def get_all(self, keys):
        """{key: (status, value)}"""
        return {key: (status, r.get(4, b"")) for key, status, r in self.each(GET, ((k, {}) for k in keys))}
