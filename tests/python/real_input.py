#!/usr/bin/env python3
"""Real input: an estate that boto3 seeds in moto is brought to the policy by `bulkhead apply`.

moto and boto3 were written by nobody here. What boto3 reads back is judged by the evaluators below, which share
nothing with Bulkhead: one says what the policy means, the other what security groups let pass. Then boto3 changes
one thing at a time; each must be found and repaired.

Usage: real_input.py PATH-OF-BULKHEAD
"""

import ipaddress
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import boto3

REGION = "eu-west-1"
INSTALLATION = "moto-shop"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
OFFICE = ["203.0.113.0/24", "2001:db8:100::/48"]
CHECKS = 0

POLICY = """
labels:
  role: [web, app, db, dns]
  app: [shop, shared, vault]
  env: [prod, dev]
ip_lists:
  office: { addresses: [203.0.113.0/24, "2001:db8:100::/48"], except: [203.0.113.66] }
services:
  postgres: [tcp/5432]
enforcement:
  - { match: [env=prod], mode: full }
rulesets:
  - name: shop
    scopes: [[app=shop, env=prod]]
    rules:
      - { name: office-to-web, sources: [list:office], destinations: [role=web], services: [tcp/443] }
      - { name: web-to-app, sources: [role=web], destinations: [role=app], services: [tcp/8080-8089] }
      - { name: app-to-db, sources: [role=app], destinations: [role=db], services: [postgres] }
      - { name: ping, sources: [all-workloads], destinations: [all-workloads], services: [icmp/8, icmpv6/128] }
  - name: shared
    scopes: [[app=shared]]
    rules:
      - { name: dns, scope: extra, sources: [env=prod], destinations: [role=dns], services: [udp/53] }
  - name: vault
    scopes: [[app=vault, env=prod]]
    rules:
      - { name: inside, sources: [role=app], destinations: [role=db], services: [tcp/8200] }
"""

# The same policy once more, in this file's own words: (scope, sources, destinations, services).
# A side is labels or a list of blocks; a service is (protocol, first, last) with ICMP as type*256+code.
PING = [("icmp", 8 * 256, 8 * 256 + 255), ("icmpv6", 128 * 256, 128 * 256 + 255)]
SHOP = {"app": "shop", "env": "prod"}
RULES = [
    ({"blocks": OFFICE, "except": ["203.0.113.66/32"]}, {**SHOP, "role": "web"}, [("tcp", 443, 443)]),
    ({**SHOP, "role": "web"}, {**SHOP, "role": "app"}, [("tcp", 8080, 8089)]),
    ({**SHOP, "role": "app"}, {**SHOP, "role": "db"}, [("tcp", 5432, 5432)]),
    (SHOP, SHOP, PING),
    ({"env": "prod"}, {"app": "shared", "role": "dns"}, [("udp", 53, 53)]),
    ({"app": "vault", "env": "prod", "role": "app"}, {"app": "vault", "env": "prod", "role": "db"}, [("tcp", 8200, 8200)]),
]
ESSENTIAL = [("icmp", 3 * 256 + 4, 3 * 256 + 4), ("icmpv6", 2 * 256, 2 * 256 + 255)]

PROBES = [
    ("tcp", 22), ("tcp", 443), ("tcp", 5432), ("tcp", 5433), ("tcp", 8079), ("tcp", 8080), ("tcp", 8089), ("tcp", 8090), ("tcp", 8200),
    ("udp", 53), ("icmp", 8 * 256), ("icmp", 3 * 256 + 4), ("icmp", 3 * 256), ("icmpv6", 128 * 256), ("icmpv6", 2 * 256),
]
EXTERNAL = ["203.0.113.7", "203.0.113.66", "198.51.100.1", "2001:db8:100::7", "2001:db8:999::1"]


def check(condition, text):
    global CHECKS
    CHECKS += 1
    if not condition:
        raise SystemExit(f"FAILED: {text}")


