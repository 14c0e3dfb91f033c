#!/usr/bin/env python3
"""Real input: an estate that boto3 seeds in moto is brought to the policy by `bulkhead apply`.

moto and boto3 were written by nobody here. What boto3 reads back is judged by `reachability.py`, which shares
nothing with Bulkhead. Then boto3 changes one thing at a time; each must be found and repaired. Then `apply` is
killed after the n-th call that it makes, in a first apply and in the part of a later one that takes away.

Usage: real_input.py PATH-OF-BULKHEAD
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

import reachability
from moto_estate import PATIENT_S, REGION, Estate, Line, Moto
from reachability import INSIDE_SHOP, OFFICE_TO_WEB, RULES, Cloud, check, compare

INSTALLATION = "moto-shop"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}

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

# A later policy, that takes away: the rules are gone, and two instances of the shop get another role.
LATER = "".join(line for line in POLICY.splitlines(True) if "name: office-to-web" not in line and "name: ping" not in line)
LATER_RULES = [rule for rule in RULES if rule not in (OFFICE_TO_WEB, INSIDE_SHOP)]
# It cuts much on purpose.
ALLOW = ["--allow", "lose-peer", "--allow", "remove-rules", "--allow", "lose-all-ingress"]
# Calls that only take away. (A membership that is taken off looks like one that is put on.)
BREAKS = {"RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress", "DeleteSecurityGroup"}


class Bulkhead:
    def __init__(self, program, folder, url, **settings):
        self.program, self.folder = program, folder
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")} | ENVIRONMENT | {"AWS_ENDPOINT_URL_EC2": url}
        (folder / "policy").mkdir()
        self.write_policy(POLICY)
        self.configure(**settings)

    def write_policy(self, text):
        (self.folder / "policy" / "policy.yaml").write_text(text)

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
        output, _ = process.communicate(timeout=PATIENT_S)
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
    yield "mark", lambda: ec2.delete_tags(Resources=[web], Tags=[{"Key": "bulkhead:installation"}])
    yield "role mark", lambda: ec2.create_tags(Resources=[app], Tags=[{"Key": "bulkhead:role", "Value": "mine"}])
    yield "extra tag", lambda: ec2.create_tags(Resources=[db], Tags=[{"Key": "team", "Value": "nobody"}])

    def membership():
        eni = next(i for i in Cloud(ec2).interfaces.values() if i["vpc"] == shop and i["labels"].get("role") == "db")
        ec2.modify_network_interface_attribute(NetworkInterfaceId=eni["id"], Groups=[estate.closed["shop"]])

    yield "membership", membership
    yield "everything removed", lambda: ec2.revoke_security_group_ingress(GroupId=db, SecurityGroupRuleIds=[r["SecurityGroupRuleId"] for r in rules(db) if not r["IsEgress"]])


def owned(ec2):
    """Every group with our name or our mark: VPC, name, description, tags."""
    groups = ec2.describe_security_groups()["SecurityGroups"]
    tags = {g["GroupId"]: {t["Key"]: t["Value"] for t in g.get("Tags", [])} for g in groups}
    is_named = lambda g: g["GroupName"].startswith(f"bulkhead-{INSTALLATION}-") or "bulkhead:installation" in tags[g["GroupId"]]
    found = [(g["VpcId"], g["GroupName"], g["Description"], tags[g["GroupId"]]) for g in groups if is_named(g)]
    return sorted(found, key=lambda group: group[:3])


def check_owned(ec2, when):
    """Each group of ours carries every tag, is there once, and is used."""
    groups = owned(ec2)
    for _, name, _, tags in groups:
        marks = {"Name": name, "bulkhead:installation": INSTALLATION, "bulkhead:role": "class-group", "team": "platform"}
        check(marks.items() <= tags.items(), f"{when}: marks and extra tags of {name}: {tags}")
    for part in (1, 2):
        names = [(group[0], group[part]) for group in groups]
        check(len(names) == len(set(names)), f"{when}: no group twice: {names}")
    cloud = Cloud(ec2)
    used = {cloud.groups[g]["GroupName"] for i in cloud.interfaces.values() for g in i["groups"]}
    orphans = [name for _, name, _, _ in groups if name not in used]
    check(groups and not orphans, f"{when}: no orphan: {orphans}")
    return groups


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


def repair(bulkhead, ec2, estate):
    """Everything that somebody changes by hand is found and repaired; tags are what they were, to the letter."""
    tags = check_owned(ec2, "before drift")
    changes = 0
    for name, change in drifts(ec2, estate):
        change()
        changes += 1
        bulkhead.run("plan", "--check", expect=3)
        bulkhead.run("apply")
        compare(ec2, f"{name} changed by hand and repaired")
        check(owned(ec2) == tags, f"{name}: groups and tags are what they were: {owned(ec2)}, not {tags}")
        bulkhead.run("plan", "--check")
    note = [{"Key": "cost-centre", "Value": "42"}]
    ec2.create_tags(Resources=[ours(ec2, estate.vpc["shop"], "web")], Tags=note)
    bulkhead.run("plan", "--check")
    check(any("cost-centre" in group[3] for group in owned(ec2)), "a tag that is not ours stays")
    lines = (bulkhead.folder / "state" / "audit.jsonl").read_text().splitlines()
    check(len(lines) == 1 + changes and all(json.loads(line)["policy_digest"] for line in lines), f"one audit line for each apply: {len(lines)}")


def converge(moto, program, name, directions=("in", "out"), **settings):
    """Another kind of scope: applied once, and again after a membership was changed by hand."""
    ec2 = moto.empty()
    exclusive = settings.get("attachment") == "exclusive"
    estate = Estate(ec2, exclusive)
    with tempfile.TemporaryDirectory() as folder:
        bulkhead = Bulkhead(program, pathlib.Path(folder), moto.url, **settings)
        for when in (name, f"{name}, a membership changed by hand"):
            bulkhead.run("apply", *ALLOW)
            compare(ec2, when, directions=directions)
            check_owned(ec2, when)
            bulkhead.run("plan", "--check")
            cloud = Cloud(ec2)
            prod = [i for i in cloud.interfaces.values() if i["labels"].get("env") == "prod"]
            foreign = [i["id"] for i in prod if set(i["groups"]) & set(estate.closed.values())]
            check(len(foreign) == (0 if exclusive else len(prod)), f"{when}: foreign groups are on {foreign}")
            db = next(i["id"] for i in prod if i["vpc"] == estate.vpc["shop"] and i["labels"]["role"] == "db")
            ec2.modify_network_interface_attribute(NetworkInterfaceId=db, Groups=[estate.closed["shop"]])


class Killed:
    """An estate, what is to be applied to it, and how many calls that takes when nobody is killed."""

    def __init__(self, moto, program, line, later):
        self.moto, self.program, self.line, self.later = moto, program, line, later

    def seed(self, folder):
        self.ec2 = self.moto.empty()
        estate = Estate(self.ec2)
        self.bulkhead = Bulkhead(self.program, pathlib.Path(folder), self.line.url)
        if self.later:
            self.bulkhead.run("apply")
            self.bulkhead.write_policy(LATER)
            estate.relabel("shop-web-prod-0", "app")
            estate.relabel("shop-db-prod-4", "app")

    def apply(self, writes_max=None):
        return self.line.watch(lambda: self.bulkhead.start("apply", *ALLOW), writes_max)

    def whole(self):
        """The calls of an apply that nobody kills."""
        with tempfile.TemporaryDirectory() as folder:
            self.seed(folder)
            status, output, writes = self.apply()
            check(status == 0, f"an apply that nobody kills: {output}")
            self.check_end("nobody is killed")
            return writes

    def kill(self, calls, writes_max):
        """Kills an apply after so many calls, and applies again."""
        kind = "a later apply" if self.later else "a first apply"
        when = f"{kind} killed after {writes_max} of {len(calls)} calls"
        with tempfile.TemporaryDirectory() as folder:
            self.seed(folder)
            status, output, writes = self.apply(writes_max)
            check(status == -signal.SIGKILL, f"{when}: ended with {status}: {output}")
            check(0 < len(writes) == writes_max < len(calls), f"{when}: in the middle: {writes}")
            if self.later:
                check(BREAKS & set(writes), f"{when}: something was taken away: {writes}")
            self.bulkhead.run("plan", "--check", *ALLOW, expect=3)
            self.bulkhead.run("apply", *ALLOW)
            self.check_end(when)

    def check_end(self, when):
        compare(self.ec2, when, rules=LATER_RULES if self.later else RULES)
        check_owned(self.ec2, when)
        self.bulkhead.run("plan", "--check")


def kill_in_the_middle(moto, program):
    """kill -9 between two calls; a second apply converges without duplicate and orphan."""
    line = Line(moto)
    first = Killed(moto, program, line, later=False)
    calls = first.whole()
    for writes_max in sorted({1, 2, len(calls) // 3, 2 * len(calls) // 3, len(calls) - 1}):
        first.kill(calls, writes_max)
    later = Killed(moto, program, line, later=True)
    calls = later.whole()
    breaks = [number for number, action in enumerate(calls) if action in BREAKS]
    check(len(breaks) >= 4 and "DeleteSecurityGroup" in calls, f"a later apply takes away: {calls}")
    for writes_max in sorted({breaks[0] + 1, breaks[len(breaks) // 3] + 1, breaks[2 * len(breaks) // 3] + 1, len(calls) - 1}):
        later.kill(calls, writes_max)


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    with Moto() as moto:
        with tempfile.TemporaryDirectory() as folder:
            ec2 = moto.empty()
            estate = Estate(ec2)
            bulkhead = Bulkhead(program, pathlib.Path(folder), moto.url)
            wrong_inputs(bulkhead, ec2)
            bulkhead.run("plan", "--check", expect=3)
            bulkhead.run("apply")
            compare(ec2, "after the first apply")
            bulkhead.run("plan", "--check")
            repair(bulkhead, ec2, estate)
        converge(moto, program, "exclusive", attachment="exclusive")
        converge(moto, program, "ingress only", directions=("in",), direction="ingress")
        kill_in_the_middle(moto, program)
    print(f"{reachability.CHECKS} passed, 0 failed")


main()
