"""Google Cloud's part of the estate, made by google-cloud-compute and google-cloud-resource-manager: not written here.

Three networks: `prod`, whose classic rules come before firewall policies; `queue`, peered with it, where policies come
first and a classic rule opens everything inside; `lab`, alone. The organisation has a policy above all of them.
"""

from google.api_core.client_options import ClientOptions
from google.api_core.future.polling import DEFAULT_POLLING
from google.auth.credentials import AnonymousCredentials
from google.cloud import compute_v1 as c
from google.cloud import resourcemanager_v3 as r

PROJECT, ORGANIZATION = "demo-project", "organizations/123456789012"
REGION, ZONE, TOKEN = "europe-west1", "europe-west1-b", "simulated"
MANAGER = "cloudresourcemanager.googleapis.com"
# Operations are looked at more often than Google's clients do by themselves.
OFTEN = DEFAULT_POLLING.with_delay(initial=0.05, maximum=0.2).with_timeout(120)


def wait(operation):
    return operation.result(polling=OFTEN)


class Gcp:
    """Clients of one endpoint. `insert().result()` polls through a second client that ignores the endpoint: each client
    gets one that does not."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        options = self.options = {"credentials": AnonymousCredentials(), "client_options": ClientOptions(api_endpoint=endpoint)}
        kinds = {"global_operations": "Global", "region_operations": "Region", "zone_operations": "Zone", "global_organization_operations": "GlobalOrganization"}
        self.operations = {name: getattr(c, f"{kind}OperationsClient")(**options) for name, kind in kinds.items()}

    def __getattr__(self, name):
        client = getattr(c, f"{name}Client")(**self.options)
        client.transport._extended_operations_services = dict(self.operations)
        setattr(self, name, client)
        return client

    def manager(self, kind, host=MANAGER):
        """A client of the Resource Manager of the world, or of a zone."""
        options = ClientOptions(api_endpoint=f"{self.endpoint}/{host}")
        return getattr(r, f"{kind}Client")(credentials=AnonymousCredentials(), client_options=options, transport="rest")

    def bindings(self):
        return self.manager("TagBindings", f"{ZONE}-{MANAGER}")

    def number(self):
        return self.manager("Projects").get_project(name=f"projects/{PROJECT}").name.split("/")[1]

    def instance(self, name):
        return self.Instances.get(project=PROJECT, zone=ZONE, instance=name)

    def full_name(self, instance):
        return f"//compute.googleapis.com/projects/{self.number()}/zones/{ZONE}/instances/{instance.id}"


def link(path):
    return f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/{path}"


def allowed(protocol, *ports):
    return c.Allowed(I_p_protocol=protocol, ports=list(ports))


# What others wrote; `three_clouds_policy.foreign` says in words what it comes to.
CLASSIC = [
    dict(name="iap-ssh", network="prod", source_ranges=["35.235.240.0/20"], allowed=[allowed("tcp", "22")]),
    dict(name="no-7949", network="prod", priority=900, source_ranges=["10.30.0.0/16"], denied=[c.Denied(I_p_protocol="udp", ports=["7949"])]),
    dict(name="edge", network="prod", source_tags=["edge"], target_tags=["edge"], allowed=[allowed("tcp", "8443")]),
    dict(name="inside", network="queue", priority=65534, source_ranges=["10.30.0.0/15"], allowed=[allowed("all")]),
]
# Name, subnets (an interface each), families, labels, network tags.
INSTANCES = [
    ("app-1", ["prod"], "IPV4_IPV6", "app shop prod", ["edge"]),
    ("app-2", ["prod"], "IPV4_IPV6", "app shop prod", ["edge"]),
    ("app-3", ["prod"], "IPV4_ONLY", "app shop prod", []),
    ("watch-1", ["prod"], "IPV4_IPV6", "monitor ops prod", []),
    ("trial-2", ["prod"], "IPV4_IPV6", "app shop dev", ["edge"]),
    ("queue-1", ["queue"], "IPV4_IPV6", "queue shop prod", []),
    ("queue-2", ["queue"], "IPV4_ONLY", "queue shop prod", []),
    ("relay-1", ["prod", "queue"], "IPV4_IPV6", "relay shop prod", []),
    ("lab-1", ["lab"], "IPV4_ONLY", "app vault prod", []),
]


def build(gcp):
    at = {"project": PROJECT}
    for name, block, order in [
        ("prod", "10.30.1.0/24", "AFTER_CLASSIC_FIREWALL"), ("queue", "10.31.1.0/24", "BEFORE_CLASSIC_FIREWALL"), ("lab", "10.32.1.0/24", "AFTER_CLASSIC_FIREWALL"),
    ]:
        network = c.Network(name=name, auto_create_subnetworks=False, enable_ula_internal_ipv6=name != "lab", network_firewall_policy_enforcement_order=order)
        wait(gcp.Networks.insert(network_resource=network, **at))
        families = {} if name == "lab" else {"stack_type": "IPV4_IPV6", "ipv6_access_type": "INTERNAL"}
        subnet = c.Subnetwork(name=name, network=link(f"global/networks/{name}"), ip_cidr_range=block, **families)
        wait(gcp.Subnetworks.insert(region=REGION, subnetwork_resource=subnet, **at))
    for near, far in [("prod", "queue"), ("queue", "prod")]:
        peering = c.NetworkPeering(name=f"to-{far}", network=link(f"global/networks/{far}"), exchange_subnet_routes=True, stack_type="IPV4_IPV6")
        wait(gcp.Networks.add_peering(network=near, networks_add_peering_request_resource=c.NetworksAddPeeringRequest(network_peering=peering), **at))
    for fields in CLASSIC:
        rule = c.Firewall(**fields | {"network": link(f"global/networks/{fields['network']}")})
        wait(gcp.Firewalls.insert(firewall_resource=rule, **at))
    for name, networks, stack, labels, tags in INSTANCES:
        machine = c.Instance(
            name=name, machine_type=f"zones/{ZONE}/machineTypes/e2-micro", tags=c.Tags(items=tags), labels=dict(zip(("role", "app", "env"), labels.split())),
            network_interfaces=[c.NetworkInterface(subnetwork=link(f"regions/{REGION}/subnetworks/{n}"), stack_type=stack) for n in networks],
        )
        wait(gcp.Instances.insert(zone=ZONE, instance_resource=machine, **at))
    above(gcp)


def above(gcp):
    """The organisation leaves most to others, and keeps two blocks from one port."""
    company = c.FirewallPolicy(short_name="company")
    wait(gcp.FirewallPolicies.insert(request=c.InsertFirewallPolicyRequest(parent_id=ORGANIZATION, firewall_policy_resource=company)))
    policy = next(p.name for p in gcp.FirewallPolicies.list(request=c.ListFirewallPoliciesRequest(parent_id=ORGANIZATION)))
    for priority, action, ports in [(10, "goto_next", ["9100"]), (20, "deny", ["9100-9101"])]:
        rule = hierarchical_rule(priority, action, ports, ["10.1.0.0/16", "10.30.0.0/16"])
        wait(gcp.FirewallPolicies.add_rule(firewall_policy=policy, firewall_policy_rule_resource=rule))
    attached = c.FirewallPolicyAssociation(name="company", attachment_target=ORGANIZATION)
    wait(gcp.FirewallPolicies.add_association(firewall_policy=policy, firewall_policy_association_resource=attached))


def hierarchical_rule(priority, action, ports, blocks):
    matcher = c.FirewallPolicyRuleMatcher(
        layer4_configs=[c.FirewallPolicyRuleMatcherLayer4Config(ip_protocol="tcp", ports=ports)], src_ip_ranges=blocks
    )
    return c.FirewallPolicyRule(priority=priority, action=action, direction="INGRESS", match=matcher)