class Moto:
    """moto in a process of its own, on a port that the system chose."""

    def __enter__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        program = pathlib.Path(sys.executable).parent / "moto_server"
        self.process = subprocess.Popen(
            [program, "-H", "127.0.0.1", "-p", str(self.port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.url = f"http://127.0.0.1:{self.port}"
        for _ in range(200):
            try:
                urllib.request.urlopen(self.url + "/moto-api/data.json", timeout=1)
                return self
            except OSError:
                time.sleep(0.1)
        raise SystemExit("moto did not start")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


class Estate:
    """What boto3 builds: two peered VPCs, a third one that reuses a block, instances of both kinds."""

    def __init__(self, ec2):
        self.ec2 = ec2
        self.vpc, self.subnet, self.closed = {}, {}, {}
        for name, block in [("shop", "10.1.0.0/16"), ("shared", "10.2.0.0/16"), ("vault", "10.2.0.0/16")]:
            vpc = ec2.create_vpc(CidrBlock=block, AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
            self.vpc[name] = vpc
            found = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]
            v6 = found["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"].replace("/56", "/64")
            four = block.replace("0.0/16", "1.0/24")
            self.subnet[name] = ec2.create_subnet(VpcId=vpc, CidrBlock=four, Ipv6CidrBlock=v6)["Subnet"]["SubnetId"]
            closed = ec2.create_security_group(GroupName="launch", Description="born closed", VpcId=vpc)["GroupId"]
            egress = ec2.describe_security_groups(GroupIds=[closed])["SecurityGroups"][0]["IpPermissionsEgress"]
            ec2.revoke_security_group_egress(GroupId=closed, IpPermissions=egress)
            self.closed[name] = closed
        peering = ec2.create_vpc_peering_connection(VpcId=self.vpc["shop"], PeerVpcId=self.vpc["shared"])
        peering = peering["VpcPeeringConnection"]["VpcPeeringConnectionId"]
        ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
        image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        self.image = image
        for number, (network, role, app, env) in enumerate(
            [("shop", "web", "shop", "prod")] * 2
            + [("shop", "app", "shop", "prod")] * 2
            + [("shop", "db", "shop", "prod"), ("shop", "web", "shop", "dev")]
            + [("shared", "dns", "shared", "prod"), ("shared", "app", "shop", "prod")]
            + [("vault", "app", "vault", "prod"), ("vault", "db", "vault", "prod")]
        ):
            self.launch(f"{app}-{role}-{env}-{number}", network, role, app, env, premade=number % 2 == 0)
        # The other kind: moto never takes launch groups off, which an additive scope does not need.
        self.launch("shop-web-plain", "shop", "web", "shop", "prod", plain=True)

    def launch(self, name, network, role, app, env, premade=False, plain=False):
        tags = [{"Key": k, "Value": v} for k, v in {"Name": name, "Role": role, "App": app, "Env": env}.items()]
        arguments = dict(ImageId=self.image, MinCount=1, MaxCount=1, TagSpecifications=[{"ResourceType": "instance", "Tags": tags}])
        # Addresses are chosen here: moto draws them and may draw one twice.
        self.host = getattr(self, "host", 9) + 1
        block = "10.1.1" if network == "shop" else "10.2.1"
        place = dict(SubnetId=self.subnet[network], PrivateIpAddress=f"{block}.{self.host}")
        if plain:
            arguments |= place | {"SecurityGroupIds": [self.closed[network]]}
        elif premade:
            made = self.ec2.create_network_interface(**place, Groups=[self.closed[network]], Ipv6AddressCount=1)
            arguments["NetworkInterfaces"] = [{"DeviceIndex": 0, "NetworkInterfaceId": made["NetworkInterface"]["NetworkInterfaceId"]}]
        else:
            arguments["NetworkInterfaces"] = [{"DeviceIndex": 0, **place, "Groups": [self.closed[network]], "Ipv6AddressCount": 1}]
        self.ec2.run_instances(**arguments)


class Cloud:
    """What boto3 reads: groups, interfaces, peerings; and what they let pass."""

    def __init__(self, ec2):
        self.groups = {g["GroupId"]: g for g in ec2.describe_security_groups()["SecurityGroups"]}
        instances = [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
        tags = {i["InstanceId"]: {t["Key"]: t["Value"] for t in i.get("Tags", [])} for i in instances}
        self.interfaces = {}
        for eni in ec2.describe_network_interfaces()["NetworkInterfaces"]:
            own = tags.get(eni.get("Attachment", {}).get("InstanceId"), {})
            addresses = [a["PrivateIpAddress"] for a in eni["PrivateIpAddresses"]] + [a["Ipv6Address"] for a in eni.get("Ipv6Addresses", [])]
            self.interfaces[eni["NetworkInterfaceId"]] = {
                "id": eni["NetworkInterfaceId"], "vpc": eni["VpcId"], "addresses": addresses,
                "groups": [g["GroupId"] for g in eni["Groups"]],
                "labels": {k: own[t] for k, t in [("role", "Role"), ("app", "App"), ("env", "Env")] if t in own},
            }
        self.peered = set()
        for pair in ec2.describe_vpc_peering_connections()["VpcPeeringConnections"]:
            if pair["Status"]["Code"] == "active":
                a, b = pair["RequesterVpcInfo"]["VpcId"], pair["AccepterVpcInfo"]["VpcId"]
                self.peered |= {(a, b), (b, a)}

    def connected(self, a, b):
        return a == b or (a, b) in self.peered

    def end_lets_pass(self, own, direction, peer, address, protocol, detail):
        return any(
            self.permission_matches(own, permission, peer, address, protocol, detail)
            for group in own["groups"]
            for permission in self.groups[group]["IpPermissions" if direction == "in" else "IpPermissionsEgress"]
        )

    def permission_matches(self, own, permission, peer, address, protocol, detail):
        name = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}.get(permission["IpProtocol"], permission["IpProtocol"])
        if name not in ("-1", protocol):
            return False
        if name != "-1":
            low, high = permission.get("FromPort", -1), permission.get("ToPort", -1)
            if protocol.startswith("icmp"):
                kind, code = divmod(detail, 256)
                if low not in (-1, kind) or high not in (-1, code):
                    return False
            elif not low <= detail <= high:
                return False
        there = ipaddress.ip_address(address)
        blocks = [r["CidrIp"] for r in permission["IpRanges"]] + [r["CidrIpv6"] for r in permission.get("Ipv6Ranges", [])]
        if any(there in ipaddress.ip_network(b) for b in blocks if ipaddress.ip_network(b).version == there.version):
            return True
        named = [p["GroupId"] for p in permission["UserIdGroupPairs"]]
        return peer is not None and self.connected(own["vpc"], peer["vpc"]) and any(g in peer["groups"] for g in named)


def covers(services, protocol, detail):
    return any(name == protocol and low <= detail <= high for name, low, high in services)


class Meaning:
    """What the policy means, for the cloud's interfaces."""

    def __init__(self, cloud):
        self.cloud = cloud

    def seen(self, own, peer, address):
        """Who a packet's far address is taken for: by identity when connected, else by address, else nobody."""
        if peer is not None and self.cloud.connected(own["vpc"], peer["vpc"]):
            return peer
        holders = [i for i in self.cloud.interfaces.values() if address in i["addresses"]]
        near = [i for i in holders if self.cloud.connected(own["vpc"], i["vpc"])]
        if near:
            return near[0]
        return holders[0] if len(holders) == 1 and not self.local(own, address) else None

    def local(self, own, address):
        inside = [i for i in self.cloud.interfaces.values() if self.cloud.connected(own["vpc"], i["vpc"])]
        nets = {ipaddress.ip_network(a + ("/16" if "." in a else "/56"), strict=False) for i in inside for a in i["addresses"]}
        there = ipaddress.ip_address(address)
        return any(there in net for net in nets if net.version == there.version)

    def side(self, side, who, address):
        if "blocks" in side:
            there = ipaddress.ip_address(address)
            inside = lambda blocks: any(there in ipaddress.ip_network(b) for b in blocks if ipaddress.ip_network(b).version == there.version)
            return inside(side["blocks"]) and not inside(side["except"])
        return who is not None and all(who["labels"].get(k) == v for k, v in side.items())

    def end_allows(self, own, direction, peer, address, protocol, detail):
        if own["labels"].get("env") != "prod":
            return True
        if covers(ESSENTIAL, protocol, detail):
            return True
        who = self.seen(own, peer, address)
        for sources, destinations, services in RULES:
            mine, theirs = (destinations, sources) if direction == "in" else (sources, destinations)
            if "blocks" not in mine and self.side(mine, own, "") and self.side(theirs, who, address) and covers(services, protocol, detail):
                return True
        return False


def compare(ec2, when):
    """Every pair of ends × every probe, each enforced end by itself."""
    cloud = Cloud(ec2)
    meaning = Meaning(cloud)
    ends = [(i, a) for i in cloud.interfaces.values() for a in i["addresses"]] + [(None, a) for a in EXTERNAL]
    compared = allowed = 0
    for own, own_address in ends:
        if own is None or own["labels"].get("env") != "prod":
            continue
        for peer, address in ends:
            if peer is own or ("." in address) != ("." in own_address):
                continue
            if peer is not None and not cloud.connected(own["vpc"], peer["vpc"]) and meaning.local(own, address):
                continue  # No such packet: the address is routed inside, to somebody else.
            for protocol, detail in PROBES:
                if protocol == ("icmp" if ":" in address else "icmpv6"):
                    continue
                for direction in ("in", "out"):
                    real = cloud.end_lets_pass(own, direction, peer, address, protocol, detail)
                    meant = meaning.end_allows(own, direction, peer, address, protocol, detail)
                    compared += 1
                    allowed += meant
                    check(real == meant, f"{when}: {direction} {own['labels']} {own_address} ~ {peer and peer['labels']} {address} {protocol}/{detail}: groups say {real}, policy says {meant}")
    print(f"  {when}: {compared} ends and probes agree, {allowed} of them allowed")


class Bulkhead:
    def __init__(self, program, folder, url):
        self.program, self.folder = program, folder
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")} | ENVIRONMENT | {"AWS_ENDPOINT_URL_EC2": url}
        (folder / "policy").mkdir()
        (folder / "policy" / "policy.yaml").write_text(POLICY)
        self.configure()

    def configure(self, **changes):
        scope = {"name": "moto", "provider": "aws", "region": REGION, "enforce": True, "direction": "both", "settle": "100ms", "share": 1.0} | changes
        config = {
            "installation": INSTALLATION, "policy": "policy/", "state": "state/", "extra_tags": {"team": "platform"}, "scopes": [scope],
            "labels": [{"key": "role", "tag": "Role"}, {"key": "app", "tag": "App"}, {"key": "env", "tag": "Env"}],
        }
        (self.folder / "bulkhead.yaml").write_text(json.dumps(config))

    def start(self, *arguments, **environment):
        return subprocess.Popen(
            [self.program, *arguments, "--config", str(self.folder / "bulkhead.yaml")], env=self.environment | environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )

    def run(self, *arguments, expect=0, **environment):
        process = self.start(*arguments, **environment)
        output, _ = process.communicate(timeout=300)
        check(process.returncode == expect, f"bulkhead {' '.join(arguments)} ended with {process.returncode}, expected {expect}:\n{output}")
        return output


def ours(ec2, vpc, role):
    """Our group of a role in a VPC, by its description."""
    groups = ec2.describe_security_groups(Filters=[{"Name": "tag:bulkhead:installation", "Values": [INSTALLATION]}])["SecurityGroups"]
    return next(g["GroupId"] for g in groups if g["VpcId"] == vpc and f"role={role} " in g["Description"])


def permission(protocol, first, last, **peer):
    return [{"IpProtocol": protocol, "FromPort": first, "ToPort": last, **peer}]


def drifts(ec2, estate):
    """One change of each kind, by hand."""
    shop = estate.vpc["shop"]
    web, app, db = (ours(ec2, shop, role) for role in ("web", "app", "db"))
    rules = lambda group: ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]

    def take_out(group, source):
        """Revokes the TCP ingress rule from one source: moto compares descriptions, so it goes by id."""
        held = lambda r: r.get("CidrIpv4") or r.get("CidrIpv6") or r.get("ReferencedGroupInfo", {}).get("GroupId")
        found = [r["SecurityGroupRuleId"] for r in rules(group) if not r["IsEgress"] and r["IpProtocol"] == "tcp" and held(r) == source]
        check(len(found) == 1, f"one rule from {source}: {found}")
        ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=found)

    def replace(group, source, new):
        take_out(group, source)
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=new)

    def direction():
        take_out(web, "2001:db8:100::/48")
        ec2.authorize_security_group_egress(GroupId=web, IpPermissions=permission("tcp", 443, 443, Ipv6Ranges=[{"CidrIpv6": "2001:db8:100::/48"}]))

    by_app = {"UserIdGroupPairs": [{"GroupId": app}]}
    yield "CIDR", lambda: replace(web, "203.0.113.0/26", permission("tcp", 443, 443, IpRanges=[{"CidrIp": "203.0.113.0/25"}]))
    yield "port", lambda: replace(db, app, permission("tcp", 5431, 5432, **by_app))
    yield "protocol", lambda: replace(db, app, permission("udp", 5432, 5432, **by_app))
    yield "direction", direction
    yield "family", lambda: replace(web, "2001:db8:100::/48", permission("tcp", 443, 443, IpRanges=[{"CidrIp": "0.0.0.0/0"}]))
    yield "referenced group", lambda: replace(db, app, permission("tcp", 5432, 5432, UserIdGroupPairs=[{"GroupId": web}]))
    yield "tag", lambda: ec2.delete_tags(Resources=[web], Tags=[{"Key": "bulkhead:installation"}])

    def membership():
        eni = next(i for i in Cloud(ec2).interfaces.values() if i["vpc"] == shop and i["labels"].get("role") == "db")
        ec2.modify_network_interface_attribute(NetworkInterfaceId=eni["id"], Groups=[estate.closed["shop"]])

    yield "membership", membership
    yield "everything removed", lambda: ec2.revoke_security_group_ingress(GroupId=db, SecurityGroupRuleIds=[r["SecurityGroupRuleId"] for r in rules(db) if not r["IsEgress"]])


