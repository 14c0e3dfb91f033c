#!/usr/bin/env python3
"""The flow logs that the simulated clouds write, read by what nobody here wrote.

Each dump program (an example of its mock crate) writes the logs of a small world with a thousand conversations into a
folder, and beside them what was put on the wire and how far it came. AWS is read by flowlogs-reader from PyPI, through
a client that serves the folder as if it were S3; Azure and GCP by the json module, field by field. What each interface
must have seen follows here, from the fate of a conversation, by itself; packets and bytes must be the same.

    flow_logs_of_simulators.py                     builds and runs the dump programs with cargo
    flow_logs_of_simulators.py target/debug/examples    runs those that are built already

Needs `pip install flowlogs-reader==5.0.1`.
"""

import csv
import gzip
import io
import json
import re
import subprocess
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from datetime import datetime, timedelta, timezone
from pathlib import Path

warnings.filterwarnings("ignore", category=DeprecationWarning)

from flowlogs_reader import S3FlowLogsReader  # noqa: E402

SEEDS = (1, 2, 3)
BEGIN = datetime(2026, 11, 1)


def dump(cloud, folder, seed):
    """Lets a dump program write, and gives what was sent and what it says of interfaces."""
    name = f"flow_logs_{cloud}"
    if len(sys.argv) > 1:
        command = [str(Path(sys.argv[1]) / name)]
    else:
        command = ["cargo", "run", "--quiet", "--package", f"mock-{cloud}", "--example", name, "--"]
    subprocess.run([*command, str(folder), str(seed)], check=True)
    with (folder / "sent.tsv").open() as lines:
        sent = list(csv.DictReader(lines, delimiter="\t"))
    interfaces = dict(line.split("\t", 1) for line in (folder / "interfaces.tsv").read_text().splitlines())
    return sent, interfaces


def sights(row):
    """What each end sees of a conversation: side, whether it leaves, whether it is answers, whether it passes, counts."""
    sent = (int(row["sent_packets"]), int(row["sent_bytes"]))
    answers = (int(row["answer_packets"]), int(row["answer_bytes"]))
    table = {
        "StoppedLeaving": [("source", True, False, False)],
        "StoppedArriving": [("source", True, False, True), ("destination", False, False, False)],
        "AnswerStoppedLeaving": [
            ("source", True, False, True), ("destination", False, False, True), ("destination", True, True, False)],
        "AnswerStoppedArriving": [
            ("source", True, False, True), ("destination", False, False, True), ("destination", True, True, True),
            ("source", False, True, False)],
        "Delivered": [
            ("source", True, False, True), ("destination", False, False, True), ("destination", True, True, True),
            ("source", False, True, True)],
    }
    for side, leaves, is_answer, passes in table[row["fate"]]:
        counts = answers if is_answer else sent
        if row[side] != "-" and counts[0] > 0:
            yield side, leaves, is_answer, passes, counts


def ports(row):
    return (int(row["source_port"]), int(row["detail"])) if row["protocol"] in ("6", "17") else (0, 0)


def add(totals, key, counts):
    held = totals[key]
    totals[key] = (held[0] + counts[0], held[1] + counts[1])


def new_totals():
    return defaultdict(lambda: (0, 0))


def same(what, found, expected):
    for key in sorted(set(found) | set(expected), key=repr):
        if found.get(key) != expected.get(key):
            sys.exit(f"{what}: {key}: logged {found.get(key)}, sent {expected.get(key)}")
    print(f"{what}: {len(expected)} sums agree")


