"""Changes of one thing each in what Bulkhead wrote into Azure, by azure-mgmt-network."""

from azure.mgmt.network import models as m

from azure_estate import GROUP, HERE
from reachability import check

BELOW_OUR_DENIES = 4090


class AzureDrift:
    def __init__(self, azure, installation):
        self.azure, self.net, self.prefix = azure, azure.net, f"bulkhead-{installation}-"

    def rules(self, group="data"):
        """What is ours in a security group, in order."""
        found = self.net.security_rules.list(GROUP, group)
        return sorted((r for r in found if r.name.startswith(self.prefix)), key=lambda r: (r.direction, r.priority))

    def rule(self, port, by_asg, group="data", direction="Inbound"):
        """Our rule for a port, by groups or by addresses."""
        holds = lambda r: port in [r.destination_port_range] + list(r.destination_port_ranges or [])
        kind = lambda r: bool(r.source_application_security_groups if direction == "Inbound" else r.destination_application_security_groups)
        found = [r for r in self.rules(group) if r.access == "Allow" and r.direction == direction and holds(r) and kind(r) == by_asg]
        check(found, f"a rule of ours for {port} in {group}: {[r.as_dict() for r in self.rules(group)]}")
        return found[0]

    def asgs(self):
        return [g for g in self.net.application_security_groups.list(GROUP) if g.name.startswith(self.prefix)]

    def put(self, rule, group="data"):
        self.azure.put_rule(group, rule)

    def all(self):
        """Name, whether packets notice, the change."""
        yield "azure priority", True, self.priority
        yield "azure port", True, self.port
        yield "azure protocol", True, self.protocol
        yield "azure prefix", True, self.prefixes
        yield "azure direction", True, self.direction
        yield "azure access", True, self.access
        yield "azure ASG", True, self.asg
        yield "azure tag", False, self.tag
        yield "azure extra tag", False, self.extra_tag
        yield "azure membership", True, lambda: self.leave("db-1", "")
        yield "azure closing", True, lambda: self.leave("db-1", "closed-")
        yield "azure rule gone", True, self.gone
        yield "azure deny gone", True, self.deny_gone
        yield "azure rule more", True, self.more

    def priority(self):
        rule = self.rule("5432", by_asg=True)
        rule.priority = BELOW_OUR_DENIES - 10
        self.put(rule)

    def port(self):
        rule = self.rule("5432", by_asg=False)
        rule.destination_port_range, rule.destination_port_ranges = "5434", []
        self.put(rule)

    def protocol(self):
        rule = self.rule("2049", by_asg=False)
        rule.protocol = "Udp"
        self.put(rule)

    def prefixes(self):
        rule = self.rule("2049", by_asg=False)
        rule.source_address_prefix, rule.source_address_prefixes = "10.0.0.0/8", []
        self.put(rule)

    def direction(self):
        rule = self.rule("2049", by_asg=False)
        rule.direction, rule.priority = "Outbound", 3998
        self.put(rule)

    def access(self):
        rule = self.rule("5432", by_asg=True)
        rule.access = "Deny"
        self.put(rule)

    def asg(self):
        rule = self.rule("5432", by_asg=True)
        named = {g.id.lower() for g in rule.source_application_security_groups}
        held = {g.id.lower() for nic in self.net.network_interfaces.list_all() if nic.name == "db-1" for g in nic.ip_configurations[0].application_security_groups}
        other = next(i for i in sorted(held - named) if "closed" not in i)
        rule.source_application_security_groups = [m.ApplicationSecurityGroup(id=other)]
        self.put(rule)

    def tag(self):
        group = next(g for g in self.asgs() if "closed" not in g.name)
        tags = {k: v for k, v in group.tags.items() if k != "bulkhead:installation"}
        self.net.application_security_groups.update_tags(GROUP, group.name, m.TagsObject(tags=tags))

    def extra_tag(self):
        group = next(g for g in self.asgs() if "closed" not in g.name)
        self.net.application_security_groups.update_tags(GROUP, group.name, m.TagsObject(tags=group.tags | {"team": "nobody"}))

    def leave(self, name, word):
        """Takes an interface out of our groups: of its class, or of those that close it."""
        nic = self.net.network_interfaces.get(GROUP, name)
        for configuration in nic.ip_configurations:
            held = configuration.application_security_groups
            stays = lambda g: (f"{self.prefix}closed-" in g.id) != (word == "closed-")
            configuration.application_security_groups = [g for g in held if stays(g)]
            check(len(configuration.application_security_groups) < len(held), f"{name} was in one: {[g.id for g in held]}")
        self.net.network_interfaces.begin_create_or_update(GROUP, name, nic).result()

    def gone(self):
        self.net.security_rules.begin_delete(GROUP, "data", self.rule("5432", by_asg=True).name).result()

    def deny_gone(self):
        deny = next(r for r in self.rules() if r.access == "Deny" and r.direction == "Inbound")
        self.net.security_rules.begin_delete(GROUP, "data", deny.name).result()

    def more(self):
        ends = {"source_address_prefix": "*", "destination_address_prefix": "*", "source_port_range": "*", "destination_port_range": "*"}
        said = {"protocol": "*", "direction": "Inbound", "access": "Allow", "priority": 3997}
        self.put(m.SecurityRule(name=f"{self.prefix}0123456789ab", **ends, **said))

    def owned(self):
        """Everything of ours, to the letter but for what the cloud numbers."""
        tags = sorted((g.name, sorted(g.tags.items())) for g in self.asgs())
        groups = [group.name for group in self.net.network_security_groups.list(GROUP)]
        return tags, [(group, len(self.rules(group))) for group in groups]
