"""three.py - a grid of several nodes on loopback, without TLS: for what needs no faults between them.
For faults, and a host for each node: grid_world.py."""
import json

import world


class Member(world.Node):
    """One node of a Grid; `sections` as of world.Node."""

    def __init__(self, grid, name, **sections):
        self.grid, self.name = grid, name
        node = {"name": name, "grid": grid.name, "labels": [f"zone={name}"], **sections.pop("node", {})}
        super().__init__(node=node, **sections)

    def configure(self):
        peers = ", ".join(f'"{peer}"' for peer in self.grid.peers)
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(f"peers = {{ {peers} }}\n{world.conf_text(self.sections)}")

    def json(self, *words, **more):
        """What a command says with --json; None when it says nothing of that kind."""
        try:
            return json.loads(self.ctl("--json", *words, **more).out)
        except ValueError:
            return None

    def whole(self, nodes):
        status = self.json("status", timeout=1000)
        return bool(status) and status["healthy"] and len(status["nodes"]) == nodes


class Grid:
    """Nodes a, b, c...; `sections` are those of each."""

    def __init__(self, names="abc", name="shop", **sections):
        self.name, self.peers, self.members = name, [], {}
        sections.setdefault("node", {}).setdefault("bootstrap_expect", len(names))
        for each in names:
            self.add(each, **sections)
        for member in self:
            member.configure()

    def add(self, name, **sections):
        """One more, configured with the addresses known so far."""
        member = self.members[name] = Member(self, name, **sections)
        self.peers.append(member.sections["listen"]["peer"])
        member.configure()
        return member

    def __iter__(self):
        return iter(self.members.values())

    def __getitem__(self, name):
        return self.members[name]

    def start(self):
        for member in self:
            member.start(wait=False)
        return self.settled()

    def settled(self, seconds=60):
        """Whether, in time, each node that runs says that nothing is missing."""
        nodes = [member for member in self if not member.ended()]
        return world.wait_until(lambda: all(node.whole(len(nodes)) for node in nodes), seconds, every=0.05)

    @property
    def endpoints(self):
        return ",".join(member.endpoint for member in self)

    def log_tails(self):
        return "\n".join(f"{member.name}: {member.log_tail()}" for member in self)
