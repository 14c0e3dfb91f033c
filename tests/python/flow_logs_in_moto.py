#!/usr/bin/env python3
"""Real input: `bulkhead flows` over an account that boto3 seeds in moto, with flow logs in S3 and in CloudWatch Logs.

The same traffic is logged twice, to a bucket and to a log group, each by a flow log that boto3 makes; the fields of the group are asked for by
DescribeFlowLogs. What `flows query` says must be what was written: by labels, once for each connection though both ends report it, replies
turned round, client ports dropped. A second read must find nothing new.

Usage: flow_logs_in_moto.py PATH-OF-BULKHEAD
"""

import collections
import datetime
import gzip
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import boto3

from moto_estate import KEYS, PATIENT_S, REGION, Estate, Moto

FORMAT = (
    "${version} ${interface-id} ${vpc-id} ${pkt-srcaddr} ${pkt-dstaddr} ${srcport} ${dstport} ${protocol} "
    "${packets} ${bytes} ${start} ${end} ${action} ${tcp-flags} ${flow-direction} ${log-status}"
)
HEADER = FORMAT.replace("${", "").replace("}", "")
POLICY = """
labels: { role: [web, app, db, dns], app: [shop, shared, vault], env: [prod, dev] }
services: { postgres: [tcp/5432] }
rulesets:
  - name: shop
    scopes: [[app=shop, env=prod]]
    rules: [{ name: app-to-db, sources: [role=app], destinations: [role=db], services: [postgres] }]
"""
CONFIG = """
installation: moto-flows
scopes: [{{ name: moto, provider: aws, region: {region} }}]
labels: [{{ key: role, tag: Role }}, {{ key: app, tag: App }}, {{ key: env, tag: Env }}]
flows:
  store: {store}
  sources: {sources}
"""


def check(condition, text):
    if not condition:
        raise SystemExit(f"FAILED: {text}")


def interfaces(ec2):
    """Interface, network, address and labels of every instance."""
    found = []
    for reservation in ec2.describe_instances()["Reservations"]:
        for instance in reservation["Instances"]:
            tags = {tag["Key"].lower(): tag["Value"] for tag in instance["Tags"]}
            labels = " ".join(f"{key}={tags[key]}" for key in ("role", "app", "env"))
            for interface in instance["NetworkInterfaces"]:
                found.append((interface["NetworkInterfaceId"], interface["VpcId"], interface["PrivateIpAddress"], labels))
    return found


def talk(ec2, rng, start):
    """Lines of both ends of random connections, and how many there were by labels, service and verdict."""
    ends = [end for end in interfaces(ec2)]
    lines, expected = [], collections.Counter()
    for number in range(600):
        a = rng.choice(ends)
        b = rng.choice([end for end in ends if end[1] == a[1] and end != a])
        port, client = rng.choice([5432, 443, 8080]), 40_000 + number
        passes = rng.random() < 0.8
        at = start + rng.randrange(600)

        def line(end, source, destination, ports, action, flags, direction, packets):
            values = [5, end[0], end[1], source[2], destination[2], *ports, 6, packets, packets * 100]
            lines.append(" ".join(map(str, [*values, at, at + 20, action, flags, direction, "OK"])))

        there, back = (client, port), (port, client)
        line(a, a, b, there, "ACCEPT", 2 if not passes else 3, "egress", 5)
        line(b, a, b, there, "ACCEPT" if passes else "REJECT", 2 if not passes else 3, "ingress", 5)
        if passes:
            line(b, b, a, back, "ACCEPT", 19, "egress", 4)
            line(a, b, a, back, "ACCEPT", 19, "ingress", 4)
        expected[(a[3], b[3], f"tcp/{port}", "accepted" if passes else "rejected")] += 1
    rng.shuffle(lines)
    return lines, expected


def put_objects(moto, lines, start):
    s3 = boto3.client("s3", endpoint_url=moto.url, **KEYS)
    s3.create_bucket(Bucket="flow-logs", CreateBucketConfiguration={"LocationConstraint": REGION})
    share = len(lines) // 4 + 1
    for number in range(4):
        at = datetime.datetime.fromtimestamp(start + 300 * number, datetime.timezone.utc)
        key = (
            f"AWSLogs/123456789012/vpcflowlogs/{REGION}/{at:%Y/%m/%d}/"
            f"123456789012_vpcflowlogs_{REGION}_fl-0a1b_{at:%Y%m%dT%H%M}Z_{number:08x}.log.gz"
        )
        text = "\n".join([HEADER, *lines[number * share : (number + 1) * share]])
        s3.put_object(Bucket="flow-logs", Key=key, Body=gzip.compress(text.encode()))


