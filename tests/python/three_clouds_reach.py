"""Reachability over three clouds, from what the vendors' clients read, beside what the policy means.

Every ordered pair of ends × every probe. An end that is enforced is judged by the policy and by what `foreign` says by
hand of rules of others; an end that is not enforced does what it did before Bulkhead came. A packet passes if both ends
let it. Nothing is shared with Bulkhead or its simulators.
"""

import collections

from addresses import is_inside
from three_clouds_policy import ESSENTIAL, EXTERNAL, PROBES, RULES, foreign


def covers(services, protocol, detail):
    return any(name == protocol and low <= detail <= high for name, low, high in services)


class World:
    """The three clouds, as read now."""

    def __init__(self, clouds):
        self.clouds = clouds
        self.interfaces = [i for cloud in clouds.values() for i in cloud.interfaces]
        self.holders = collections.defaultdict(list)
        for interface in self.interfaces:
            for address in interface["addresses"]:
                self.holders[address].append(interface)
        self.ends = [(i, a) for i in self.interfaces for a in i["addresses"]] + [(None, a) for a in EXTERNAL]
        self.gates = {}

    def connected(self, own, peer):
        return own["cloud"] == peer["cloud"] and self.clouds[own["cloud"]].connected(own["network"], peer["network"])

    def local(self, own, address):
        """Whether an address is in the blocks of an interface's network and of its peers."""
        cloud = self.clouds[own["cloud"]]
        return any(is_inside(address, *blocks) for other, blocks in cloud.blocks.items() if cloud.connected(own["network"], other))

    def exists(self, own, peer, address):
        """An address of the own networks is routed inside: somebody else's packet never comes from it, nor goes there."""
        return peer is None or self.connected(own, peer) or not self.local(own, address)

    def passes(self, own, own_address, direction, peer, address):
        place = (own["id"], own_address, direction, peer and peer["id"], address)
        if place not in self.gates:
            self.gates[place] = self.clouds[own["cloud"]].gate(own, own_address, direction, peer, address)
        return self.gates[place]

    def seen(self, own, peer, address):
        """Who a packet's far address is taken for: by identity when connected, else by address, else nobody."""
        if peer is not None and self.connected(own, peer):
            return peer
        near = [i for i in self.holders[address] if self.connected(own, i)]
        if near:
            return near[0]
        return self.holders[address][0] if len(self.holders[address]) == 1 and not self.local(own, address) else None


def is_enforced(own):
    return own["labels"].get("env") == "prod"


def side(said, who, address):
    if "blocks" in said:
        return is_inside(address, *said["blocks"]) and not is_inside(address, *said["except"])
    return who is not None and said.items() <= who["labels"].items()


def services_between(world, rules, own, direction, peer, address):
    """What the policy lets pass between an enforced end and an address."""
    who, found = world.seen(own, peer, address), []
    for sources, destinations, services in rules:
        mine, theirs = (destinations, sources) if direction == "in" else (sources, destinations)
        if "blocks" not in mine and side(mine, own, "") and side(theirs, who, address):
            found += services
    return found + (ESSENTIAL if own["cloud"] == "aws" else [])


class Comparison:
    """Everything that clouds and policy say, and where they differ."""

    def __init__(self, world, before=None, rules=RULES):
        self.world, self.before, self.rules = world, before, rules
        self.differences, self.judged, self.passed = [], collections.Counter(), collections.Counter()
        for source, source_address in world.ends:
            for destination, destination_address in world.ends:
                if source is not destination and (":" in source_address) == (":" in destination_address):
                    self.pair((source, source_address), (destination, destination_address))

    def pair(self, source, destination):
        ends = [(*source, "out", *destination), (*destination, "in", *source)]
        ends = [end for end in ends if end[0] is not None]
        if not ends or any(not self.world.exists(own, peer, address) for own, _, _, peer, address in ends):
            return
        gates = [self.world.passes(*end) for end in ends]
        meant = [self.meaning(*end) for end in ends]
        family = "IPv6" if ":" in source[1] else "IPv4"
        clouds = " → ".join(end[0]["cloud"] if end[0] else "outside" for end in (source, destination))
        edges = self.edges(source, destination)
        for protocol, detail in PROBES:
            if protocol == ("icmp" if family == "IPv6" else "icmpv6"):
                continue
            real = [gate(protocol, detail) for gate in gates]
            want = [one(protocol, detail) for one in meant]
            for kind in [family, clouds] + (["edges"] if covers(edges, protocol, detail) else []):
                self.judged[kind] += 1
                self.passed[kind] += all(real)
            for end, is_real, is_meant in zip(ends, real, want):
                if is_real != is_meant:
                    self.differences.append(describe(*end, protocol, detail, is_real, is_meant))

    def meaning(self, own, own_address, direction, peer, address):
        if not is_enforced(own):
            return (self.before or self.world).passes(own, own_address, direction, peer, address)
        services = services_between(self.world, self.rules, own, direction, peer, address)

        def allows(protocol, detail):
            first = foreign(own, direction, peer, address, protocol, detail)
            return covers(services, protocol, detail) if first is None else first

        return allows

    def edges(self, source, destination):
        """What the policy grants the two, and one port more on each side."""
        own, direction, peer = (destination, "in", source) if destination[0] else (source, "out", destination)
        services = services_between(self.world, self.rules, own[0], direction, *peer)
        return [(name, low - 1, high + 1) for name, low, high in services]

    def coverage(self):
        """Probes and the share that passes: of all, beside the policy's edges, for each family and pair of clouds."""
        families = ("IPv4", "IPv6")
        judged, passed = (sum(count[f] for f in families) for count in (self.judged, self.passed))
        lines = [f"{judged} packets, {100 * passed / judged:.0f}% pass"]
        for kind in sorted(self.judged):
            words = "inside what the policy grants, or one port beside it" if kind == "edges" else kind
            lines.append(f"{words}: {self.judged[kind]}, {100 * self.passed[kind] / self.judged[kind]:.0f}% pass")
        return lines


def describe(own, own_address, direction, peer, address, protocol, detail, real, meant):
    there = f"{peer['cloud']}/{peer['name']}" if peer else "outside"
    return f"{own['cloud']}/{own['name']} {own_address} {direction} ~ {there} {address} {protocol}/{detail}: the cloud says {real}, the policy {meant}"
