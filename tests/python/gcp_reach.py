"""What Google's own clients read of Google Cloud, and what it lets pass, by Google's documents.

Policies of the organisation first; then classic rules and the network's firewall policy in the order that the network
says; then the implied rules: everything out, nothing in. In a policy the first rule that matches decides or leaves it to
what comes next. Among classic rules the lowest priority decides, and at the same priority a deny wins. A secure tag is a
source in its own network and in peers; a network tag says nothing of other interfaces than the first when it is a source.
"""

from google.cloud import compute_v1 as c

from addresses import is_inside
from gcp_estate import ORGANIZATION, PROJECT, ZONE

NUMBERS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}


def path(reference):
    return reference.split("/compute/v1/")[-1].split("projects/", 1)[-1]


class GcpCloud:
    def __init__(self, gcp):
        at = {"project": PROJECT}
        networks = {path(n.self_link): n for n in gcp.Networks.list(**at)}
        self.first = {n: found.network_firewall_policy_enforcement_order == "BEFORE_CLASSIC_FIREWALL" for n, found in networks.items()}
        self.blocks = {n: [] for n in networks}
        for _, listed in gcp.Subnetworks.aggregated_list(**at):
            for subnet in listed.subnetworks:
                words = [subnet.ip_cidr_range, subnet.internal_ipv6_prefix, subnet.external_ipv6_prefix]
                self.blocks[path(subnet.network)] += [w for w in words if w]
        self.peered = {(n, path(p.network)) for n, found in networks.items() for p in found.peerings if p.state == "ACTIVE"}
        self.classic = {n: [] for n in networks}
        for rule in gcp.Firewalls.list(**at):
            if not rule.disabled:
                self.classic[path(rule.network)].append(rule)
        self.policy = {n: [] for n in networks}
        for policy in gcp.NetworkFirewallPolicies.list(**at):
            for association in policy.associations:
                self.policy[path(association.attachment_target)] += rules_of(policy)
        listed = gcp.FirewallPolicies.list(request=c.ListFirewallPoliciesRequest(parent_id=ORGANIZATION))
        self.above = [r for p in listed for a in p.associations if a.attachment_target == ORGANIZATION for r in rules_of(p)]
        self.values = self.tag_values(gcp, {str(found.id): n for n, found in networks.items()})
        bindings, project = gcp.bindings(), gcp.number()
        self.interfaces = []
        for _, listed in gcp.Instances.aggregated_list(**at):
            for instance in listed.instances:
                parent = f"//compute.googleapis.com/projects/{project}/zones/{ZONE}/instances/{instance.id}"
                bound = {b.tag_value for b in bindings.list_tag_bindings(parent=parent)}
                self.interfaces += [self.interface(instance, number, nic, bound) for number, nic in enumerate(instance.network_interfaces)]

    def tag_values(self, gcp, numbered):
        """Values for firewalls with the network that each is for: a key names it by a link that ends in its number."""
        values = {}
        for tag in gcp.manager("TagKeys").list_tag_keys(parent=f"projects/{gcp.number()}"):
            if tag.purpose.name == "GCE_FIREWALL":
                network = numbered[tag.purpose_data["network"].rsplit("/", 1)[1]]
                values |= {v.name: network for v in gcp.manager("TagValues").list_tag_values(parent=tag.name)}
        return values

    def interface(self, instance, number, nic, bound):
        network = path(nic.network)
        return {
            "cloud": "gcp", "id": f"{instance.name}#{nic.name}", "name": instance.name, "network": network, "number": number,
            "addresses": [a for a in (nic.network_i_p, nic.ipv6_address) if a], "labels": dict(instance.labels),
            "tags": set(instance.tags.items), "values": {v for v in bound if self.values.get(v) == network},
        }

    def connected(self, a, b):
        return a == b or (a, b) in self.peered and (b, a) in self.peered

    def gate(self, own, own_address, direction, peer, address):
        """What passes between two addresses at the end of one of them: a function of protocol and port."""
        inwards = direction == "in"
        source, destination = ((peer, address), (own, own_address)) if inwards else ((own, own_address), (peer, address))
        word = "INGRESS" if inwards else "EGRESS"
        of_policy = lambda rules: [
            (r.action, services(r.match.layer4_configs, "ip_protocol"))
            for r in rules if r.direction == word and not r.disabled and self.is_rule(own, r, source, destination)
        ]
        classic = [
            (r.priority, not r.denied, r) for r in self.classic[own["network"]] if r.direction == word and self.is_classic(own, r, source, destination)
        ]
        classic = [
            ("deny" if r.denied else "allow", services(r.denied or r.allowed, "I_p_protocol"))
            for _, _, r in sorted(classic, key=lambda found: found[:2])
        ]
        policy = of_policy(self.policy[own["network"]])
        layers = [of_policy(self.above)] + ([policy, classic] if self.first[own["network"]] else [classic, policy])

        def passes(protocol, detail):
            verdicts = (first_match(layer, protocol, detail) for layer in layers)
            return next((v == "allow" for v in verdicts if v not in (None, "goto_next")), not inwards)

        return passes

    def is_rule(self, own, rule, source, destination):
        if rule.target_resources and own["network"] not in map(path, rule.target_resources):
            return False
        assert not rule.target_service_accounts, rule
        if rule.target_secure_tags and not {t.name for t in rule.target_secure_tags} & own["values"]:
            return False
        blocks, tags = rule.match.src_ip_ranges, {t.name for t in rule.match.src_secure_tags}
        if blocks or tags:
            peer = source[0]
            here = peer is not None and peer["cloud"] == "gcp" and self.connected(own["network"], peer["network"])
            if not is_inside(source[1], *blocks) and not (here and tags & peer["values"]):
                return False
        return not rule.match.dest_ip_ranges or is_inside(destination[1], *rule.match.dest_ip_ranges)

    def is_classic(self, own, rule, source, destination):
        if rule.target_tags and not set(rule.target_tags) & own["tags"]:
            return False
        if rule.source_ranges or rule.source_tags:
            peer = source[0]
            here = peer is not None and peer["cloud"] == "gcp" and peer["network"] == own["network"] and peer["number"] == 0
            if not is_inside(source[1], *rule.source_ranges) and not (here and set(rule.source_tags) & peer["tags"]):
                return False
        return not rule.destination_ranges or is_inside(destination[1], *rule.destination_ranges)


def rules_of(policy):
    return sorted(policy.rules, key=lambda rule: rule.priority)


def services(items, field):
    """Protocol (none is all) and spans of ports (none are all)."""
    read = []
    for item in items:
        name = getattr(item, field).lower()
        spans = [(int(word.split("-")[0]), int(word.split("-")[-1])) for word in item.ports]
        read.append((None if name == "all" else NUMBERS.get(name, name), spans))
    return read


def first_match(rules, protocol, detail):
    for action, items in rules:
        for name, spans in items:
            if name in (None, protocol) and (not spans or any(low <= detail <= high for low, high in spans)):
                return action
    return None