def put_events(moto, ec2, lines):
    logs = boto3.client("logs", endpoint_url=moto.url, **KEYS)
    logs.create_log_group(logGroupName="/vpc/flows")
    by_interface = collections.defaultdict(list)
    for line in lines:
        fields = line.split()
        by_interface[fields[1]].append({"timestamp": int(fields[10]) * 1000, "message": line})
    for interface, events in by_interface.items():
        stream = f"{interface}-all"
        logs.create_log_stream(logGroupName="/vpc/flows", logStreamName=stream)
        events.sort(key=lambda event: event["timestamp"])
        logs.put_log_events(logGroupName="/vpc/flows", logStreamName=stream, logEvents=events)
    write_flow_logs(ec2, ec2.describe_vpcs()["Vpcs"][0]["VpcId"], "ALL")


def write_flow_logs(ec2, vpc, traffic):
    """A flow log of a VPC into the log group; gives its id."""
    return ec2.create_flow_logs(
        ResourceIds=[vpc],
        ResourceType="VPC",
        TrafficType=traffic,
        LogDestinationType="cloud-watch-logs",
        LogGroupName="/vpc/flows",
        DeliverLogsPermissionArn="arn:aws:iam::123456789012:role/flow-logs",
        LogFormat=FORMAT,
    )["FlowLogIds"]


class Bulkhead:
    def __init__(self, program, folder, url, sources):
        self.program, self.folder = program, folder
        kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        self.environment = kept | {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": url,
        }
        (folder / "policy").mkdir(parents=True)
        (folder / "policy" / "policy.yaml").write_text(POLICY)
        config = CONFIG.format(region=REGION, store="kept", sources=sources)
        (folder / "bulkhead.yaml").write_text(config)

    def run(self, *arguments):
        done = subprocess.run(
            [self.program, *arguments], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=PATIENT_S
        )
        check(done.returncode == 0, f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout, done.stderr

    def counted(self):
        by = ["--by", "source,destination,service,outcome", "--limit", "10000", "--format", "json", "--since", "30d"]
        answer = json.loads(self.run("flows", "query", *by)[0])
        found = collections.Counter()
        for row in answer["rows"]:
            found[(label(row["source"]), label(row["destination"]), row["service"]["service"], row["outcome"])] += row["connections"]
        return found


def label(end):
    labels = end.get("labels", {})
    return " ".join(f"{key}={labels[key]}" for key in ("role", "app", "env") if key in labels)


def one_verdict(moto, ec2, program, base, sources):
    """A flow log that writes one verdict says so (DescribeFlowLogs), and whoever asks is told; two of them write everything."""
    ec2.delete_flow_logs(FlowLogIds=[log["FlowLogId"] for log in ec2.describe_flow_logs()["FlowLogs"]])
    vpcs = [ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16")["Vpc"]["VpcId"] for number in (200, 201)]
    said = "a (only what was rejected)"
    for vpc, traffic, is_partial in zip(vpcs, ("REJECT", "ACCEPT"), (True, False)):
        write_flow_logs(ec2, vpc, traffic)
        bulkhead = Bulkhead(program, base / traffic, moto.url, sources)
        bulkhead.run("flows", "read")
        out, told = bulkhead.run("flows", "query", "--since", "30d")
        check((said in out + told) == is_partial, f"{traffic}: {out}\n{told}")
    print("a log of one verdict is told")
    return 2


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    rng = random.Random(5)
    checks = 0
    with Moto() as moto, tempfile.TemporaryDirectory() as base:
        ec2 = moto.empty()
        Estate(ec2)
        # Complete for whoever asks by time, and young enough for who reads back a day.
        start = int(time.time()) // 600 * 600 - 3 * 3600
        lines, expected = talk(ec2, rng, start)
        put_objects(moto, lines, start)
        put_events(moto, ec2, lines)
        ways = {
            "S3": '[{ name: a, cloud: aws, from: "s3://flow-logs" }]',
            "CloudWatch Logs": f"[{{ name: a, cloud: aws, log_group: /vpc/flows, region: {REGION} }}]",
        }
        for way, sources in ways.items():
            bulkhead = Bulkhead(program, pathlib.Path(base) / way.split()[0], moto.url, sources)
            bulkhead.run("flows", "read")
            found = bulkhead.counted()
            check(found == expected, f"{way}: missing {expected - found}, too many {found - expected}")
            _, told = bulkhead.run("flows", "read")
            check("records" not in told, f"{way}: a second read found something: {told}")
            check(bulkhead.counted() == expected, f"{way}: a second read counted twice")
            checks += 2 * len(expected)
            print(f"{way}: {sum(found.values())} connections of {len(found)} flows, as they were written")
        checks += one_verdict(moto, ec2, program, pathlib.Path(base), ways["CloudWatch Logs"])
    print(f"{checks} checks passed")


if __name__ == "__main__":
    main()
