"""Changes of one thing each in what Bulkhead wrote into AWS, by boto3. `real_input.py` has many more of them."""

from aws_reach import AwsCloud
from reachability import check


class AwsDrift:
    def __init__(self, ec2, installation):
        self.ec2, self.installation = ec2, installation

    def group(self, name):
        """Our group on the interface of an instance."""
        cloud = AwsCloud(self.ec2)
        held = next(i["groups"] for i in cloud.interfaces if i["name"] == name)
        return next(g for g in held if cloud.groups[g]["GroupName"].startswith(f"bulkhead-{self.installation}-"))

    def all(self):
        """Name, whether packets notice, the change."""
        yield "aws prefix", True, self.prefix
        yield "aws port", True, self.port
        yield "aws tag", False, lambda: self.ec2.delete_tags(Resources=[self.group("web-1")], Tags=[{"Key": "bulkhead:installation"}])
        yield "aws membership", True, self.membership

    def taken(self, name, port):
        """Revokes our ingress rules for a port, and gives what they were."""
        group = self.group(name)
        rules = self.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
        found = [r for r in rules if not r["IsEgress"] and r["FromPort"] == port and r["IpProtocol"] == "tcp"]
        check(found, f"rules of {name} for {port}: {rules}")
        self.ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[r["SecurityGroupRuleId"] for r in found])
        return group

    def prefix(self):
        everybody = [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        self.ec2.authorize_security_group_ingress(GroupId=self.taken("web-1", 443), IpPermissions=everybody)

    def port(self):
        named = [{"GroupId": self.group("web-1")}]
        group = self.taken("cache-1", 6379)
        self.ec2.authorize_security_group_ingress(
            GroupId=group, IpPermissions=[{"IpProtocol": "tcp", "FromPort": 6378, "ToPort": 6378, "UserIdGroupPairs": named}]
        )

    def membership(self):
        cloud = AwsCloud(self.ec2)
        eni = next(i for i in cloud.interfaces if i["name"] == "web-2")
        kept = [g for g in eni["groups"] if not cloud.groups[g]["GroupName"].startswith("bulkhead-")]
        self.ec2.modify_network_interface_attribute(NetworkInterfaceId=eni["id"], Groups=kept)

    def owned(self):
        groups = self.ec2.describe_security_groups()["SecurityGroups"]
        ours = [g for g in groups if g["GroupName"].startswith(f"bulkhead-{self.installation}-")]
        tags = lambda g: sorted((t["Key"], t["Value"]) for t in g.get("Tags", []))
        return sorted((g["VpcId"], g["GroupName"], tags(g)) for g in ours)
