"""The judge is judged first: rules that the vendors' clients write by hand, and verdicts stated by hand beside them.

Priorities, default rules, both groups on a path, application security groups, service tags, peers; policies above and of
the network, classic rules, their order, tags of both kinds, implied rules; both families. At the end all is as it was.
"""

from azure.mgmt.network import models as m
from google.cloud import compute_v1 as c
from google.cloud import resourcemanager_v3 as r

from azure_estate import GROUP, HERE, rule
from gcp_drift import layer
from gcp_estate import PROJECT, link, wait
from reachability import check

WEB, WEB6, OFFICE, IAP = "10.1.1.11", "2600:1f18:1::b", "203.0.113.7", "35.235.240.9"
# Who, which way, with whom (a name of the same cloud, or an address), protocol, port, whether it passes.
AWS = """
web-2 in 10.1.250.9 tcp 22 yes
web-1 in 10.1.250.9 tcp 22 no
web-2 in 10.1.251.9 tcp 22 no
web-2 out 10.1.250.9 tcp 22 no
"""
AZURE = f"""
db-1 in report-1 tcp 5432 yes
db-1 in report-1/6 tcp 5432 yes
db-1 in report-1 tcp 5433 no
db-1 in report-2 tcp 5432 no
db-1 in backup-1 tcp 5432 no
db-3 in backup-1 tcp 5432 yes
db-2 in report-2 udp 53 yes
db-1 in {WEB} udp 5000 yes
db-1 in {WEB} udp 5010 yes
db-1 in {WEB} udp 5011 no
db-1 in {WEB} tcp 5000 no
db-1 in {WEB6} udp 5000 no
db-2 in {WEB} udp 5000 no
db-2 in {WEB} tcp 5000 no
db-1 in {OFFICE} tcp 443 no
db-1 out {OFFICE} tcp 443 no
db-1 out {OFFICE} tcp 444 yes
db-1 out {WEB} tcp 444 no
db-1 out report-1 tcp 444 yes
report-1 in {OFFICE} tcp 8443 yes
report-1 in {WEB} tcp 8443 no
report-1 in {WEB6} tcp 8443 yes
safe-1 in safe-2 tcp 1 yes
safe-1 in backup-1 tcp 1 no
bare-1 in {OFFICE} tcp 1 yes
"""
AZURE_LATER = "db-1 in report-1 tcp 5432 no"
GCP = f"""
app-1 in queue-1 tcp 5672 yes
app-1 in queue-1/6 tcp 5672 yes
app-1 in queue-1 tcp 5673 no
app-1 in queue-2 tcp 5672 no
app-2 in queue-1 tcp 5672 no
app-1 in {IAP} tcp 22 yes
app-1 out {OFFICE} tcp 25 no
app-1 out {OFFICE} tcp 26 yes
app-1 out {WEB6} tcp 25 yes
app-1 in app-2 tcp 8443 yes
app-1 in app-3 tcp 8443 no
app-3 in app-2 tcp 8443 no
app-1 in {WEB} tcp 9100 yes
app-1 in {WEB} tcp 9101 no
queue-1 in app-1 tcp 1 yes
queue-1 in app-1/6 tcp 1 no
queue-1 in {OFFICE} tcp 1 no
lab-1 in {OFFICE} tcp 1 no
lab-1 out {OFFICE} tcp 1 yes
"""
GCP_LATER = f"app-1 in {IAP} tcp 22 no"


def check_verdicts(world, cloud, table):
    found = {i["name"]: i for i in reversed(world.interfaces) if i["cloud"] == cloud}
    for line in table.split("\n"):
        if not line:
            continue
        name, direction, peer, protocol, port, verdict = line.split()
        peer, six = (peer[:-2], True) if peer.endswith("/6") else (peer, ":" in peer)
        far = found.get(peer)
        address = (far["addresses"][six] if far else peer)
        passes = world.passes(found[name], found[name]["addresses"][six], direction, far, address)(protocol, int(port))
        check(passes == (verdict == "yes"), f"by hand, {cloud}: {line}: worked out as {passes}")


def judge(estate):
    check_verdicts(estate.read(), "aws", AWS)
    azure(estate)
    gcp(estate)
    print("  the check agrees with verdicts stated by hand for rules written by hand")