class Folder:
    """A client of S3 whose bucket is a folder: as much as flowlogs-reader asks for."""

    def __init__(self, root):
        self.keys = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}

    def list_objects_v2(self, Bucket, Prefix, Delimiter):
        found = {key[: key.index(Delimiter, len(Prefix)) + 1] for key in self.keys if key.startswith(Prefix)}
        return {"CommonPrefixes": [{"Prefix": prefix} for prefix in sorted(found)]}

    def get_paginator(self, _operation):
        return self

    def paginate(self, Bucket, Prefix):
        return [{"Contents": [{"Key": key} for key in sorted(self.keys) if key.startswith(Prefix)]}]

    def get_object(self, Bucket, Key):
        body = self.keys[Key].read_bytes()
        return {"Body": io.BytesIO(body), "ContentLength": len(body)}


def records(folder):
    reader = S3FlowLogsReader(
        "bucket", boto_client=Folder(folder), start_time=BEGIN, end_time=BEGIN + timedelta(days=2))
    return list(reader)


def check_aws(folder, seed):
    sent, interfaces = dump("aws", folder, seed)
    expected = new_totals()
    for row in sent:
        for side, leaves, is_answer, passes, counts in sights(row):
            pair, numbers = (row["source_address"], row["destination_address"]), ports(row)
            if is_answer:
                pair, numbers = pair[::-1], numbers[::-1]
            own = (row[side], "egress" if leaves else "ingress", "ACCEPT" if passes else "REJECT")
            add(expected, (*own, *pair, *numbers, int(row["protocol"])), counts)
    found, states = new_totals(), Counter()
    for one in records(folder / "full"):
        states[one.log_status] += 1
        assert one.version == 5 and one.account_id == "111122223333", one
        if one.log_status != "OK":
            continue
        own = (one.interface_id, one.flow_direction, one.action)
        key = (*own, one.pkt_srcaddr, one.pkt_dstaddr, one.srcport, one.dstport, one.protocol)
        add(found, key, (one.packets, one.bytes))
        shown = one.srcaddr if one.flow_direction == "egress" else one.dstaddr
        assert shown == interfaces[one.interface_id].split(",")[0], one
        assert one.end - one.start < timedelta(seconds=60), one
    same(f"aws, every field, seed {seed}", found, expected)
    # The default format knows no direction and only primary addresses.
    by_action, short = new_totals(), new_totals()
    for key, counts in expected.items():
        add(by_action, (key[0], key[2], key[-1]), counts)
    for one in records(folder / "default"):
        assert one.version == 2 and one.tcp_flags is None, one
        if one.log_status == "OK":
            add(short, (one.interface_id, one.action, one.protocol), (one.packets, one.bytes))
    same(f"aws, default format, seed {seed}", short, by_action)
    assert states["NODATA"] > 0, states
    names = [path.name for path in (folder / "full").rglob("*.gz")]
    assert len(names) > 10 and all(gzip_has_header(path) for path in (folder / "full").rglob("*.gz")), names
    return Counter(row["fate"] for row in sent)


def gzip_has_header(path):
    with gzip.open(path, "rt") as text:
        return text.readline().startswith("version account-id interface-id ")


NETWORK_TUPLE = re.compile(r"(\d{13}),([^,]+),([^,]+),(\d+),(\d+),(\d+),([IO]),([BCED]),(NX),(\d+),(\d+),(\d+),(\d+)")
GROUP_TUPLE = re.compile(r"(\d{10}),([^,]+),([^,]+),(\d+),(\d+),([TU]),([IO]),([AD]),([BCE]),(\d*),(\d*),(\d*),(\d*)")


def network_tuples(folder):
    for path in sorted((folder / "network").rglob("PT1H.json")):
        for record in json.loads(path.read_bytes())["records"]:
            assert list(record)[0] == "time" and record["flowLogVersion"] == 4, record
            assert record["category"] == record["operationName"] == "FlowLogFlowEvent", record
            assert record["flowLogResourceID"] == record["flowLogResourceID"].upper(), record
            assert record["targetResourceID"] != record["targetResourceID"].upper(), record
            in_hour(path, record["time"])
            for flow in record["flowRecords"]["flows"]:
                assert re.fullmatch(r"[0-9a-f-]{36}|unspecified", flow["aclID"]), flow
                for group in flow["flowGroups"]:
                    for text in group["flowTuples"]:
                        words = NETWORK_TUPLE.fullmatch(text)
                        assert words, text
                        yield record["macAddress"], group["rule"], words.groups()