def owned(ec2):
    tagged = ec2.describe_security_groups(Filters=[{"Name": "tag:bulkhead:installation", "Values": [INSTALLATION]}])["SecurityGroups"]
    return sorted((g["VpcId"], g["Description"]) for g in tagged)


def wrong_inputs(bulkhead, ec2):
    before = json.dumps(ec2.describe_security_groups()["SecurityGroups"], sort_keys=True, default=str)
    bulkhead.configure(networks=["vpc-00000000000000000"])
    check("does not exist in region" in bulkhead.run("plan", expect=1), "an unknown VPC is named")
    bulkhead.configure(account="999999999999")
    check("999999999999" in bulkhead.run("plan", expect=1), "another account is named")
    bulkhead.configure()
    output = bulkhead.run("plan", expect=1, AWS_ENDPOINT_URL_EC2="http://127.0.0.1:9")
    check("could not be reached" in output, f"an unreachable cloud is named: {output}")
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": str(bulkhead.folder), "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
    check("hint: set AWS_PROFILE" in bulkhead.run("plan", expect=1, **nobody), "missing credentials are named")
    check(before == json.dumps(ec2.describe_security_groups()["SecurityGroups"], sort_keys=True, default=str), "wrong input changes nothing")
    print("  wrong input: each error says what to do, nothing changed")


