#!/usr/bin/env python3
"""A client that nobody here wrote against the simulated Google Cloud: google-cloud-compute from PyPI.

Creates an estate, reads it back, changes it, and is refused what the real cloud refuses. Needs
`pip install google-cloud-compute`; give it the command that serves the simulation:

    python witness.py cargo run -q -p mock-gcp --example serve_gcp

Resource Manager's client for Python speaks gRPC by default: its few calls are made with the client's own session.
"""

import subprocess
import sys
import urllib.parse

import requests
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import compute_v1 as c

PROJECT = "demo-project"
REGION = "europe-west1"
ZONE = "europe-west1-b"


class Cloud:
    """Clients of one endpoint. `insert().result()` polls through a second client that ignores the endpoint: each
    client gets one that does not."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.options = {"credentials": AnonymousCredentials(), "client_options": ClientOptions(api_endpoint=endpoint)}
        self.operations = {
            "global_operations": c.GlobalOperationsClient(**self.options),
            "region_operations": c.RegionOperationsClient(**self.options),
            "zone_operations": c.ZoneOperationsClient(**self.options),
            "global_organization_operations": c.GlobalOrganizationOperationsClient(**self.options),
        }

    def __getattr__(self, name):
        client = getattr(c, f"{name}Client")(**self.options)
        client.transport._extended_operations_services = dict(self.operations)
        return client

    def manager(self, verb, path, body=None, place="cloudresourcemanager.googleapis.com"):
        answer = requests.request(verb, f"{self.endpoint}/{place}/v3/{path}", json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        while found.get("name", "").startswith("operations/") and not found.get("done"):
            found = requests.get(f"{self.endpoint}/{place}/v3/{found['name']}", timeout=30).json()
        assert "error" not in found, found
        return found.get("response", found)


def refused(kind, reason, call):
    try:
        call()
    except exceptions.GoogleAPICallError as error:
        assert isinstance(error, kind), (type(error), error)
        assert error.errors[0]["reason"] == reason, (error.errors, error)
    else:
        raise AssertionError(f"not refused: {reason}")


def link(path):
    return f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/{path}"


def firewall(name, **fields):
    given = {"network": link("global/networks/prod"), "allowed": [c.Allowed(I_p_protocol="tcp", ports=["443"])]}
    given.update(fields)
    return c.Firewall(name=name, **given)


def rule(priority, action="allow", ports=("443",), direction="INGRESS", sources=("0.0.0.0/0",), **fields):
    tags = fields.pop("tags", [])
    matcher = c.FirewallPolicyRuleMatcher(
        layer4_configs=[c.FirewallPolicyRuleMatcherLayer4Config(ip_protocol="tcp", ports=list(ports))],
        src_ip_ranges=list(sources),
        src_secure_tags=[c.FirewallPolicyRuleSecureTag(name=tag) for tag in tags],
    )
    return c.FirewallPolicyRule(priority=priority, action=action, direction=direction, match=matcher, **fields)


def create(cloud):
    cloud.Networks.insert(
        project=PROJECT, network_resource=c.Network(name="prod", auto_create_subnetworks=False)
    ).result()
    cloud.Subnetworks.insert(
        project=PROJECT,
        region=REGION,
        subnetwork_resource=c.Subnetwork(name="app", network=link("global/networks/prod"), ip_cidr_range="10.0.1.0/24"),
    ).result()
    for name, tags in [("web-1", ["web"]), ("db-1", ["db"])]:
        machine = c.Instance(
            name=name,
            machine_type=f"zones/{ZONE}/machineTypes/e2-micro",
            tags=c.Tags(items=tags),
            labels={"tier": tags[0]},
            network_interfaces=[c.NetworkInterface(subnetwork=link(f"regions/{REGION}/subnetworks/app"))],
        )
        cloud.Instances.insert(project=PROJECT, zone=ZONE, instance_resource=machine).result()
    cloud.Firewalls.insert(
        project=PROJECT, firewall_resource=firewall("https", source_tags=["web"], target_tags=["db"])
    ).result()
    cloud.NetworkFirewallPolicies.insert(
        project=PROJECT, firewall_policy_resource=c.FirewallPolicy(name="bulkhead")
    ).result()
    cloud.NetworkFirewallPolicies.add_association(
        project=PROJECT,
        firewall_policy="bulkhead",
        firewall_policy_association_resource=c.FirewallPolicyAssociation(
            name="prod", attachment_target=link("global/networks/prod")
        ),
    ).result()


def read_back(cloud):
    held = cloud.Firewalls.get(project=PROJECT, firewall="https")
    assert (held.priority, held.direction, list(held.source_tags)) == (1000, "INGRESS", ["web"]), held
    names = [f.name for f in cloud.Firewalls.list(project=PROJECT)]
    assert names == [f"default-allow-{n}" for n in ["icmp", "internal", "rdp", "ssh"]] + ["https"], names
    request = c.ListFirewallsRequest(project=PROJECT, max_results=2, filter='priority = 65534')
    pages = [len(page.items) for page in cloud.Firewalls.list(request=request).pages]
    assert pages == [2, 2], pages
    network = cloud.Networks.get(project=PROJECT, network="prod")
    assert network.network_firewall_policy_enforcement_order == "AFTER_CLASSIC_FIREWALL"
    assert network.firewall_policy.endswith("/global/firewallPolicies/bulkhead"), network.firewall_policy
    found = {
        scope: [vm.name for vm in listed.instances]
        for scope, listed in cloud.Instances.aggregated_list(project=PROJECT)
        if listed.instances
    }
    assert found == {f"zones/{ZONE}": ["db-1", "web-1"]}, found
    project = cloud.Projects.get(project=PROJECT)
    quotas = {quota.metric: (quota.limit, quota.usage) for quota in project.quotas}
    assert quotas["FIREWALLS"] == (100.0, 5.0), quotas
    assert [z.name for z in cloud.Zones.list(project=PROJECT)][3:6] == [f"{REGION}-{letter}" for letter in "abc"]


def change_classic(cloud):
    cloud.Firewalls.patch(project=PROJECT, firewall="https", firewall_resource=c.Firewall(priority=900)).result()
    assert cloud.Firewalls.get(project=PROJECT, firewall="https").priority == 900
    machine = cloud.Instances.get(project=PROJECT, zone=ZONE, instance="web-1")
    tags = c.Tags(items=["web", "edge"], fingerprint=machine.tags.fingerprint)
    set_tags = {"project": PROJECT, "zone": ZONE, "instance": "web-1", "tags_resource": tags}
    cloud.Instances.set_tags(**set_tags).result()
    assert sorted(cloud.Instances.get(project=PROJECT, zone=ZONE, instance="web-1").tags.items) == ["edge", "web"]
    refused(exceptions.PreconditionFailed, "conditionNotMet", lambda: cloud.Instances.set_tags(**set_tags))
    request = c.InsertFirewallRequest(
        project=PROJECT,
        firewall_resource=firewall("once"),
        request_id="9f6d1c1e-0000-4000-8000-000000000001",
    )
    first = cloud.Firewalls.insert_unary(request=request)
    again = cloud.Firewalls.insert_unary(request=request)
    assert first.name == again.name, (first.name, again.name)
    done = cloud.operations["global_operations"].wait(project=PROJECT, operation=first.name)
    assert done.status == c.Operation.Status.DONE and done.target_link.endswith("/global/firewalls/once"), done
    cloud.Firewalls.delete(project=PROJECT, firewall="once").result()


def change_policy(cloud):
    policies, at = cloud.NetworkFirewallPolicies, {"project": PROJECT, "firewall_policy": "bulkhead"}
    web = tag(cloud, "web", "web-1")
    policies.add_rule(firewall_policy_rule_resource=rule(100, tags=[web], sources=[]), **at).result()
    found = policies.get_rule(request=c.GetRuleNetworkFirewallPolicyRequest(priority=100, **at))
    assert found.match.src_secure_tags[0].state == "EFFECTIVE" and found.rule_tuple_count == 3, found
    policies.patch_rule(
        request=c.PatchRuleNetworkFirewallPolicyRequest(
            priority=100, firewall_policy_rule_resource=c.FirewallPolicyRule(description="web"), **at
        )
    ).result()
    held = policies.get(**at)
    assert [r.priority for r in held.rules] == [100, 2147483644, 2147483645, 2147483646, 2147483647]
    assert held.rules[0].description == "web" and held.rules[0].action == "allow", held.rules[0]
    replace = c.FirewallPolicy(fingerprint=held.fingerprint, rules=[rule(10), rule(20, action="deny", ports=["22"])])
    policies.patch(firewall_policy_resource=replace, **at).result()
    assert [r.priority for r in policies.get(**at).rules][:2] == [10, 20]
    refused(
        exceptions.PreconditionFailed, "conditionNotMet", lambda: policies.patch(firewall_policy_resource=replace, **at)
    )
    policies.remove_rule(request=c.RemoveRuleNetworkFirewallPolicyRequest(priority=20, **at)).result()
    same = rule(10)
    refused(exceptions.BadRequest, "invalid", lambda: policies.add_rule(firewall_policy_rule_resource=same, **at))
    refused(
        exceptions.BadRequest,
        "invalid",
        lambda: policies.get_rule(request=c.GetRuleNetworkFirewallPolicyRequest(priority=20, **at)),
    )
    effective = cloud.Networks.get_effective_firewalls(project=PROJECT, network="prod")
    assert [p.type_ for p in effective.firewall_policys] == ["NETWORK"], effective
    assert [f.name for f in effective.firewalls] == ["https"]
    order = c.Network(network_firewall_policy_enforcement_order="BEFORE_CLASSIC_FIREWALL")
    cloud.Networks.patch(project=PROJECT, network="prod", network_resource=order).result()
    regional = cloud.RegionNetworkFirewallPolicies
    regional.insert(
        project=PROJECT, region=REGION, firewall_policy_resource=c.FirewallPolicy(name="regional")
    ).result()
    assert [p.name for p in regional.list(project=PROJECT, region=REGION)] == ["regional"]


def tag(cloud, name, machine):
    """A tag value bound to an instance, through the Resource Manager of its zone."""
    key = cloud.manager(
        "POST",
        "tagKeys",
        {
            "parent": f"projects/{PROJECT}",
            "shortName": f"bulkhead-{name}",
            "purpose": "GCE_FIREWALL",
            "purposeData": {"network": f"{PROJECT}/prod"},
        },
    )
    value = cloud.manager("POST", "tagValues", {"parent": key["name"], "shortName": name})["name"]
    held = cloud.Instances.get(project=PROJECT, zone=ZONE, instance=machine)
    number = key["parent"].split("/")[1]
    parent = f"//compute.googleapis.com/projects/{number}/zones/{ZONE}/instances/{held.id}"
    place = f"{ZONE}-cloudresourcemanager.googleapis.com"
    made = cloud.manager("POST", "tagBindings", {"parent": parent, "tagValue": value}, place)
    assert made["tagValue"] == value, made
    listed = cloud.manager("GET", f"tagBindings?parent={urllib.parse.quote(parent, safe='')}", place=place)
    assert [b["name"] for b in listed["tagBindings"]] == [made["name"]], listed
    return value


def be_refused(cloud):
    insert = lambda resource: cloud.Firewalls.insert(project=PROJECT, firewall_resource=resource)
    refused(exceptions.Conflict, "alreadyExists", lambda: insert(firewall("https")))
    refused(exceptions.BadRequest, "invalid", lambda: insert(firewall("a", source_tags=[f"t{n}" for n in range(31)])))
    mixed = firewall("b", source_tags=["web"], target_service_accounts=["x@y.iam"])
    refused(exceptions.BadRequest, "invalid", lambda: insert(mixed))
    both = firewall("c", source_ranges=["10.0.0.0/8", "fd00::/8"])
    refused(exceptions.BadRequest, "invalid", lambda: insert(both))
    refused(exceptions.NotFound, "notFound", lambda: cloud.Firewalls.get(project=PROJECT, firewall="none"))
    in_use = "resourceInUseByAnotherResource"
    refused(exceptions.BadRequest, in_use, lambda: cloud.Networks.delete(project=PROJECT, network="prod"))
    policies = cloud.NetworkFirewallPolicies
    refused(exceptions.BadRequest, in_use, lambda: policies.delete(project=PROJECT, firewall_policy="bulkhead"))


def clean_up(cloud):
    cloud.NetworkFirewallPolicies.remove_association(
        request=c.RemoveAssociationNetworkFirewallPolicyRequest(
            project=PROJECT, firewall_policy="bulkhead", name="prod"
        )
    ).result()
    cloud.NetworkFirewallPolicies.delete(project=PROJECT, firewall_policy="bulkhead").result()
    cloud.Firewalls.delete(project=PROJECT, firewall="https").result()
    for machine in ["web-1", "db-1"]:
        cloud.Instances.delete(project=PROJECT, zone=ZONE, instance=machine).result()
    cloud.Subnetworks.delete(project=PROJECT, region=REGION, subnetwork="app").result()
    cloud.Networks.delete(project=PROJECT, network="prod").result()
    assert [n.name for n in cloud.Networks.list(project=PROJECT)] == ["default"]


def main():
    server = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        cloud = Cloud(server.stdout.readline().strip())
        create(cloud)
        read_back(cloud)
        change_classic(cloud)
        change_policy(cloud)
        be_refused(cloud)
        clean_up(cloud)
    finally:
        try:
            complaints, _ = server.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            raise
    assert complaints == "", f"Google's own client breaks Google's own schema: {complaints}"
    print("google-cloud-compute agrees")


if __name__ == "__main__":
    main()
