"""AWS's part of the estate, made by boto3, which nobody here wrote: two peered VPCs and groups of others.

The simulator starts as it is born: `bulkhead simulate aws`.
"""

import boto3
import botocore.config

REGION = "eu-west-1"
KEYS = dict(region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
BASTION = "10.1.250.0/24"
# Name, VPC, last part of the addresses, families, labels. `web-2` is of the group `launch` with its SSH rule.
INSTANCES = [
    ("web-1", "shop", 11, 2, "web shop prod"),
    ("web-2", "shop", 12, 2, "web shop prod"),
    ("cache-1", "shop", 13, 1, "cache shop prod"),
    ("trial-3", "shop", 14, 2, "web shop dev"),
    ("dns-1", "shared", 11, 2, "dns shared prod"),
]


def client(endpoint):
    patient = botocore.config.Config(read_timeout=60, retries={"max_attempts": 8})
    return boto3.client("ec2", endpoint_url=endpoint, config=patient, **KEYS)


def build(ec2):
    vpcs, subnets, closed = {}, {}, {}
    for name, block in [("shop", "10.1.0.0/16"), ("shared", "10.2.0.0/16")]:
        vpc = vpcs[name] = ec2.create_vpc(CidrBlock=block, AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
        found = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]
        six = found["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"].replace("/56", "/64")
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=block.replace("0.0/16", "1.0/24"), Ipv6CidrBlock=six)
        subnets[name] = (subnet["Subnet"]["SubnetId"], block.replace("0.0/16", "1."), six.replace("/64", ""))
        group = closed[name] = ec2.create_security_group(GroupName="launch", Description="born closed", VpcId=vpc)["GroupId"]
        egress = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissionsEgress"]
        ec2.revoke_security_group_egress(GroupId=group, IpPermissions=egress)
    ssh = ec2.create_security_group(GroupName="ssh", Description="from the bastion", VpcId=vpcs["shop"])["GroupId"]
    bastion = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": BASTION}]}]
    ec2.authorize_security_group_ingress(GroupId=ssh, IpPermissions=bastion)
    egress = ec2.describe_security_groups(GroupIds=[ssh])["SecurityGroups"][0]["IpPermissionsEgress"]
    ec2.revoke_security_group_egress(GroupId=ssh, IpPermissions=egress)
    peering = ec2.create_vpc_peering_connection(VpcId=vpcs["shop"], PeerVpcId=vpcs["shared"])
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering["VpcPeeringConnection"]["VpcPeeringConnectionId"])
    for name, network, host, families, labels in INSTANCES:
        subnet, four, six = subnets[network]
        groups = [closed[network]] + ([ssh] if name == "web-2" else [])
        second = {"Ipv6Addresses": [{"Ipv6Address": f"{six}{host:x}"}]} if families == 2 else {}
        made = ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress=f"{four}{host}", Groups=groups, **second)
        tags = [{"Key": k, "Value": v} for k, v in zip(("Name", "Role", "App", "Env"), [name] + labels.split())]
        ec2.run_instances(
            ImageId="ami-12345678", MinCount=1, MaxCount=1, TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
            NetworkInterfaces=[{"DeviceIndex": 0, "NetworkInterfaceId": made["NetworkInterface"]["NetworkInterfaceId"]}],
        )
