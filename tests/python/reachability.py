"""What the policy means and what security groups let pass, each worked out here: nothing is shared with Bulkhead."""

import ipaddress

CHECKS = 0
OFFICE = ["203.0.113.0/24", "2001:db8:100::/48"]

# The same policy once more, in this file's own words: (scope, sources, destinations, services).
# A side is labels or a list of blocks; a service is (protocol, first, last) with ICMP as type*256+code.
PING = [("icmp", 8 * 256, 8 * 256 + 255), ("icmpv6", 128 * 256, 128 * 256 + 255)]
SHOP = {"app": "shop", "env": "prod"}
OFFICE_TO_WEB = ({"blocks": OFFICE, "except": ["203.0.113.66/32"]}, {**SHOP, "role": "web"}, [("tcp", 443, 443)])
INSIDE_SHOP = (SHOP, SHOP, PING)
RULES = [
    OFFICE_TO_WEB,
    ({**SHOP, "role": "web"}, {**SHOP, "role": "app"}, [("tcp", 8080, 8089)]),
    ({**SHOP, "role": "app"}, {**SHOP, "role": "db"}, [("tcp", 5432, 5432)]),
    INSIDE_SHOP,
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

    def __init__(self, cloud, rules, directions):
        self.cloud, self.rules, self.directions = cloud, rules, directions

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
        if own["labels"].get("env") != "prod" or direction not in self.directions:
            return True
        if covers(ESSENTIAL, protocol, detail):
            return True
        who = self.seen(own, peer, address)
        for sources, destinations, services in self.rules:
            mine, theirs = (destinations, sources) if direction == "in" else (sources, destinations)
            if "blocks" not in mine and self.side(mine, own, "") and self.side(theirs, who, address) and covers(services, protocol, detail):
                return True
        return False


def compare(ec2, when, rules=RULES, directions=("in", "out")):
    """Every pair of ends × every probe, each enforced end by itself."""
    cloud = Cloud(ec2)
    meaning = Meaning(cloud, rules, directions)
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
