"""differential_words.py - random command streams from a seed: the commands as a table of small grammars, the words
they are made of, and mistakes.

A grammar is words: UPPER CASE and digits stand for themselves, lower case is a kind of word (POOLS), `( )` groups,
`|` chooses, `?` means perhaps, `*` none to three, `+` one to four. A stream is a list of steps:
    (connection, words)                one request
    (connection, "scan", words)        a whole SCAN or HSCAN, cursor by cursor
    (connection, "random", words)      a reply that is random, and the hash or the keys that it must be from
    (connection, "carry", words)       DUMP a key, RESTORE what came
Connection 0 does most; 1 interferes with what 0 watches. In a stream of publish and subscribe (`pushes`), where what
comes is not one reply to each request, three connections take turns."""
import random
import re

HUGE, TINY = 2**63 - 1, -2**63
NUMBERS = [0, 1, -1, 2, 5, 10, -10, 100, 12345, HUGE, TINY, HUGE + 1, TINY - 1, HUGE - 1, "+1", "01", "-0", " 1", "1 ",
           "1.0", "abc", "", "0x10", "1e3", "99999999999999999999"]
POOLS = {
    "int": NUMBERS,
    "by": [1, 1, 2, -1, 10, 0, 100, HUGE, TINY, HUGE // 2, HUGE + 1, "1.5", "abc", "", " 1", "+1"],
    "float": [1, "1.5", "-1.5", "0.1", "0.2", "3.0e3", "1e-5", "-0", "1e17", "1e308", "1e400", "nan", "inf", "-inf",
              "+inf", "infinity", "abc", "", " 1", "1 ", "1,5", "0x1p3", "123456789.123456789", "5e-324", "-1e-10",
              "99999999999999999", "0.00000000000000001", 2**53 + 1],
    "index": [0, 1, -1, 2, 3, -3, 5, -5, 10, 100, -100, 2**31, -2**31, HUGE, TINY, HUGE + 1, "abc", "1.5", ""],
    "offset": [0, 0, 1, 2, 5, 10, 100, 3000, -1, 536870912, HUGE, HUGE + 1, "abc", ""],
    "bit": [0, 1, 6, 7, 8, 63, 64, 100, 1000, 30000, -1, HUGE, TINY, HUGE + 1, "abc", "1.5", ""],
    "ttl": [0, -1, -100, 9223372036854775, 9223372036854776, 9223370399119966, HUGE, TINY,
            HUGE + 1, "abc", "1.5", "", " 100"],
    "pttl": [0, -1, -100, 9223370399119966000, HUGE, TINY, HUGE + 1, "abc", "1.5", ""],
    "at": [32503680000, 33000000000, 1, 0, -1, 100, 9223372036854775, 9223372036854776, HUGE, TINY, "abc", ""],
    "later": [32503680000, 33000000000, 0, -1, 9223372036854775, 9223372036854776, HUGE, TINY, "abc", ""],  # no past
    "plater": [32503680000000, 33000000000000, 0, -1, HUGE, TINY, HUGE + 1, "abc", "1.5", ""],
    "pat": [32503680000000, 33000000000000, 1, 0, -1, HUGE, TINY, HUGE + 1, "abc", "1.5", ""],
    "count": [1, 2, 3, 10, 100, 0, -1, -3, -10, HUGE + 1, TINY - 1, "abc", ""],
    "several": [1, 2, 5, 10, 1000, 0, -1, "abc"],
    "cursor": [0, 0, 0, "abc", "", " 0", "-1", "99999999999999999999", "1.5"],
    "pattern": ["*", "*a*", "k?", "[a-c]*", "[^a]*", "{*", "*}*", "nothing", "", "\\*", "[", "[a", "f[1-3]", "**", "?",
                "*1", "*[0-9]", b"\xff*", "{t}k\\1"],
    "type": ["string", "hash", "list", "STRING", "abc"],
    "junk": ["FOO", "", "0", "-1", b"\xff\x00", "NX", "GET", "COUNT", "a" * 200, "a b", b"a\0b", b"a\r\nb", "'", "%s",
             HUGE + 1],
    "mode": ["SYNC", "ASYNC", "FOO"],
    "least": [0, 1, 2, 5, 100, -1, "abc"],
    "channel": ["{t}a", "{t}b", "{t}news.it", "{t}", b"{t}\xff"],
    "payload": [b"", b"abc", b"\x00\x03abc\x0a\x00" + b"\x01" * 8],  # a checksum of zero is taken for right
}
VALUES = [b"", b"0", b"1", b"-1", b"10", b"abc", b"foo bar", b"\x00\xff\xfe", b"9223372036854775807", b"\r\n", b"1.5",
          b"-9223372036854775808", b"9223372036854775808", b"3.0e3", b" 1", b"1 ", b"+1", b"01", b"-0", b"nan", b"inf",
          b"1e400", b"x" * 100, b"y" * 5000, b"12345678901234567890", b"0.1", b"-0.0", b"ohmytext", b"mynewtext",
          "h\u00e9llo".encode(), b"*", b"x" * 44, b"x" * 45]
BIG = b"z" * 70000
FIELDS = [b"f1", b"f2", b"f3", b"a", b"b", b"", b"\x00\xff", b"field" * 20, b"1", b"*"]
KEYS = 8
OF_ALL_KEYS = (b"KEYS", b"SCAN", b"FLUSHALL", b"FLUSHDB")
# Done beside a transaction, not in it; gridd writes its replies as the connection spoke when EXEC came.
NO_TRANSACTION = OF_ALL_KEYS + (b"HELLO",)
KINDS_OF_KEY = {"key": 0.07, "hash": 0.93, "any": 0.5}

# family: name, weight, grammar. A name with a space is a command and its subcommand.
GRAMMARS = """
strings
GET 20 key
SET 30 key val (EX ttl|PX pttl|EXAT later|PXAT plater|KEEPTTL)? (NX|XX)? GET?
SET 10 key val
SETNX 4 key val
SETEX 4 key ttl val
PSETEX 3 key pttl val
GETSET 4 key val
GETDEL 4 key
GETEX 6 key (EX ttl|PX pttl|EXAT at|PXAT pat|PERSIST)?
MGET 6 key+
MSET 5 (key val)+
MSETNX 4 (key val)+
APPEND 8 key val
STRLEN 5 key
INCR 8 key
DECR 5 key
INCRBY 8 key by
DECRBY 5 key by
INCRBYFLOAT 8 key float
GETRANGE 8 key index index
SETRANGE 6 key offset val
SUBSTR 2 key index index
LCS 5 key key LEN? IDX? (MINMATCHLEN least)? WITHMATCHLEN?
bits
SETBIT 10 key bit (0|1|1|2|abc)
GETBIT 5 key bit
BITCOUNT 6 key (index index (BIT|BYTE|junk)?)?
BITCOUNT 1 key index
BITPOS 6 key (0|1|2) (index (index (BIT|BYTE|junk)?)?)?
BITOP 5 (AND|OR|XOR|NOT|junk) key key key?
keys
DEL 8 any+
UNLINK 3 any+
EXISTS 6 any+
TOUCH 3 any+
TYPE 6 any
EXPIRE 8 any ttl (NX|XX|GT|LT)?
EXPIRE 2 any ttl (NX|XX|GT|LT)*
PEXPIRE 5 any pttl (NX|XX|GT|LT)?
EXPIREAT 5 any at (NX|XX|GT|LT)?
EXPIREAT 2 any at (NX|XX|GT|LT)*
PEXPIREAT 5 any pat (NX|XX|GT|LT)?
TTL 6 any
PTTL 5 any
EXPIRETIME 5 any
PEXPIRETIME 5 any
PERSIST 5 any
RENAME 6 any any
RENAMENX 5 any any
COPY 8 any any (DB 0)? REPLACE?
KEYS 2 pattern
SCAN 2 cursor (junk|MATCH pattern|COUNT several)*
RESTORE 2 any ttl payload (REPLACE|ABSTTL|IDLETIME by|FREQ by|junk)*
OBJECT 1 (REFCOUNT|IDLETIME|FREQ|FOO) any
FLUSHDB 0.15 mode?
FLUSHALL 0.15 mode?
hashes
HSET 30 hash (field val)+
HMSET 5 hash (field val)+
HSETNX 6 hash field val
HGET 15 hash field
HMGET 8 hash field+
HGETALL 8 hash
HDEL 12 hash field+
HEXISTS 5 hash field
HLEN 6 hash
HKEYS 4 hash
HVALS 4 hash
HSTRLEN 5 hash field
HINCRBY 12 hash number by
HINCRBYFLOAT 10 hash number float
HRANDFIELD 2 hash (count WITHVALUES?)?
HRANDFIELD 1 hash (TINY|HUGE|4611686018427387904) WITHVALUES
HSCAN 3 hash cursor (junk|MATCH pattern|COUNT several)*
connection
PING 6
PING 4 val
ECHO 5 val
SELECT 2 (0|00|abc|-1)
CLIENT 2 SETNAME (abc|name1|(junk))
CLIENT 2 GETNAME
CLIENT 1 (NO-EVICT (ON|OFF|junk)|junk|REPLY (ON|FOO)|UNBLOCK (99999|abc) (TIMEOUT|ERROR|junk)*|GETREDIR junk*)
CLIENT 1 (TRACKING (OFF|junk) (BCAST|NOLOOP|OPTIN|PREFIX val|junk)*|CACHING (YES|NO|junk)|ID|LIST ID (0|-1|abc)+)
CLIENT 2 KILL ((ID|TYPE|ADDR|LADDR|USER|SKIPME|junk) (junk|999999|1.2.3.4:5))*
CLIENT 1 (KILL (1.2.3.4:5|junk)|LIST (TYPE|ID|junk) junk)
COMMAND 1 (GETKEYS (GET key|MSET key val key val|SET|FOO|PING|HSET key a b)|FOO)
COMMAND 1 (GETKEYS|GETKEYSANDFLAGS) (GET|SET|MGET|DEL|BITOP|COPY|LCS|HSET|PING|CLIENT|junk) (key|junk)*
COMMAND 1 (LIST FILTERBY (PATTERN|ACLCAT|MODULE|junk) junk|INFO GET junk+|DOCS junk junk+|junk)
HELLO 1 (2|3|2|3|junk) (SETNAME (abc|junk)|AUTH default junk|AUTH junk junk|junk)*
AUTH 1 (a b c d|junk)
MEMORY 1 FOO
OBJECT 1 FOO
MEMORY 1 (USAGE key (SAMPLES several|junk)*|junk)
CONFIG 1 (GET junk*|junk|SET junk*|RESETSTAT FOO)
SLOWLOG 1 (junk|LEN FOO|GET abc|GET -2|GET junk junk)
LATENCY 1 (junk|LATEST FOO|HISTORY junk|RESET junk+|HISTOGRAM junk junk+)
WAIT 1 (0 0|abc 0|0 abc|0 -1)
PUBLISH 2 val val
SPUBLISH 1 key val
PUBSUB 2 (NUMPAT|NUMSUB field*|CHANNELS pattern?|SHARDNUMSUB field*|SHARDCHANNELS|FOO)
NOSUCH 2 val*
MULTI 0 FOO
EXEC 1
DISCARD 1
UNWATCH 1
WATCH 0 key+
"""
FAMILIES = ("strings", "bits", "keys", "hashes", "connection", "transactions")


PUBSUB = """
SUBSCRIBE 6 channel+
PSUBSCRIBE 4 pattern+
SSUBSCRIBE 4 channel+
UNSUBSCRIBE 4 channel*
PUNSUBSCRIBE 3 pattern*
SUNSUBSCRIBE 3 channel*
PUBLISH 12 channel val
SPUBLISH 8 channel val
PUBSUB 4 (NUMPAT|NUMSUB channel*|CHANNELS pattern?|SHARDNUMSUB channel*|SHARDCHANNELS pattern?)
GET 1 key
PING 1 val?
RESET 1
SET 1 key val
SUBSCRIBE 1
"""


def _tokens(text):
    return re.findall(r"[()|?*+]|[^\s()|?*+]+", text)


def _choice(tokens):
    """The grammar as nested tuples: ("or", [sequences])."""
    options = [_sequence(tokens)]
    while tokens and tokens[0] == "|":
        tokens.pop(0)
        options.append(_sequence(tokens))
    return ("or", options)


def _sequence(tokens):
    items = []
    while tokens and tokens[0] not in "|)":
        word = tokens.pop(0)
        if word == "(":
            item = _choice(tokens)
            assert tokens.pop(0) == ")"
        else:
            item = ("word", word)
        if tokens and tokens[0] in "?*+":
            item = (tokens.pop(0), item)
        items.append(item)
    return items


def _table(text):
    table, family = [], None
    for line in text.strip().splitlines():
        words = line.split(None, 2)
        if line.islower():
            family = line
            continue
        grammar = words[2] if len(words) > 2 else ""
        table.append((family, words[0], float(words[1]), _sequence(_tokens(grammar))))
    return table


TABLE = _table(GRAMMARS)
PUBSUB_TABLE = _table(PUBSUB)
COMMANDS = sorted({name for _, name, _, _ in TABLE})


# Which words are keys: first, last, step. Other commands of a family of keys: the first.
KEYS_AT = {"MSET": (1, None, 2), "MSETNX": (1, None, 2), "LCS": (1, 3, 1), "RENAME": (1, 3, 1), "RENAMENX": (1, 3, 1),
           "COPY": (1, 3, 1), "SPUBLISH": (1, 2, 1), "OBJECT": (2, 3, 1), "MEMORY": (2, 3, 1)}
KEYS_AT.update((name, (1, None, 1)) for name in ("MGET", "DEL", "UNLINK", "EXISTS", "TOUCH", "WATCH"))
KEYS_AT.update((name, (1, 2, 1)) for family, name, _, _ in TABLE if family != "connection" and name not in KEYS_AT)
for name in OF_ALL_KEYS:
    del KEYS_AT[name.decode()]


def keys_of(words):
    """The words that a command takes for keys."""
    first, end, step = KEYS_AT.get(words[0], (0, 0, 1))
    return [word if isinstance(word, bytes) else str(word).encode() for word in words[first:end:step]]


class Generator:
    """Steps from a seed. `only`: families or commands, upper case; empty: all."""

    def __init__(self, seed, only=()):
        self.random = random.Random(seed)
        self.tag = b"{t}"
        self.favourite = self.random.choice(FAMILIES)
        self.families = {w.lower() for w in only if w.lower() in FAMILIES}
        commands = {w.upper() for w in only if w.lower() not in FAMILIES}
        self.mistakes = self.random.choice((0.03, 0.03, 0.03, 0.4))
        rows = [row for row in TABLE if row[0] in self.families or row[1] in commands or not only]
        if not rows:
            rows = [row for row in TABLE if row[0] != "connection"]  # transactions alone: of anything
        self.rows = rows
        self.weights = [max(row[2], 0.01) * (3 if row[0] == self.favourite else 1) for row in rows]
        makers = [(self.transaction, "transactions", {"EXEC", "WATCH", "MULTI"}),
                  (self.scan, "keys", {"SCAN", "HSCAN"}),
                  (self.draw, "hashes", {"HRANDFIELD", "RANDOMKEY"}), (self.carry, "keys", {"DUMP", "RESTORE"})]
        self.makers = [m for m, family, names in makers
                       if not only or family in self.families or names & commands]

    def stream(self, length):
        steps = []
        while len(steps) < length:
            if self.makers and self.random.random() < (0.06 if self.favourite == "transactions" else 0.03):
                steps += self.random.choice(self.makers)()
            else:
                steps.append((0, self.request()))
        return steps

    def pushes(self, length):
        self.rows, self.weights = PUBSUB_TABLE, [row[2] for row in PUBSUB_TABLE]
        steps = [(self.random.randrange(3), self.request()) for _ in range(length)]
        return steps

    # --- requests

    def request(self):
        """One request; some have a mistake in them, but none that begins a transaction."""
        _, name, _, grammar = self.random.choices(self.rows, self.weights)[0]
        words = [name]
        self._emit(grammar, words)
        if name != "MULTI" and self.random.random() < self.mistakes:
            mistaken = self.mistaken(words)
            if all(key.startswith(self.tag) and len(key) <= 480 for key in keys_of(mistaken)):
                words = mistaken
        return self.cased(words)

    def cased(self, words):
        if self.random.random() < 0.1:
            words = [w.lower() if isinstance(w, str) else w for w in words]
        return [w if isinstance(w, bytes) else str(w).encode() for w in words]

    def _emit(self, items, words):
        draw = self.random
        for kind, item in items:
            if kind == "word":
                words.append(self.word(item))
            elif kind == "or":
                self._emit(draw.choice(item), words)
            else:
                times = {"?": (0, 1), "*": (0, 3), "+": (1, 4)}[kind]
                if kind == "?" and draw.random() < 0.4:
                    continue
                for _ in range(draw.randint(*times)):
                    self._emit([item], words)

    def word(self, kind):
        draw = self.random
        if kind in KINDS_OF_KEY:  # of strings mostly, of hashes mostly, of both
            name = b"%d" % min(int(draw.expovariate(0.25)), KEYS - 1)
            return self.tag + (b"h" if draw.random() < KINDS_OF_KEY[kind] else b"k") + name
        if kind == "number":
            return b"n1" if draw.random() < 0.6 else self.word("field")
        if kind == "val":
            return BIG if draw.random() < 0.002 else draw.choice(VALUES)
        if kind == "field":
            return draw.choice(FIELDS) if draw.random() < 0.9 else b"f%d" % draw.randrange(200)
        if kind in ("ttl", "pttl") and draw.random() < 0.5:  # never the same twice: what is left of both would race
            return draw.randrange(100, 10**6) * (1 if kind == "ttl" else 1000)
        if kind in ("TINY", "HUGE"):
            return TINY if kind == "TINY" else HUGE
        if kind in POOLS:
            return draw.choice(POOLS[kind][:2] if draw.random() < 0.3 else POOLS[kind])
        return kind

    def mistaken(self, words):
        """A word lost, doubled, strange or too many. The name of the command stays: what is made must be comparable."""
        draw = self.random
        words = list(words)
        at = draw.randrange(1, len(words)) if len(words) > 1 else 1
        way = draw.randrange(4)
        if way == 0:
            del words[at:at + 1]
        elif way == 1:
            words[at:at] = words[at:at + 1]
        elif way == 2:
            words[at:at + 1] = [self.word("junk")]
        else:
            words.append(self.word("junk"))
        return words

    # --- what takes several requests

    def transaction(self):
        draw = self.random
        steps = []
        if draw.random() < 0.5:
            steps.append((0, self.cased(["WATCH"] + [self.word("any") for _ in range(draw.randint(1, 3))])))
            if draw.random() < 0.3:
                steps.append((0, [b"UNWATCH"]))
        if draw.random() < 0.4:
            steps.append((1, self.request()))
        steps.append((0, [b"MULTI"]))
        for _ in range(draw.randint(0, 6)):
            request = self.request()
            if request[0].upper() not in NO_TRANSACTION:
                steps.append((0, request))
            if draw.random() < 0.1:
                steps.append((1, self.request()))
        if draw.random() < 0.08:
            steps.append((0, [draw.choice([b"MULTI", b"WATCH"]), self.word("any")][:draw.randint(1, 2)]))
        if draw.random() < 0.03:
            steps.append((0, [b"RESET"]))
        steps.append((0, [draw.choice([b"EXEC", b"EXEC", b"EXEC", b"DISCARD"])]))
        return steps

    def scan(self):
        words = []
        self._emit(_sequence(_tokens("(MATCH pattern)? (COUNT several)?")), words)
        words = [w for w in words if w not in (0, -1, "abc")] if words[-2:-1] == ["COUNT"] else words
        if words[-1:] == ["COUNT"]:
            words.append(7)
        if self.random.random() < 0.5:
            start = ["HSCAN", self.word("hash")]
        else:
            start = ["SCAN"]
            words += self.random.choice([[], [], ["TYPE", "string"], ["TYPE", "hash"], ["TYPE", "list"]])
        return [(0, "scan", [w if isinstance(w, bytes) else str(w).encode() for w in start + ["0"] + words])]

    def draw(self):
        if self.random.random() < 0.3:
            return [(0, "random", [b"RANDOMKEY"])]
        words = ["HRANDFIELD", self.word("hash")]
        if self.random.random() < 0.8:
            words.append(self.random.choice([1, 2, 3, 10, 100, -1, -3, -20, 0]))
            words += ["WITHVALUES"] * self.random.randint(0, 1)
        return [(0, "random", self.cased(words))]

    def carry(self):
        words = ["RESTORE", self.word("any"), self.random.choice([0, 0, 100000, 5000000, -1, "abc", 32503680000000])]
        words.append(b"")  # the payload comes here
        self._emit(_sequence(_tokens("(REPLACE|ABSTTL|IDLETIME 10|FREQ 5)*")), words)
        return [(0, "carry", [self.word("any")] + self.cased(words))]
