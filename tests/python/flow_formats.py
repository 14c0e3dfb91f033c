#!/usr/bin/env python3
"""Readers of flow logs against readers that others wrote, record by record.

AWS text and Parquet: flowlogs-reader, which shares nothing with Bulkhead, on the samples of its own source
distribution and on generated logs; Parquet also as pyarrow and DuckDB write and read it. Azure and Google Cloud: a second
reader, below, written from the vendors' documentation and not from the code. Generated logs print what they cover.

Usage: flow_formats.py PATH-OF-RECORDS [--count N] [--only aws-text|aws-parquet|azure|gcp]

PATH-OF-RECORDS is the program that `cargo build --release -p flow --example records` makes.
"""

import argparse
import ast
import collections
import datetime
import gzip
import ipaddress
import itertools
import json
import pathlib
import random
import subprocess
import sys
import tarfile
import tempfile

import duckdb
import pyarrow
import pyarrow.parquet
from flowlogs_reader import FlowRecord, S3FlowLogsReader

SAMPLES = "flowlogs-reader==5.0.1"
SEED = 5
# flowlogs-reader reads some thousand records of Parquet a second.
SLOW_COUNT = 20_000
BASE = 1_790_000_000


# ---- what both sides say, as lines ----


def record(cloud, interface, network, start, end, source, destination, ports, protocol, **rest):
    """A line as `examples/records.rs` prints it."""
    counts = (rest.get("forward") or (0, 0)) + (rest.get("backward") or (0, 0))
    fields = [
        "record", cloud, interface or "-", network or "-", start, end,
        ipaddress.ip_address(source), ipaddress.ip_address(destination), *ports, protocol,
        rest.get("direction") or "-", rest.get("opener") or "-", rest.get("flags") or 0,
        rest.get("outcome") or "-", rest.get("connections", 1), *counts,
    ]  # fmt: skip
    return " ".join(str(field) for field in fields)


