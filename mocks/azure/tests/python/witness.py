#!/usr/bin/env python3
"""A client that nobody here wrote against the simulated Azure: azure-mgmt-network from PyPI.

Creates an estate, reads it back, changes it, and is refused what the real cloud refuses.
Needs `pip install azure-mgmt-network`; give it the command that serves the simulation:

    python witness.py cargo run -q -p mock-azure --example serve
"""

import subprocess
import sys
import time

from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.network import models as m

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
GROUP = "rg"
HERE = "westeurope"


class Token:
    """A credential whose token opens nothing."""

    def get_token(self, *_scopes, **_options):
        return AccessToken("simulated", int(time.time()) + 3600)


class PlainHttp(SansIOHTTPPolicy):
    """Instead of the bearer policy, which refuses plain HTTP."""

    def on_request(self, request):
        request.http_request.headers["Authorization"] = "Bearer simulated"


def client(endpoint):
    return NetworkManagementClient(
        Token(),
        SUBSCRIPTION,
        base_url=endpoint,
        credential_scopes=["x/.default"],
        authentication_policy=PlainHttp(),
        polling_interval=0.01,
        retry_total=0,
    )


def refused(code, status, call):
    try:
        call()
    except HttpResponseError as error:
        assert error.status_code == status, (error.status_code, error)
        assert error.error.code == code, (error.error.code, error)
    else:
        raise AssertionError(f"not refused: {code}")


def make_resource_group(endpoint):
    """The network client has no resource groups; one PUT of its pipeline makes one."""
    from azure.core.rest import HttpRequest

    url = f"{endpoint}/subscriptions/{SUBSCRIPTION}/resourcegroups/{GROUP}?api-version=2022-09-01"
    answer = client(endpoint)._client.send_request(HttpRequest("PUT", url, json={"location": HERE}))
    assert answer.status_code == 201, answer.text()


def rule(name, priority, **fields):
    given = {
        "protocol": "Tcp",
        "source_port_range": "*",
        "destination_port_range": "443",
        "source_address_prefix": "*",
        "destination_address_prefix": "*",
        "access": "Allow",
        "direction": "Inbound",
    }
    given.update(fields)
    return m.SecurityRule(name=name, priority=priority, **given)


def create(net):
    web = net.application_security_groups.begin_create_or_update(
        GROUP, "web", m.ApplicationSecurityGroup(location=HERE)
    ).result()
    group = net.network_security_groups.begin_create_or_update(
        GROUP,
        "nsg",
        m.NetworkSecurityGroup(
            location=HERE,
            tags={"team": "shop"},
            security_rules=[rule("https", 100), rule("mail", 100, direction="Outbound", destination_port_range="25", access="Deny")],
        ),
    ).result()
    assert group.provisioning_state == "Succeeded", group.provisioning_state
    for name, block in [("v", "10.0.0.0/16"), ("w", "10.1.0.0/16")]:
        net.virtual_networks.begin_create_or_update(
            GROUP, name, m.VirtualNetwork(location=HERE, address_space=m.AddressSpace(address_prefixes=[block]))
        ).result()
    subnet = net.subnets.begin_create_or_update(
        GROUP, "v", "s", m.Subnet(address_prefix="10.0.1.0/24", network_security_group=m.NetworkSecurityGroup(id=group.id))
    ).result()
    net.network_interfaces.begin_create_or_update(
        GROUP,
        "nic",
        m.NetworkInterface(
            location=HERE,
            ip_configurations=[
                m.NetworkInterfaceIPConfiguration(
                    name="c", subnet=m.Subnet(id=subnet.id), application_security_groups=[m.ApplicationSecurityGroup(id=web.id)]
                )
            ],
        ),
    ).result()
    ids = {name: net.virtual_networks.get(GROUP, name).id for name in "vw"}
    for near, far in ["vw", "wv"]:
        net.virtual_network_peerings.begin_create_or_update(
            GROUP, near, "p", m.VirtualNetworkPeering(remote_virtual_network=m.SubResource(id=ids[far]))
        ).result()
    return web


