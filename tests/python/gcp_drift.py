"""Changes of one thing each in what Bulkhead wrote into Google Cloud, by Google's own clients."""

from google.cloud import compute_v1 as c
from google.cloud import resourcemanager_v3 as r

from gcp_estate import PROJECT, wait
from gcp_reach import path
from reachability import check

BELOW_OUR_DENIES = 1_999_000_000


class GcpDrift:
    def __init__(self, gcp, installation):
        self.gcp, self.policies, self.mark = gcp, gcp.NetworkFirewallPolicies, f"bulkhead installation={installation} "

    def policy(self, network="prod"):
        held = self.policies.list(project=PROJECT)
        return next(p for p in held for a in p.associations if path(a.attachment_target).endswith(f"/{network}"))

    def rules(self, network="prod"):
        """What is ours in a policy."""
        return [rule for rule in self.policy(network).rules if rule.description.startswith(self.mark)]

    def rule(self, port, by_tag, network="prod"):
        """Our ingress rule for a port, by tags or by addresses."""
        holds = lambda rule: any(port in item.ports for item in rule.match.layer4_configs)
        kind = lambda rule: bool(rule.match.src_secure_tags) == by_tag
        found = [rule for rule in self.rules(network) if rule.action == "allow" and rule.direction == "INGRESS" and holds(rule) and kind(rule)]
        check(found, f"a rule of ours for {port} in {network}: {self.rules(network)}")
        return found[0]

    def patch(self, rule, network="prod", **changes):
        request = c.PatchRuleNetworkFirewallPolicyRequest(
            project=PROJECT, firewall_policy=self.policy(network).name, priority=rule.priority, firewall_policy_rule_resource=c.FirewallPolicyRule(**changes)
        )
        wait(self.policies.patch_rule(request=request))

    def remove(self, rule, network="prod"):
        request = c.RemoveRuleNetworkFirewallPolicyRequest(project=PROJECT, firewall_policy=self.policy(network).name, priority=rule.priority)
        wait(self.policies.remove_rule(request=request))

    def add(self, rule, network="prod"):
        rule.rule_tuple_count = None
        wait(self.policies.add_rule(project=PROJECT, firewall_policy=self.policy(network).name, firewall_policy_rule_resource=rule))

    def all(self):
        """Name, whether packets notice, the change."""
        yield "gcp priority", True, self.priority
        yield "gcp port", True, self.port
        yield "gcp prefix", True, self.prefix
        yield "gcp direction", True, self.direction
        yield "gcp action", True, lambda: self.patch(self.rule("8080-8089", False), action="deny")
        yield "gcp target tag", True, self.target
        yield "gcp source tag", True, self.source
        yield "gcp disabled", True, lambda: self.patch(self.rule("8080-8089", False), disabled=True)
        yield "gcp membership", True, lambda: self.unbind("app-3", closing=False)
        yield "gcp closing", True, lambda: self.unbind("queue-2", closing=True)
        yield "gcp another's tag", True, self.bind
        yield "gcp rule gone", True, lambda: self.remove(self.rule("8080-8089", False))
        yield "gcp deny gone", True, self.deny_gone
        yield "gcp rule more", True, self.more
        yield "gcp association", True, self.association
        # Last: a rule without our mark is somebody else's and stays, beside a new one of ours.
        yield "gcp mark", False, lambda: self.patch(self.rule("8080-8089", False), description="mine")

    def priority(self):
        rule = self.rule("8080-8089", by_tag=False)
        self.remove(rule)
        rule.priority = BELOW_OUR_DENIES
        self.add(rule)

    def port(self):
        self.patch(self.rule("8080-8089", False), match=c.FirewallPolicyRuleMatcher(layer4_configs=[layer("tcp", "8080-8090")]))

    def prefix(self):
        self.patch(self.rule("8080-8089", False), match=c.FirewallPolicyRuleMatcher(src_ip_ranges=["10.0.0.0/8"]))

    def direction(self):
        rule = self.rule("8080-8089", by_tag=False)
        self.remove(rule)
        rule.direction, blocks = "EGRESS", list(rule.match.src_ip_ranges)
        rule.match = c.FirewallPolicyRuleMatcher(layer4_configs=rule.match.layer4_configs, dest_ip_ranges=blocks)
        self.add(rule)

    def target(self):
        rule = self.rule("8080-8089", by_tag=False)
        held = {t.name for t in rule.target_secure_tags}
        self.patch(rule, target_secure_tags=[c.FirewallPolicyRuleSecureTag(name=self.class_of("watch-1", held))])

    def source(self):
        rule = self.rule("7946-7950", by_tag=True)
        held = {t.name for t in rule.match.src_secure_tags}
        other = [c.FirewallPolicyRuleSecureTag(name=self.class_of("watch-1", held))]
        self.patch(rule, match=c.FirewallPolicyRuleMatcher(src_secure_tags=other))

    def bound(self, name):
        parent = self.gcp.full_name(self.gcp.instance(name))
        return parent, list(self.gcp.bindings().list_tag_bindings(parent=parent))

    def is_closing(self, value):
        denies = [rule for network in ("prod", "queue") for rule in self.rules(network) if rule.action == "deny"]
        return any(tag.name == value for rule in denies for tag in rule.target_secure_tags)

    def class_of(self, name, besides):
        """A class tag of an instance."""
        return next(b.tag_value for b in self.bound(name)[1] if b.tag_value not in besides and not self.is_closing(b.tag_value))

    def unbind(self, name, closing):
        found = [b for b in self.bound(name)[1] if self.is_closing(b.tag_value) == closing]
        check(found, f"{name} has such a tag")
        wait(self.gcp.bindings().delete_tag_binding(name=found[0].name))

    def bind(self):
        """An interface of another class joins that of the monitor."""
        parent, held = self.bound("app-3")
        value = self.class_of("watch-1", {b.tag_value for b in held})
        wait(self.gcp.bindings().create_tag_binding(tag_binding=r.TagBinding(parent=parent, tag_value=value)))

    def deny_gone(self):
        self.remove(next(rule for rule in self.rules("queue") if rule.action == "deny" and rule.direction == "INGRESS"), "queue")

    def more(self):
        matcher = c.FirewallPolicyRuleMatcher(layer4_configs=[layer("all")], src_ip_ranges=["0.0.0.0/0"])
        description = self.rule("8080-8089", False).description
        self.add(c.FirewallPolicyRule(priority=1_999_999, action="allow", direction="INGRESS", match=matcher, description=description))

    def association(self):
        policy = self.policy("queue")
        request = c.RemoveAssociationNetworkFirewallPolicyRequest(project=PROJECT, firewall_policy=policy.name, name=policy.associations[0].name)
        wait(self.policies.remove_association(request=request))

    def owned(self):
        """Everything of ours, to the letter but for what the cloud numbers."""
        described = lambda network: sorted((rule.description, rule.direction, rule.action) for rule in self.rules(network))
        keys = [k for k in self.gcp.manager("TagKeys").list_tag_keys(parent=f"projects/{self.gcp.number()}")]
        return [(network, described(network)) for network in ("prod", "queue", "lab")], sorted((k.short_name, k.description) for k in keys)


def layer(protocol, *ports):
    return c.FirewallPolicyRuleMatcherLayer4Config(ip_protocol=protocol, ports=list(ports))