def azure(estate):
    net = estate.azure.net
    asg = lambda name: net.application_security_groups.begin_create_or_update(GROUP, name, m.ApplicationSecurityGroup(location=HERE)).result()
    a, b = asg("hand-a"), asg("hand-b")

    def join(name, groups):
        nic = net.network_interfaces.get(GROUP, name)
        for configuration in nic.ip_configurations:
            configuration.application_security_groups = [m.ApplicationSecurityGroup(id=g.id) for g in groups]
        net.network_interfaces.begin_create_or_update(GROUP, name, nic).result()

    join("report-1", [a])
    join("db-1", [b])
    admit = rule("hand-1", 110, "5432", source=None, destination=None)
    admit.source_application_security_groups, admit.destination_application_security_groups = [a], [b]
    deny = rule("hand-2", 111, "*", protocol="*", source="VirtualNetwork", destination=None, access="Deny")
    deny.destination_application_security_groups = [b]
    span = rule("hand-3", 112, "5000-5010", protocol="Udp", source="10.1.1.0/24")
    out = rule("hand-4", 3000, "443", destination="Internet", direction="Outbound", access="Deny")
    for one in (admit, deny, span, out):
        estate.azure.put_rule("data", one)
    check_verdicts(estate.read(), "azure", AZURE)
    admit.priority = 120
    estate.azure.put_rule("data", admit)
    check_verdicts(estate.read(), "azure", AZURE_LATER)
    for one in (admit, deny, span, out):
        net.security_rules.begin_delete(GROUP, "data", one.name).result()
    for name, group in (("report-1", a), ("db-1", b)):
        join(name, [])
        net.application_security_groups.begin_delete(GROUP, group.name).result()


def gcp(estate):
    cloud, at = estate.gcp, {"project": PROJECT}
    keys, values = (cloud.manager(kind) for kind in ("TagKeys", "TagValues"))
    made = []
    for network, instance in (("queue", "queue-1"), ("prod", "app-1")):
        key = r.TagKey(parent=f"projects/{PROJECT}", short_name=f"hand-{network}", purpose="GCE_FIREWALL", purpose_data={"network": f"{PROJECT}/{network}"})
        key = wait(keys.create_tag_key(tag_key=key))
        value = wait(values.create_tag_value(tag_value=r.TagValue(parent=key.name, short_name="member")))
        parent = cloud.full_name(cloud.instance(instance))
        binding = wait(cloud.bindings().create_tag_binding(tag_binding=r.TagBinding(parent=parent, tag_value=value.name)))
        made.append((key.name, value.name, binding.name))
    policies, policy = cloud.NetworkFirewallPolicies, {"project": PROJECT, "firewall_policy": "hand"}
    wait(policies.insert(firewall_policy_resource=c.FirewallPolicy(name="hand"), **at))
    association = c.FirewallPolicyAssociation(name="hand", attachment_target=link("global/networks/prod"))
    wait(policies.add_association(firewall_policy_association_resource=association, **policy))
    (_, source, _), (_, target, _) = made
    tags = lambda value: [c.FirewallPolicyRuleSecureTag(name=value)]
    for priority, action, direction, ports, fields, targets in [
        (90, "deny", "INGRESS", "22", {"src_ip_ranges": ["35.235.240.0/20"]}, []),
        (100, "allow", "INGRESS", "5672", {"src_secure_tags": tags(source)}, tags(target)),
        (130, "allow", "INGRESS", "9100-9101", {"src_ip_ranges": ["10.1.0.0/16"]}, []),
        (200, "deny", "EGRESS", "25", {"dest_ip_ranges": ["0.0.0.0/0"]}, []),
    ]:
        matcher = c.FirewallPolicyRuleMatcher(layer4_configs=[layer("tcp", ports)], **fields)
        one = c.FirewallPolicyRule(priority=priority, action=action, direction=direction, match=matcher, target_secure_tags=targets)
        wait(policies.add_rule(firewall_policy_rule_resource=one, **policy))
    check_verdicts(estate.read(), "gcp", GCP)
    order = lambda word: wait(cloud.Networks.patch(network="prod", network_resource=c.Network(network_firewall_policy_enforcement_order=word), **at))
    order("BEFORE_CLASSIC_FIREWALL")
    check_verdicts(estate.read(), "gcp", GCP_LATER)
    order("AFTER_CLASSIC_FIREWALL")
    wait(policies.remove_association(request=c.RemoveAssociationNetworkFirewallPolicyRequest(name="hand", **policy)))
    wait(policies.delete(**policy))
    for key, value, binding in made:
        wait(cloud.bindings().delete_tag_binding(name=binding))
        wait(values.delete_tag_value(name=value))
        wait(keys.delete_tag_key(name=key))