def read_back(net, web):
    group = net.network_security_groups.get(GROUP, "nsg")
    assert group.tags == {"team": "shop"}
    assert sorted(r.name for r in group.security_rules) == ["https", "mail"]
    assert sorted(r.priority for r in group.default_security_rules) == [65000, 65000, 65001, 65001, 65500, 65500]
    assert [s.id.split("/")[-1] for s in group.subnets] == ["s"]
    nic = net.network_interfaces.get(GROUP, "nic")
    assert nic.ip_configurations[0].private_ip_address == "10.0.1.4"
    assert [g.id for g in nic.ip_configurations[0].application_security_groups] == [web.id]
    assert net.virtual_network_peerings.get(GROUP, "v", "p").peering_state == "Connected"
    assert [n.name for n in net.virtual_networks.list_all()] == ["v", "w"]
    assert [n.name for n in net.network_interfaces.list_all()] == ["nic"]
    assert [g.name for g in net.application_security_groups.list(GROUP)] == ["web"]
    assert [s.name for s in net.subnets.list(GROUP, "v")] == ["s"]


def change(net, web):
    members = [m.ApplicationSecurityGroup(id=web.id)]
    made = net.security_rules.begin_create_or_update(
        GROUP,
        "nsg",
        "db",
        rule(
            "db",
            200,
            source_address_prefix=None,
            destination_address_prefix=None,
            destination_port_range=None,
            source_application_security_groups=members,
            destination_application_security_groups=members,
            destination_port_ranges=["5432", "6432-6440"],
        ),
    ).result()
    assert made.destination_port_ranges == ["5432", "6432-6440"], made.destination_port_ranges
    assert [g.id for g in made.source_application_security_groups] == [web.id]
    assert len(list(net.security_rules.list(GROUP, "nsg"))) == 3
    net.security_rules.begin_delete(GROUP, "nsg", "db").result()
    assert len(list(net.security_rules.list(GROUP, "nsg"))) == 2


def be_refused(net):
    rules = net.security_rules
    refused("SecurityRuleConflict", 400, lambda: rules.begin_create_or_update(GROUP, "nsg", "clash", rule("clash", 100)))
    refused("SecurityRuleInvalidPriority", 400, lambda: rules.begin_create_or_update(GROUP, "nsg", "low", rule("low", 99)))
    refused("InUseSubnetCannotBeDeleted", 400, lambda: net.subnets.begin_delete(GROUP, "v", "s"))
    refused("InUseNetworkSecurityGroupCannotBeDeleted", 400, lambda: net.network_security_groups.begin_delete(GROUP, "nsg"))
    group = net.network_security_groups.get(GROUP, "nsg")

    def write(etag):
        return net.network_security_groups.begin_create_or_update(GROUP, "nsg", group, headers={"If-Match": etag})

    refused("PreconditionFailed", 412, lambda: write('W/"00000000-0000-0000-0000-000000000000"'))
    write(group.etag).result()
    refused("PreconditionFailed", 412, lambda: write(group.etag))
    try:
        net.network_security_groups.get(GROUP, "none")
    except ResourceNotFoundError as error:
        assert error.error.code == "ResourceNotFound", error
    else:
        raise AssertionError("found what is not there")


def clean_up(net):
    net.network_interfaces.begin_delete(GROUP, "nic").result()
    net.virtual_networks.begin_delete(GROUP, "v").result()
    assert net.virtual_network_peerings.get(GROUP, "w", "p").peering_state == "Disconnected"
    net.network_security_groups.begin_delete(GROUP, "nsg").result()
    net.application_security_groups.begin_delete(GROUP, "web").result()
    assert list(net.network_security_groups.list_all()) == []


def main():
    server = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
    try:
        endpoint = server.stdout.readline().strip()
        make_resource_group(endpoint)
        net = client(endpoint)
        web = create(net)
        read_back(net, web)
        change(net, web)
        be_refused(net)
        clean_up(net)
        print("azure-mgmt-network agrees")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