def kill_in_the_middle(program, moments):
    """kill -9 when so many groups exist; a second apply converges without duplicate and orphan."""
    for moment in moments:
        with Moto() as moto, tempfile.TemporaryDirectory() as folder:
            ec2 = boto3.client("ec2", endpoint_url=moto.url, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
            Estate(ec2)
            bulkhead = Bulkhead(program, pathlib.Path(folder), moto.url)
            process = bulkhead.start("apply")
            while len(owned(ec2)) < moment and process.poll() is None:
                pass
            process.send_signal(signal.SIGKILL)
            process.communicate()
            half, attached = len(owned(ec2)), len(enforced(ec2))
            bulkhead.run("apply")
            groups = owned(ec2)
            check(len(groups) == len(set(groups)), f"no duplicate group after a kill: {groups}")
            used = {g for i in Cloud(ec2).interfaces.values() for g in i["groups"]}
            tagged = ec2.describe_security_groups(Filters=[{"Name": "tag:bulkhead:installation", "Values": [INSTALLATION]}])["SecurityGroups"]
            check(all(g["GroupId"] in used for g in tagged), "no orphan group after a kill")
            compare(ec2, f"killed with {half} of {len(groups)} groups made and {attached} interfaces attached, applied again")
            bulkhead.run("plan", "--check")


def enforced(ec2):
    cloud = Cloud(ec2)
    ours = {i for i, g in cloud.groups.items() if g["GroupName"].startswith(f"bulkhead-{INSTALLATION}-")}
    return [i for i in cloud.interfaces.values() if ours & set(i["groups"])]


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    with Moto() as moto, tempfile.TemporaryDirectory() as folder:
        ec2 = boto3.client("ec2", endpoint_url=moto.url, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
        estate = Estate(ec2)
        bulkhead = Bulkhead(program, pathlib.Path(folder), moto.url)
        wrong_inputs(bulkhead, ec2)
        bulkhead.run("plan", "--check", expect=3)
        bulkhead.run("apply")
        compare(ec2, "after the first apply")
        for group in ec2.describe_security_groups(Filters=[{"Name": "tag:bulkhead:installation", "Values": [INSTALLATION]}])["SecurityGroups"]:
            tags = {t["Key"]: t["Value"] for t in group["Tags"]}
            check(tags.get("team") == "platform" and tags.get("bulkhead:role") == "class-group", f"marks and extra tags: {tags}")
        bulkhead.run("plan", "--check")
        for name, change in drifts(ec2, estate):
            change()
            bulkhead.run("plan", "--check", expect=3)
            bulkhead.run("apply")
            compare(ec2, f"{name} changed by hand and repaired")
            bulkhead.run("plan", "--check")
        lines = (pathlib.Path(folder) / "state" / "audit.jsonl").read_text().splitlines()
        check(len(lines) == 10 and all(json.loads(line)["policy_digest"] for line in lines), f"one audit line for each apply: {len(lines)}")
    kill_in_the_middle(program, [0, 1, 4, 7])
    print(f"{CHECKS} passed, 0 failed")


main()
