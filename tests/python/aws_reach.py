"""What boto3 reads of AWS, and what security groups let pass: `reachability.Cloud`, in the shape of the other two clouds."""

from addresses import is_inside
from reachability import Cloud


class AwsCloud(Cloud):
    def __init__(self, ec2):
        super().__init__(ec2)
        self.blocks, names = {}, {}
        for vpc in ec2.describe_vpcs()["Vpcs"]:
            six = [b["Ipv6CidrBlock"] for b in vpc.get("Ipv6CidrBlockAssociationSet", [])]
            self.blocks[vpc["VpcId"]] = [b["CidrBlock"] for b in vpc["CidrBlockAssociationSet"]] + six
        for instance in (i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]):
            tags = {t["Key"]: t["Value"] for t in instance.get("Tags", [])}
            names |= {eni["NetworkInterfaceId"]: tags["Name"] for eni in instance["NetworkInterfaces"]}
        found = self.interfaces.values()
        self.interfaces = [i | {"cloud": "aws", "network": i["vpc"], "name": names[i["id"]]} for i in found]

    def gate(self, own, _, direction, peer, address):
        """What passes between two addresses at the end of one of them: a function of protocol and port."""
        word = "IpPermissions" if direction == "in" else "IpPermissionsEgress"
        services = [service(p) for g in own["groups"] for p in self.groups[g][word] if self.names(p, own, peer, address)]
        return lambda protocol, detail: any(name in ("-1", protocol) and fits(detail) for name, fits in services)

    def names(self, permission, own, peer, address):
        blocks = [r["CidrIp"] for r in permission["IpRanges"]] + [r["CidrIpv6"] for r in permission.get("Ipv6Ranges", [])]
        if is_inside(address, *blocks):
            return True
        groups = {p["GroupId"] for p in permission["UserIdGroupPairs"]}
        near = peer is not None and peer["cloud"] == "aws" and self.connected(own["network"], peer["network"])
        return near and bool(groups & set(peer["groups"]))


def service(permission):
    """The name of a protocol, and whether a port, or a type*256+code, fits."""
    name = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}.get(permission["IpProtocol"], permission["IpProtocol"])
    low, high = permission.get("FromPort", -1), permission.get("ToPort", -1)
    if name == "-1":
        return name, lambda _: True
    if name.startswith("icmp"):
        return name, lambda detail: low in (-1, detail // 256) and high in (-1, detail % 256)
    return name, lambda detail: low <= detail <= high