def group_tuples(folder):
    letters = {"T": "6", "U": "17"}
    for path in sorted((folder / "group").rglob("PT1H.json")):
        for record in json.loads(path.read_bytes())["records"]:
            assert record["category"] == "NetworkSecurityGroupFlowEvent", record
            assert record["resourceId"] == record["resourceId"].upper(), record
            assert record["properties"]["Version"] == 2, record
            in_hour(path, record["time"])
            for rule in record["properties"]["flows"]:
                assert rule["rule"].split("_")[0] in ("UserRule", "DefaultRule"), rule
                for flow in rule["flows"]:
                    assert flow["mac"] == record["macAddress"], record
                    for text in flow["flowTuples"]:
                        words = GROUP_TUPLE.fullmatch(text)
                        assert words, text
                        time, src, dst, sport, dport, letter, way, verdict, state, *counts = words.groups()
                        assert (state == "B") == (counts == [""] * 4), text
                        state = "D" if verdict == "D" else state
                        counts = [count or "0" for count in counts]
                        yield record["macAddress"], rule["rule"], (
                            f"{time}000", src, dst, sport, dport, letters[letter], way, state, "NX", *counts)


def in_hour(path, time):
    at = datetime.fromisoformat(time.replace("Z", "+00:00")[:19] + "+00:00").astimezone(timezone.utc)
    assert f"/y={at.year}/m={at.month:02}/d={at.day:02}/h={at.hour:02}/m=00/macAddress=" in str(path), (path, time)


def check_azure(folder, seed):
    sent, interfaces = dump("azure", folder, seed)
    mac = {key: rest.split("\t")[0].replace("-", "") for key, rest in interfaces.items()}
    guarded = {key for key, rest in interfaces.items() if rest.split("\t")[1] == "guarded"}
    assert len(set(mac.values())) == len(interfaces) and all(re.fullmatch("[0-9A-F]{12}", one) for one in mac.values())
    for name, tuples, is_logged in (
        ("networks", network_tuples, lambda _key, _protocol: True),
        ("groups", group_tuples, lambda key, protocol: key in guarded and protocol in ("6", "17")),
    ):
        expected, denied = new_totals(), Counter()
        begun = Counter()
        for row in sent:
            numbers = ports(row)
            for side, leaves, is_answer, passes, counts in sights(row):
                if not is_logged(row[side], row["protocol"]):
                    continue
                flow = (row["source_address"], row["destination_address"], *map(str, numbers), row["protocol"])
                key = (mac[row[side]], "O" if side == "source" else "I", *flow)
                if passes:
                    add(expected, (*key, is_answer), counts)
                    begun[key] += not is_answer
                else:
                    denied[key] += 1
        found, no, yes, ends = new_totals(), Counter(), Counter(), Counter()
        for one, _rule, (_, src, dst, sport, dport, protocol, way, state, _, a, b, c, d) in tuples(folder):
            key = (one, way, src, dst, sport, dport, protocol)
            no[key] += state == "D"
            yes[key] += state == "B"
            ends[key] += state == "E"
            if state in "BD":
                assert (a, b, c, d) == ("0",) * 4
            for is_answer, counts in ((False, (int(a), int(b))), (True, (int(c), int(d)))):
                if counts != (0, 0):
                    add(found, (*key, is_answer), counts)
        same(f"azure, {name}, seed {seed}", found, expected)
        assert +no == +denied, "denied flows differ"
        assert +yes == +begun == +ends, "begun or ended flows differ"
    return Counter(row["fate"] for row in sent)


