"""Azure's part of the estate, made by azure-mgmt-network, which nobody here wrote.

Three virtual networks: `shop`, `backup` peered with it, and `vault`, which reuses the block of `shop`. Security groups
carry rules of others, above and below where Bulkhead writes; one interface has a group of its own besides that of its
subnet, one subnet has none.
"""

import time

from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.rest import HttpRequest
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.network import models as m

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
GROUP, HERE, TOKEN = "rg", "westeurope", "simulated"
BASTION = "10.20.250.0/24"


class Credential:
    """A token that opens nothing."""

    def get_token(self, *_scopes, **_options):
        return AccessToken(TOKEN, int(time.time()) + 3600)


class PlainHttp(SansIOHTTPPolicy):
    """Instead of the bearer policy, which refuses plain HTTP."""

    def on_request(self, request):
        request.http_request.headers["Authorization"] = f"Bearer {TOKEN}"


class Azure:
    """The client, and the few calls that it lacks, sent through its pipeline."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        options = {"credential_scopes": ["x/.default"], "authentication_policy": PlainHttp(), "polling_interval": 0.05}
        self.net = NetworkManagementClient(Credential(), SUBSCRIPTION, base_url=endpoint, **options)

    def call(self, verb, path, body=None, version="2022-09-01"):
        url = f"{self.endpoint}/subscriptions/{SUBSCRIPTION}/{path}?api-version={version}"
        answer = self.net._client.send_request(HttpRequest(verb, url, json=body))
        assert answer.status_code in (200, 201), answer.text()
        return answer.json()

    def machines(self):
        return self.call("GET", "providers/Microsoft.Compute/virtualMachines", version="2024-03-01")["value"]

    def put_rule(self, group, rule):
        return self.net.security_rules.begin_create_or_update(GROUP, group, rule.name, rule).result()


def rule(name, priority, ports, protocol="Tcp", source="*", destination="*", direction="Inbound", access="Allow"):
    ends = {"source_address_prefix": source, "destination_address_prefix": destination, "source_port_range": "*"}
    said = {"protocol": protocol, "destination_port_range": ports, "direction": direction, "access": access}
    return m.SecurityRule(name=name, priority=priority, **ends, **said)


# What others wrote; `three_clouds_policy.foreign` says in words what it comes to.
FOREIGN = {
    "data": [
        rule("no-10050", 150, "10050", protocol="Udp", access="Deny"),
        rule("bastion", 200, "22", source=BASTION),
        rule("legacy", 4090, "3306", source="VirtualNetwork"),
    ],
    "apps": [
        rule("edge", 300, "8443", source="Internet"),
        rule("no-shared", 120, "*", protocol="*", destination="10.2.0.0/16", direction="Outbound", access="Deny"),
    ],
    "own": [rule("tcp", 100, "*"), rule("out", 100, "*", protocol="*", direction="Outbound")],
    "backup": [],
    "vault": [],
}
# Name, subnet, addresses, labels. `report-2` has its labels from its machine.
INTERFACES = [
    ("db-1", "shop/data", ["10.20.1.11", "fd00:20:0:1::11"], "db shop prod"),
    ("db-2", "shop/data", ["10.20.1.12", "fd00:20:0:1::12"], "db shop prod"),
    ("db-3", "shop/data", ["10.20.1.13"], "db shop prod"),
    ("report-1", "shop/apps", ["10.20.2.11", "fd00:20:0:2::11"], "report shop prod"),
    ("report-2", "shop/apps", ["10.20.2.12"], "report shop prod"),
    ("trial-1", "shop/apps", ["10.20.2.13", "fd00:20:0:2::13"], "db shop dev"),
    ("bare-1", "shop/bare", ["10.20.3.11", "fd00:20:0:3::11"], "db shop prod"),
    ("backup-1", "backup/main", ["10.21.1.11"], "backup shop prod"),
    ("safe-1", "vault/main", ["10.20.1.13"], "db vault prod"),
    ("safe-2", "vault/main", ["10.20.1.14"], "app vault prod"),
]


def build(azure):
    net = azure.net
    azure.call("PUT", f"resourcegroups/{GROUP}", {"location": HERE})
    groups = {}
    for name, rules in FOREIGN.items():
        body = m.NetworkSecurityGroup(location=HERE, security_rules=rules)
        groups[name] = net.network_security_groups.begin_create_or_update(GROUP, name, body).result()
    networks = {}
    for name, blocks in [("shop", ["10.20.0.0/16", "fd00:20::/48"]), ("backup", ["10.21.0.0/16"]), ("vault", ["10.20.0.0/16"])]:
        body = m.VirtualNetwork(location=HERE, address_space=m.AddressSpace(address_prefixes=blocks))
        networks[name] = net.virtual_networks.begin_create_or_update(GROUP, name, body).result()
    subnets = {}
    for network, name, blocks, group in [
        ("shop", "data", ["10.20.1.0/24", "fd00:20:0:1::/64"], "data"),
        ("shop", "apps", ["10.20.2.0/24", "fd00:20:0:2::/64"], "apps"),
        ("shop", "bare", ["10.20.3.0/24", "fd00:20:0:3::/64"], None),
        ("backup", "main", ["10.21.1.0/24"], "backup"),
        ("vault", "main", ["10.20.1.0/24"], "vault"),
    ]:
        body = m.Subnet(address_prefixes=blocks, network_security_group=group and m.NetworkSecurityGroup(id=groups[group].id))
        subnets[f"{network}/{name}"] = net.subnets.begin_create_or_update(GROUP, network, name, body).result()
    for near, far in [("shop", "backup"), ("backup", "shop")]:
        body = m.VirtualNetworkPeering(remote_virtual_network=m.SubResource(id=networks[far].id), allow_virtual_network_access=True)
        net.virtual_network_peerings.begin_create_or_update(GROUP, near, "pair", body).result()
    for name, subnet, addresses, labels in INTERFACES:
        tags = dict(zip(("Role", "App", "Env"), labels.split()))
        own = m.NetworkSecurityGroup(id=groups["own"].id) if name == "db-2" else None
        body = m.NetworkInterface(
            location=HERE, tags=None if name == "report-2" else tags, network_security_group=own,
            ip_configurations=[configuration(number, address, subnets[subnet].id) for number, address in enumerate(addresses)],
        )
        made = net.network_interfaces.begin_create_or_update(GROUP, name, body).result()
        holds = {"networkProfile": {"networkInterfaces": [{"id": made.id}]}}
        path = f"resourceGroups/{GROUP}/providers/Microsoft.Compute/virtualMachines/vm-{name}"
        azure.call("PUT", path, {"location": HERE, "tags": tags if name == "report-2" else {}, "properties": holds}, "2024-03-01")


def configuration(number, address, subnet):
    return m.NetworkInterfaceIPConfiguration(
        name=f"c{number}", subnet=m.Subnet(id=subnet), primary=number == 0, private_ip_address=address,
        private_ip_allocation_method="Static", private_ip_address_version="IPv6" if ":" in address else "IPv4",
    )