def ours(program, format_name, path):
    """The lines that Bulkhead's reader finds in a file."""
    done = subprocess.run([program, format_name, path], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def agree(name, ours_lines, theirs_lines):
    """Stops at the first line that differs."""
    for number, (left, right) in enumerate(itertools.zip_longest(ours_lines, theirs_lines)):
        if left != right:
            sys.exit(f"{name}: record {number} differs\n  ours:   {left}\n  theirs: {right}")
    if not ours_lines:
        sys.exit(f"{name}: nothing was read")
    print(f"{name}: {len(ours_lines)} records agree")


def cover(name, counter, wanted):
    """Prints what a generated log has, and insists that it has everything."""
    print(f"  {name} has " + ", ".join(f"{key} {counter[key]}" for key in wanted))
    missing = [key for key in wanted if not counter[key]]
    if missing:
        sys.exit(f"{name}: nothing generated has {missing}")


# ---- AWS, read by flowlogs-reader ----


def seconds(time):
    """Unix seconds of a time without a zone."""
    return None if time is None else int(time.replace(tzinfo=datetime.timezone.utc).timestamp())


def begun(seen, outcome):
    """Connections that a record stands for: none where flags are known and no SYN is among them, for it goes on with an earlier record's."""
    goes_on = seen.protocol == 6 and seen.tcp_flags is not None and not seen.tcp_flags & 2
    return 0 if goes_on and outcome != "rejected" else 1


def aws_line(seen):
    """What flowlogs-reader read, as a line."""
    start, end = seconds(seen.start), seconds(seen.end)
    if seen.log_status in ("NODATA", "SKIPDATA"):
        kind = "no-data" if seen.log_status == "NODATA" else "skipped"
        return f"gap aws {seen.interface_id or '-'} {seen.vpc_id or '-'} {start} {end} {kind}"
    outcome = {"ACCEPT": "accepted", "REJECT": "rejected"}.get(seen.action)
    return record(
        "aws", seen.interface_id, seen.vpc_id, start, end,
        seen.pkt_srcaddr or seen.srcaddr, seen.pkt_dstaddr or seen.dstaddr,
        (seen.srcport or 0, seen.dstport or 0), seen.protocol,
        direction=seen.flow_direction, flags=seen.tcp_flags, outcome=outcome, connections=begun(seen, outcome),
        forward=(seen.packets or 0, seen.bytes or 0),
    )  # fmt: skip


class Bucket:
    """Enough of a client for S3FlowLogsReader to open local files."""

    @staticmethod
    def get_object(Bucket, Key):  # noqa: N803 (the names are boto3's)
        return {"Body": open(Key, "rb"), "ContentLength": pathlib.Path(Key).stat().st_size}


def flowlogs_reader(path):
    """The lines that flowlogs-reader finds in a file."""
    reader = S3FlowLogsReader("bucket", boto_client=Bucket())
    return [aws_line(FlowRecord(data)) for data in reader._read_file(str(path))]


def samples(folder):
    """The constants of flowlogs-reader's own tests, out of its source distribution."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*pip, "--dest", folder, SAMPLES], check=True)
    (archive,) = pathlib.Path(folder).glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        (name,) = [name for name in tar.getnames() if name.endswith("tests/test_flowlogs_reader.py")]
        module = ast.parse(tar.extractfile(name).read())
        parquet = [tar.extractfile(name).read() for name in tar.getnames() if name.endswith(".parquet")]
    constants = {}
    for node in module.body:
        if isinstance(node, ast.Assign) and node.targets[0].id.startswith("V"):
            constants[node.targets[0].id] = ast.literal_eval(node.value)
    return constants, parquet


AWS_TYPES = {
    "version": "int32", "srcport": "int32", "dstport": "int32", "protocol": "int32", "tcp_flags": "int32",
    "traffic_path": "int32", "packets": "int64", "bytes": "int64", "start": "int64", "end": "int64",
}  # fmt: skip

AWS_FIELDS = (
    "version account_id interface_id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
    "log_status vpc_id subnet_id instance_id tcp_flags type pkt_srcaddr pkt_dstaddr region az_id sublocation_type "
    "sublocation_id pkt_src_aws_service pkt_dst_aws_service flow_direction traffic_path"
).split()


def aws_rows(count):
    """Rows of a version 5 log, absent values as None."""
    draw = random.Random(SEED)
    seen = collections.Counter()
    addresses = [f"10.{draw.randrange(4)}.{draw.randrange(256)}.{draw.randrange(256)}" for _ in range(5000)]
    addresses += [str(ipaddress.ip_address((0x2001_0DB8 << 96) + draw.getrandbits(64))) for _ in range(500)]
    for _ in range(count):
        row = dict.fromkeys(AWS_FIELDS)
        start = BASE + draw.randrange(86_400)
        row.update(version=5, account_id="111122223333", interface_id=f"eni-{draw.randrange(2000):017x}")
        row.update(vpc_id=f"vpc-{draw.randrange(5):x}", start=start, end=start + draw.randrange(600))
        status = draw.choices(["OK", "NODATA", "SKIPDATA"], [97, 2, 1])[0]
        row["log_status"] = status
        seen[status] += 1
        if status == "OK":
            protocol = draw.choices([6, 17, 1, 58, 50], [70, 20, 5, 3, 2])[0]
            ports = protocol in (6, 17)
            service = draw.choice([22, 53, 80, 443, 5432, 8080])
            reply = draw.random() < 0.5
            client = draw.randrange(1024, 65_536)
            row.update(
                srcaddr=draw.choice(addresses), dstaddr=draw.choice(addresses), protocol=protocol,
                srcport=(service if reply else client) if ports else 0,
                dstport=(client if reply else service) if ports else 0,
                packets=draw.randrange(1, 1 << draw.randrange(1, 40)),
                bytes=draw.randrange(40, 1 << draw.randrange(7, 62)),
                action=draw.choices(["ACCEPT", "REJECT"], [9, 1])[0],
                tcp_flags=draw.choice([0, 2, 18, 3, 19]) if protocol == 6 else draw.choice([0, None]),
                flow_direction=draw.choice(["ingress", "egress", None]),
            )  # fmt: skip
            if draw.random() < 0.8:
                row.update(pkt_srcaddr=draw.choice(addresses), pkt_dstaddr=draw.choice(addresses))
            seen["v6" if ":" in row["srcaddr"] else "v4"] += 1
            seen["packet addresses" if row["pkt_srcaddr"] else "interface addresses"] += 1
            seen["ports" if ports else "no ports"] += 1
            seen[row["action"]] += 1
            seen["flags" if row["tcp_flags"] else "no flags"] += 1
        yield row
    wanted = "OK NODATA SKIPDATA v4 v6 ports ACCEPT REJECT flags".split()
    cover("aws", seen, [*wanted, "no ports", "no flags", "packet addresses", "interface addresses"])


def aws_text(program, folder, count):
    constants, _ = samples(folder)
    path = folder / "sample.log.gz"

    def compare(name, format_name, text):
        (folder / "sample.log").write_text(text)
        with gzip.open(path, "wt") as packed:
            packed.write(text)
        lines = [line for line in ours(program, format_name, folder / "sample.log") if line[:5] != "fault"]
        agree(name, lines, flowlogs_reader(path))

    header = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end"
    v2 = "\n".join([f"{header} action log-status", *constants["V2_RECORDS"], ""])
    compare("aws-text, V2_RECORDS of flowlogs-reader", "aws-text", v2)
    for name in ("V3_FILE", "V4_FILE"):
        compare(f"aws-text, {name} of flowlogs-reader", "aws-text", constants[name])
    # Its last line is `bogus line`: a fault here, a skipped record there.
    v5 = constants["V5_FILE"]
    assert v5.endswith("\nbogus line\n")
    (folder / "bogus.log").write_text(v5)
    faults = [line for line in ours(program, "aws-text", folder / "bogus.log") if line.startswith("fault")]
    assert len(faults) == 1 and faults[0].split()[1] == str(v5.index("bogus")), faults
    compare("aws-text, V5_FILE of flowlogs-reader", "aws-text", v5.removesuffix("bogus line\n"))

    names = [field.replace("_", "-") for field in AWS_FIELDS]
    big, packed = folder / "big.log", folder / "big.log.gz"
    with open(big, "w") as plain, gzip.open(packed, "wt", compresslevel=1) as out:
        for line in itertools.chain([names], (row.values() for row in aws_rows(count))):
            text = " ".join("-" if value is None else str(value) for value in line) + "\n"
            plain.write(text)
            out.write(text)
    agree("aws-text, generated", ours(program, "aws-text", big), flowlogs_reader(packed))
    # The same lines without a header, as CloudWatch has them.
    lines = folder / "lines.log"
    lines.write_text("".join(big.read_text().splitlines(keepends=True)[1:]))
    log_format = " ".join(f"${{{name}}}" for name in names)
    agree("aws-lines, generated", ours(program, log_format, lines), ours(program, "aws-text", big))


def aws_table(count):
    columns = {field: [] for field in AWS_FIELDS}
    for row in aws_rows(count):
        for field, value in row.items():
            columns[field].append(value)
    schema = pyarrow.schema([(field, AWS_TYPES.get(field, "string")) for field in AWS_FIELDS])
    return pyarrow.table(columns, schema=schema)


def pyarrow_lines(path):
    """The lines of a file as pyarrow reads it."""
    table = pyarrow.parquet.read_table(path)
    lines = []
    for batch in table.to_batches(10_000):
        for row in batch.to_pylist():
            data = {key: value for key, value in row.items() if value is not None}
            lines.append(aws_line(FlowRecord(data)))
    return lines


def aws_parquet(program, folder, count):
    _, files = samples(folder)
    if not files:
        print("  flowlogs-reader's source distribution has no Parquet file")
    small = aws_table(SLOW_COUNT)
    sample = folder / "small.parquet"
    for number, sample_bytes in enumerate(files):
        sample.write_bytes(sample_bytes)
        agree(f"aws-parquet, sample {number}", ours(program, "aws-parquet", sample), flowlogs_reader(sample))
    pyarrow.parquet.write_table(small, sample, compression="gzip", row_group_size=7000, version="1.0")
    agree("aws-parquet by pyarrow, flowlogs-reader", ours(program, "aws-parquet", sample), flowlogs_reader(sample))
    ways = [
        dict(compression="gzip", data_page_version="2.0"),
        dict(compression="snappy", row_group_size=7000, version="1.0"),
        dict(compression="zstd", use_dictionary=False),
        dict(compression="none", row_group_size=1000, data_page_size=500),
        dict(compression="snappy", use_dictionary=False, column_encoding=dict.fromkeys(AWS_TYPES, "DELTA_BINARY_PACKED")
             | dict.fromkeys(set(AWS_FIELDS) - set(AWS_TYPES), "DELTA_BYTE_ARRAY")),
    ]  # fmt: skip
    expected = pyarrow_lines(sample)
    for number, way in enumerate(ways):
        pyarrow.parquet.write_table(small, sample, **way)
        agree(f"aws-parquet by pyarrow, way {number}", ours(program, "aws-parquet", sample), expected)
    for options in ("codec snappy", "codec zstd, row_group_size 5000", "codec gzip", "parquet_version v2"):
        duckdb.sql(f"copy small to '{sample}' (format parquet, {options})")
        agree(f"aws-parquet by duckdb, {options}", ours(program, "aws-parquet", sample), expected)
    path = folder / "big.parquet"
    pyarrow.parquet.write_table(aws_table(count), path, compression="snappy")
    agree("aws-parquet, generated", ours(program, "aws-parquet", path), pyarrow_lines(path))


# ---- Azure: a second reader, from the documentation ----


def azure_reader(path):
    lines = []
    for element in json.loads(path.read_text(encoding="utf-8-sig"))["records"]:
        if "flowRecords" in element:
            target = element["targetResourceID"]
            parts = target.split("/")
            lower = [part.lower() for part in parts]
            network = "/".join(parts[: lower.index("virtualnetworks") + 2]) if "virtualnetworks" in lower else None
            for acl in element["flowRecords"]["flows"]:
                for group in acl["flowGroups"]:
                    for tuple_ in group["flowTuples"]:
                        lines.append(azure_tuple(tuple_, element["macAddress"], network, 4))
        else:
            version = element["properties"]["Version"]
            for rule in element["properties"]["flows"]:
                for flow in rule["flows"]:
                    for tuple_ in flow["flowTuples"]:
                        lines.append(azure_tuple(tuple_, flow["mac"], element["resourceId"], version))
    return lines


def azure_tuple(text, mac, network, version):
    fields = text.split(",")
    time = int(fields[0])
    time = time // 1000 if time > 10**11 else time
    protocol = {"T": 6, "U": 17}.get(fields[5]) or int(fields[5])
    if version == 4:
        denied, state, counts = fields[7] == "D", fields[7], fields[9:13]
    else:
        denied, state, counts = fields[7] == "D", fields[8] if version == 2 else "B", fields[9:13]
    counts = [int(count or 0) for count in counts] or [0, 0, 0, 0]
    return record(
        "azure", mac, network, time, time, fields[1], fields[2], (int(fields[3] or 0), int(fields[4] or 0)), protocol,
        direction={"I": "ingress", "O": "egress"}[fields[6]], opener="source",
        outcome="rejected" if denied else "accepted", connections=0 if state in "CE" else 1,
        forward=tuple(counts[:2]), backward=tuple(counts[2:]),
    )  # fmt: skip


def azure_document(draw, tuples, seen):
    elements = []
    while tuples > 0:
        size = min(tuples, draw.randrange(1, 200))
        tuples -= size
        version = draw.choice([1, 2, 4, 4, 4])
        mac = f"{draw.randrange(1 << 48):012X}"
        texts = [azure_text(draw, version, seen) for _ in range(size)]
        seen[f"version {version}"] += size
        base = f"/subscriptions/s{draw.randrange(3)}/resourceGroups/rg/providers/Microsoft.Network"
        if version == 4:
            scope = draw.choice(["/virtualNetworks/v1", "/virtualNetworks/v2/subnets/s", "/networkInterfaces/n"])
            target = draw.choice([base + scope, (base + scope).upper()])
            seen[scope.split("/")[-2]] += size
            groups = [{"rule": "r", "flowTuples": texts[::2]}, {"rule": "s", "flowTuples": texts[1::2]}]
            element = {"time": "t", "flowLogVersion": 4, "macAddress": mac, "category": "FlowLogFlowEvent"}
            element |= {"targetResourceID": target, "flowRecords": {"flows": [{"aclID": "a", "flowGroups": groups}]}}
        else:
            flows = [{"rule": "r", "flows": [{"mac": mac, "flowTuples": texts}]}]
            element = {"time": "t", "macAddress": "0", "resourceId": f"{base}/networkSecurityGroups/g".upper()}
            element |= {"properties": {"Version": version, "flows": flows}}
        elements.append(element)
    return {"records": elements}


def azure_text(draw, version, seen):
    time = BASE + draw.randrange(3600)
    if version == 4 and draw.random() < 0.8:
        time = time * 1000 + draw.randrange(1000)
        seen["milliseconds"] += 1
    else:
        seen["seconds"] += 1
    v6 = draw.random() < 0.1
    ends = [azure_address(draw, v6), azure_address(draw, v6)]
    seen["v6" if v6 else "v4"] += 1
    number = draw.choice([6, 6, 6, 17, 1]) if version == 4 else draw.choice([6, 17])
    protocol = str(number) if version == 4 else {6: "T", 17: "U"}[number]
    ports = [str(draw.randrange(65_536)) for _ in range(2)] if number != 1 else ["0", "0"]
    state = draw.choice("BCED")
    seen[f"state {state}"] += 1
    counts = [str(draw.randrange(1 << draw.randrange(1, 50))) for _ in range(4)]
    if state in "BD":
        counts = draw.choice([["", "", "", ""], ["0", "0", "0", "0"]])
        seen["empty counters" if not counts[0] else "zero counters"] += 1
    fields = [str(time), *ends, *ports, protocol, draw.choice("IO")]
    if version == 4:
        fields += [state, draw.choice(["X", "NX", "NX_LOCAL_DST"]), *counts]
    else:
        fields += ["D" if state == "D" else "A"]
        fields += [state.replace("D", "B"), *counts] if version == 2 else []
    return ",".join(fields)


def azure_address(draw, v6):
    if not v6:
        return str(ipaddress.ip_address(draw.getrandbits(32)))
    address = ipaddress.ip_address((0x2001_0DB8 << 96) + draw.getrandbits(draw.choice([8, 64])))
    return draw.choice([str(address), address.exploded, address.exploded.upper()])


def azure(program, folder, count):
    draw, seen = random.Random(SEED), collections.Counter()
    path = folder / "PT1H.json"
    for name, style in (("", dict(separators=(",", ":"))), (", spread out", dict(indent=4))):
        document = azure_document(draw, count // 2, seen)
        path.write_text(json.dumps(document, **style))
        agree(f"azure, generated{name}", ours(program, "azure-json", path), azure_reader(path))
    kinds = [f"version {number}" for number in (1, 2, 4)] + [f"state {state}" for state in "BCED"]
    kinds += ["milliseconds", "seconds", "v4", "v6", "empty counters", "zero counters"]
    cover("azure", seen, [*kinds, "virtualNetworks", "subnets", "networkInterfaces"])


# ---- Google Cloud: a second reader, from the documentation ----


def gcp_reader(path):
    lines = []
    for text in path.read_text().splitlines():
        entry = json.loads(text)
        log = entry["logName"].rsplit("/", 1)[1]
        if log not in ("compute.googleapis.com%2Fvpc_flows", "compute.googleapis.com%2Ffirewall"):
            continue
        payload = entry["jsonPayload"]
        connection = payload["connection"]
        ends = connection["src_ip"], connection["dest_ip"]
        ports = int(connection.get("src_port", 0)), int(connection.get("dest_port", 0))
        if log.endswith("firewall"):
            direction = payload["rule_details"]["direction"].lower()
            instance, vpc = payload.get("instance"), payload.get("vpc")
            times = [gcp_time(entry["timestamp"])] * 2
            rest = dict(opener="source", outcome={"ALLOWED": "accepted", "DENIED": "rejected"}[payload["disposition"]])
        else:
            side = {"SRC": "src", "DEST": "dest"}[payload["reporter"]]
            direction = {"src": "egress", "dest": "ingress"}[side]
            instance, vpc = payload.get(f"{side}_instance"), payload.get(f"{side}_vpc")
            times = [gcp_time(payload["start_time"]), gcp_time(payload["end_time"])]
            rest = dict(forward=(int(payload.get("packets_sent", 0)), int(payload.get("bytes_sent", 0))))
        name = instance and "projects/{project_id}/zones/{zone}/instances/{vm_name}".format(**instance)
        network = vpc and "projects/{project_id}/global/networks/{vpc_name}".format(**vpc)
        protocol = int(connection["protocol"])
        lines.append(record("gcp", name, network, *times, *ends, ports, protocol, direction=direction, **rest))
    return lines


def gcp_time(text):
    """The second in which a time lies."""
    return int(datetime.datetime.fromisoformat(text).timestamp() // 1)


def gcp_entry(draw, seen):
    def stamp():
        zone = draw.choice([datetime.timezone.utc, datetime.timezone(datetime.timedelta(minutes=draw.randrange(-700, 700)))])
        time = datetime.datetime.fromtimestamp(draw.randrange(0, 4_000_000_000) + draw.random(), zone)
        seen["offset" if zone.utcoffset(None) else "utc"] += 1
        text = time.isoformat(timespec=draw.choice(["seconds", "milliseconds", "microseconds"]))
        return text.replace("+00:00", draw.choice(["Z", "+00:00"]))

    def number(value):
        """Both ways to write a number."""
        return draw.choice([value, str(value)])

    v6 = draw.random() < 0.1
    protocol = draw.choice([6, 6, 6, 17, 1, 58])
    connection = {"src_ip": azure_address(draw, v6), "dest_ip": azure_address(draw, v6), "protocol": number(protocol)}
    seen["v6" if v6 else "v4"] += 1
    if protocol in (6, 17):
        connection |= {"src_port": number(draw.randrange(65_536)), "dest_port": draw.randrange(65_536)}
    seen["ports" if protocol in (6, 17) else "no ports"] += 1

    def place(side):
        instance = {"project_id": f"p{draw.randrange(3)}", "region": "r", "zone": f"z{draw.randrange(3)}"}
        instance["vm_name"] = f"vm-{draw.randrange(100)}"
        vpc = {"project_id": "host", "vpc_name": f"n{draw.randrange(3)}", "subnetwork_name": "s"}
        return {f"{side}instance": instance, f"{side}vpc": vpc}

    kind = draw.choices(["vpc_flows", "firewall", "other"], [8, 3, 1])[0]
    seen[kind] += 1
    payload = {"connection": connection}
    if kind == "firewall":
        payload["disposition"] = draw.choice(["ALLOWED", "DENIED"])
        payload["rule_details"] = {"direction": draw.choice(["INGRESS", "EGRESS"]), "reference": "network:n/firewall:f"}
        payload |= place("") | place("remote_")
        seen[payload["disposition"]] += 1
    else:
        payload |= {"reporter": draw.choice(["SRC", "DEST"]), "start_time": stamp(), "end_time": stamp()}
        payload |= {"bytes_sent": str(draw.randrange(1 << 60)), "packets_sent": str(draw.randrange(1 << 40))}
        seen[payload["reporter"]] += 1
        if draw.random() < 0.7:
            payload |= place("src_") | place("dest_")
        seen["metadata" if "src_vpc" in payload else "no metadata"] += 1
    if kind == "other":
        payload["connection"] = "something else"
    service = "something" if kind == "other" else "compute.googleapis.com"
    return {
        "insertId": f"{draw.getrandbits(64):x}", "logName": f"projects/p/logs/{service}%2F{kind}", "timestamp": stamp(),
        "resource": {"type": "gce_subnetwork", "labels": {"project_id": "p"}}, "jsonPayload": payload,
    }  # fmt: skip


def gcp(program, folder, count):
    draw, seen = random.Random(SEED), collections.Counter()
    path = folder / "entries.json"
    with open(path, "w") as out:
        for _ in range(count):
            out.write(json.dumps(gcp_entry(draw, seen), ensure_ascii=draw.random() < 0.5) + "\n")
    agree("gcp, generated", ours(program, "gcp-json-lines", path), gcp_reader(path))
    kinds = "vpc_flows firewall other ALLOWED DENIED SRC DEST metadata ports v4 v6 utc offset".split()
    cover("gcp", seen, [*kinds, "no metadata", "no ports"])


def main():
    formats = {"aws-text": aws_text, "aws-parquet": aws_parquet, "azure": azure, "gcp": gcp}
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("records")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--only", choices=formats, action="append")
    options = parser.parse_args()
    for name in options.only or formats:
        with tempfile.TemporaryDirectory() as folder:
            formats[name](options.records, pathlib.Path(folder), options.count)


if __name__ == "__main__":
    main()