def entries(folder, log):
    for path in sorted((folder / "bucket" / "compute.googleapis.com" / log).rglob("*.json")):
        words = re.fullmatch(r"(\d\d):00:00_\1:59:59_[SA]\d+\.json", path.name)
        assert words, path
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            assert entry["timestamp"][11:13] == words[1], entry
            assert entry["logName"] == f"projects/demo-project/logs/compute.googleapis.com%2F{log}", entry
            assert entry["resource"]["type"] == "gce_subnetwork", entry
            assert set(entry["resource"]["labels"]) == {"project_id", "location", "subnetwork_id", "subnetwork_name"}
            assert entry["receiveTimestamp"] > entry["timestamp"], entry
            yield entry


def flow_of(connection):
    numbers = (connection.get("src_port"), connection.get("dest_port"))
    assert all(type(number) is (int if connection["protocol"] in (6, 17) else type(None)) for number in numbers)
    return (connection["src_ip"], connection["dest_ip"], numbers[0] or 0, numbers[1] or 0, connection["protocol"])


def check_gcp(folder, seed):
    sent, interfaces = dump("gcp", folder, seed)
    expected, decided = new_totals(), Counter()
    # The rules of the dump program that log, by direction, protocol and port.
    logged = {("in", "6", "5432"), ("in", "6", "3306"), ("in", "17", "53"), ("in", "6", "22"), ("out", "6", "6379")}
    for row in sent:
        numbers = ports(row)
        for side, leaves, is_answer, passes, counts in sights(row):
            pair, order = (row["source_address"], row["destination_address"]), numbers
            if is_answer:
                pair, order = pair[::-1], order[::-1]
            flow = (*pair, *order, int(row["protocol"]))
            if leaves or passes:
                add(expected, ("SRC" if leaves else "DEST", *flow), counts)
            way = "out" if leaves else "in"
            if not is_answer and (way, row["protocol"], row["detail"]) in logged:
                decided[("ALLOWED" if passes else "DENIED", way, *flow)] += 1
    found, ids, bare = new_totals(), set(), 0
    for entry in entries(folder, "vpc_flows"):
        payload = entry["jsonPayload"]
        assert isinstance(payload["bytes_sent"], str) and isinstance(payload["packets_sent"], str), payload
        assert payload["start_time"] <= payload["end_time"] or "." in payload["end_time"] + payload["start_time"]
        details = {"src_instance", "dest_instance", "src_vpc", "dest_vpc"} & set(payload)
        is_bare = entry["resource"]["labels"]["subnetwork_name"] == "bare"
        assert bool(details) != is_bare, payload
        bare += is_bare
        add(found, (payload["reporter"], *flow_of(payload["connection"])),
            (int(payload["packets_sent"]), int(payload["bytes_sent"])))
        assert entry["insertId"] not in ids, entry
        ids.add(entry["insertId"])
    same(f"gcp, flows, seed {seed}", found, expected)
    assert bare > 100
    verdicts = Counter()
    for entry in entries(folder, "firewall"):
        payload = entry["jsonPayload"]
        details = payload["rule_details"]
        assert re.fullmatch(r"network:v/firewall:[a-z-]+", details["reference"]), details
        way = {"INGRESS": "in", "EGRESS": "out"}[details["direction"]]
        assert (payload["disposition"] == "DENIED") == (details["action"] == "DENY"), payload
        verdicts[(payload["disposition"], way, *flow_of(payload["connection"]))] += 1
    same(f"gcp, verdicts, seed {seed}", verdicts, decided)
    return Counter(row["fate"] for row in sent)


def main():
    for cloud, check in (("aws", check_aws), ("azure", check_azure), ("gcp", check_gcp)):
        fates = Counter()
        for seed in SEEDS:
            with tempfile.TemporaryDirectory() as folder:
                fates += check(Path(folder), seed)
        print(f"{cloud}: {dict(sorted(fates.items()))}")
        assert fates["Delivered"] > 100 and fates["StoppedArriving"] > 100, fates
    print("what was logged is what was sent")


if __name__ == "__main__":
    main()
