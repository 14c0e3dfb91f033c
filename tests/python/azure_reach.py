"""What azure-mgmt-network reads of Azure, and what it lets pass, by Azure's own documents.

Inbound the security group of the subnet and then that of the interface, outbound the other way round; both must allow.
In a group the rule with the lowest priority that matches decides; the six default rules are read like any other. An
application security group only means members in the interface's own virtual network. Connections are stateful: a packet
here opens one. Without any group everything passes.
"""

from addresses import is_inside
from azure_estate import GROUP

PROTOCOLS = {"tcp": "tcp", "udp": "udp", "icmp": "icmp", "esp": "esp", "ah": "ah", "*": None}
PLATFORM = "168.63.129.16"
# What is not the Internet, besides the network's own space.
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10")


def key(thing):
    return thing.id.lower()


class AzureCloud:
    def __init__(self, azure):
        net = azure.net
        self.groups = {key(g): list(g.security_rules) + list(g.default_security_rules) for g in net.network_security_groups.list_all()}
        self.blocks, peers, of_subnet = {}, {}, {}
        for network in net.virtual_networks.list_all():
            self.blocks[key(network)] = list(network.address_space.address_prefixes)
            for subnet in net.subnets.list(GROUP, network.name):
                of_subnet[key(subnet)] = subnet.network_security_group and key(subnet.network_security_group)
            peers[key(network)] = {
                p.remote_virtual_network.id.lower(): p.allow_virtual_network_access
                for p in net.virtual_network_peerings.list(GROUP, network.name) if p.peering_state == "Connected"
            }
        self.peered = {(a, b) for a, far in peers.items() for b in far}
        # `VirtualNetwork` is the network's space and that of its peers.
        self.space = {a: self.blocks[a] + [block for b, access in far.items() if access for block in self.blocks[b]] for a, far in peers.items()}
        tags = {m["id"].lower(): m.get("tags") or {} for m in azure.machines()}
        self.interfaces = [self.interface(nic, of_subnet, tags) for nic in net.network_interfaces.list_all()]

    def interface(self, nic, of_subnet, machine_tags):
        configurations = list(nic.ip_configurations)
        subnet = key(configurations[0].subnet)
        own = (machine_tags.get(key(nic.virtual_machine), {}) if nic.virtual_machine else {}) | (nic.tags or {})
        groups = [of_subnet[subnet], nic.network_security_group and key(nic.network_security_group)]
        return {
            "cloud": "azure", "id": key(nic), "name": nic.name, "network": subnet.rsplit("/subnets/", 1)[0],
            "addresses": [c.private_ip_address for c in configurations],
            "labels": {name.lower(): own[name] for name in ("Role", "App", "Env") if name in own},
            "groups": [g for g in groups if g],
            "asgs": {c.private_ip_address: {key(a) for a in c.application_security_groups or []} for c in configurations},
        }

    def connected(self, a, b):
        return a == b or (a, b) in self.peered

    def gate(self, own, own_address, direction, peer, address):
        """What passes between two addresses at the end of one of them: a function of protocol and port."""
        near, far = (own, own_address), (peer, address)
        source, destination = (far, near) if direction == "in" else (near, far)
        word = "Inbound" if direction == "in" else "Outbound"
        lists = []
        for group in own["groups"]:
            rules = [r for r in self.groups[group] if r.direction == word and self.is_between(own["network"], r, source, destination)]
            lists.append([(r.access == "Allow", PROTOCOLS[r.protocol.lower()], ports(r)) for r in sorted(rules, key=lambda r: r.priority)])
        return lambda protocol, detail: all(first_match(rules, protocol, detail) for rules in lists)

    def is_between(self, network, rule, source, destination):
        return self.is_side(
            network, source, rule.source_address_prefix, rule.source_address_prefixes, rule.source_application_security_groups
        ) and self.is_side(
            network, destination, rule.destination_address_prefix, rule.destination_address_prefixes, rule.destination_application_security_groups
        )

    def is_side(self, network, end, one, many, asgs):
        interface, address = end
        if asgs:
            here = interface is not None and interface["cloud"] == "azure" and interface["network"] == network
            return here and bool({key(a) for a in asgs} & interface["asgs"][address])
        return any(self.is_prefix(network, address, word) for word in ([one] if one else []) + list(many or []))

    def is_prefix(self, network, address, word):
        if word in ("*", "Any"):
            return True
        inside = is_inside(address, *self.space[network])
        if word == "VirtualNetwork":
            return inside
        if word == "AzureLoadBalancer":
            return address == PLATFORM
        if word == "Internet":
            return not inside and address != PLATFORM and not is_inside(address, *PRIVATE)
        return is_inside(address, word)


def ports(rule):
    words = ([rule.destination_port_range] if rule.destination_port_range else []) + list(rule.destination_port_ranges or [])
    assert rule.source_port_range == "*" and not rule.source_port_ranges, rule
    spans = [(0, 65535) if word == "*" else (int(word.split("-")[0]), int(word.split("-")[-1])) for word in words]
    return spans


def first_match(rules, protocol, detail):
    for allows, named, spans in rules:
        if named not in (None, protocol):
            continue
        # ICMP has no ports, and its types cannot be told apart.
        if protocol in ("tcp", "udp") and not any(low <= detail <= high for low, high in spans):
            continue
        if protocol not in ("tcp", "udp") and named is None and (0, 65535) not in spans:
            continue
        return allows
    raise AssertionError("a default rule decides at the end")
