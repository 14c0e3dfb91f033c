#!/usr/bin/env python3
"""How fast the readers of Parquet and JSON are, side by side with what a user would pick, in one run.

Makes the files from a seed, runs `benches/formats.rs`, DuckDB (both threads that it takes by itself), and a Python reader
with orjson, one after the other, and checks that all come to the same result. Prints a Markdown table.

Usage: formats.py PATH-OF-BENCHMARK [parquet|azure|gcp]…

PATH-OF-BENCHMARK is what `cargo bench -p flow --bench formats --no-run` names. Needs duckdb, pyarrow, numpy and orjson.
"""

import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import duckdb
import orjson

ROUNDS = int(os.environ.get("BULKHEAD_BENCH_ROUNDS", "5"))
RECORDS = 2_000_000
TUPLES = 1_000_000
ENTRIES = 300_000


def best(function):
    """The best times of some rounds, by the wall and of the processor, and the result."""
    wall, processor = [], []
    for _ in range(ROUNDS):
        begin, begin_processor = time.perf_counter(), time.process_time()
        result = function()
        wall.append(time.perf_counter() - begin)
        processor.append(time.process_time() - begin_processor)
    return (min(wall), min(processor)), result


def rust(program, what, *files):
    out = subprocess.run([program, what, *files], check=True, capture_output=True, text=True).stdout
    wall, processor, result = out.strip().split(" ", 2)
    return (float(wall), float(processor)), result


def row(what, seconds, size, count, base):
    wall, cpu = seconds
    rate = f"{count / cpu / 1e6:.2f} M/s | {size / cpu / 1e6:,.0f} MB/s"
    print(f"| {what} | {wall:.3f} s | {cpu:.3f} s | {rate} | {base[0] / wall:.2f} | {base[1] / cpu:.2f} |", flush=True)


def head(title):
    print(f"\n{title}, load {os.getloadavg()[0]:.1f}\n")
    print("| reader | wall | processor | records | bytes | × the first, wall | × the first, processor |")
    print("|---|---:|---:|---:|---:|---:|---:|")


# ---- Parquet: two joins and a group by ----


def parquet(program, folder):
    labels = folder / "labels.txt"
    connection = duckdb.connect()
    # 100,000 addresses of 2,000 labels; 2,000,000 records among them, some to nobody known, as text in 5 row groups.
    connection.execute(f"""
        select setseed(0.5);
        create table labels as select format('10.{{}}.{{}}.{{}}', i // 65536, i // 256 % 256, i % 256) as address,
            (i * 7919 % 2000)::integer as label from range(100000) t(i);
        create table flows as select 2::integer as version, '111122223333' as account_id,
            format('eni-{{:017x}}', hash(i) % 2000) as interface_id, s.address as srcaddr, d.address as dstaddr,
            (1024 + hash(i, 1) % 60000)::integer as srcport, ([22, 53, 80, 443, 5432, 8080])[(1 + hash(i, 2) % 6)::bigint] as dstport,
            6::integer as protocol, (hash(i, 3) % 1000)::bigint as packets, (hash(i, 4) % 1000000)::bigint as bytes,
            (1790000000 + i // 100)::bigint as start, (1790000060 + i // 100)::bigint as "end",
            case when hash(i, 5) % 20 = 0 then 'REJECT' else 'ACCEPT' end as action, 'OK' as log_status
            from range({RECORDS}) t(i)
            join (select row_number() over () - 1 as n, address from labels) s on s.n = (hash(i, 6) % 10000 * 10)::bigint
            join (select row_number() over () - 1 as n, address from labels) d on d.n = (hash(i, 7) % 30 + (hash(i, 6) % 3000) * 33)::bigint;
    """)
    with open(labels, "w") as out:
        out.writelines(f"{address} {label}\n" for address, label in connection.sql("from labels").fetchall())
    writers = {}
    import pyarrow.parquet

    table = connection.sql("from flows").to_arrow_table()
    for name, options in (("pyarrow", {"row_group_size": 250_000}), ("pyarrow, no dictionaries", {"use_dictionary": False})):
        writers[name] = folder / f"{len(writers)}.parquet"
        pyarrow.parquet.write_table(table, writers[name], **options)
    writers["duckdb"] = folder / "duckdb.parquet"
    connection.execute(f"copy flows to '{writers['duckdb']}' (format parquet)")
    for name, path in writers.items():
        size = path.stat().st_size
        head(f"Parquet by {name}, {RECORDS:,} records in {size / 1e6:.0f} MB: parse, two joins, group by")
        query = f"""select count(*), sum(b), sum(c) from (
            select s.label, d.label, dstport, protocol, action, sum(bytes) b, count(*) c
            from read_parquet('{path}') f join labels s on f.srcaddr = s.address join labels d on f.dstaddr = d.address
            where log_status = 'OK' group by all)"""
        base, expected = best(lambda query=query: connection.execute(query).fetchone())
        expected = " ".join(str(int(value)) for value in expected)
        row("DuckDB, all threads", base, size, RECORDS, base)
        connection.execute("set threads = 1")
        single, _ = best(lambda query=query: connection.execute(query).fetchone())
        connection.execute("reset threads")
        row("DuckDB, one thread", single, size, RECORDS, base)
        for what, title in (("parquet", "ours, one thread"), ("parquet-2", "ours, two threads")):
            seconds, result = rust(program, what, path, labels)
            assert result == expected, (result, expected)
            row(title, seconds, size, RECORDS, base)
        seconds, _ = rust(program, "parquet-parse", path)
        row("ours, parse alone", seconds, size, RECORDS, base)
        print(f"\n{expected.split()[0]} groups, the same in all.")


# ---- JSON ----


def azure(program, folder):
    draw = random.Random(7)
    path = folder / "PT1H.json"
    elements, left = [], TUPLES
    while left:
        size = min(left, 500)
        left -= size
        tuples = []
        for _ in range(size):
            state = draw.choice("BCED")
            counts = "0,0,0,0" if state in "BD" else ",".join(str(draw.randrange(100_000)) for _ in range(4))
            ends = f"10.{draw.randrange(4)}.{draw.randrange(256)}.{draw.randrange(256)},10.1.0.{draw.randrange(256)}"
            ports = f"{draw.randrange(1024, 65_536)},{draw.choice([22, 443, 5432])}"
            stamp = 1_793_613_600_000 + draw.randrange(3_600_000)
            tuples.append(f"{stamp},{ends},{ports},6,{draw.choice('IO')},{state},NX,{counts}")
        flows = [{"aclID": "a", "flowGroups": [{"rule": "r", "flowTuples": tuples}]}]
        element = {"time": "2026-11-02T10:01:00.52Z", "flowLogVersion": 4, "macAddress": f"{draw.randrange(1 << 48):012X}"}
        target = "/subscriptions/s1/resourceGroups/rg1/providers/Microsoft.Network/virtualNetworks/vnet1"
        elements.append(element | {"targetResourceID": target, "flowRecords": {"flows": flows}})
    path.write_text(json.dumps({"records": elements}, separators=(",", ":")))
    compare("Azure", program, path, TUPLES, azure_python)


def azure_python(data):
    records = connections = total = times = rejected = 0
    for element in orjson.loads(data)["records"]:
        for acl in element["flowRecords"]["flows"]:
            for group in acl["flowGroups"]:
                for text in group["flowTuples"]:
                    f = text.split(",")
                    state = f[7]
                    records += 1
                    connections += state not in "CE"
                    rejected += state == "D"
                    int(f[3]), int(f[4]), int(f[5]), int(f[9]), int(f[11])
                    times += 2 * (int(f[0]) // 1000)
                    total += int(f[10]) + int(f[12])
    return f"{records} {connections} {total} {times} {rejected}"


def gcp(program, folder):
    draw = random.Random(7)
    path = folder / "entries.json"
    with open(path, "w") as out:
        for _ in range(ENTRIES):
            out.write(json.dumps(gcp_entry(draw), separators=(",", ":")) + "\n")
    compare("Google Cloud", program, path, ENTRIES, gcp_python)


def gcp_entry(draw):
    second = draw.randrange(59)

    def place():
        zone = f"europe-west1-{draw.choice('bcd')}"
        return {"project_id": "p1", "region": "europe-west1", "zone": zone, "vm_name": f"vm-{draw.randrange(1000)}"}

    vpc = {"project_id": "p1", "vpc_name": "prod", "subnetwork_name": "app"}
    connection = {
        "src_ip": f"10.3.{draw.randrange(256)}.{draw.randrange(256)}", "src_port": draw.randrange(1024, 65_536),
        "dest_ip": f"10.3.1.{draw.randrange(256)}", "dest_port": 5432, "protocol": 6,
    }  # fmt: skip
    payload = {
        "connection": connection, "reporter": draw.choice(["SRC", "DEST"]),
        "start_time": f"2026-11-02T10:00:{second:02}.123456789Z", "end_time": f"2026-11-02T10:01:{second:02}.7Z",
        "bytes_sent": str(draw.randrange(100_000)), "packets_sent": str(draw.randrange(100)), "rtt_msec": "3",
        "src_instance": place(), "dest_instance": place(), "src_vpc": vpc, "dest_vpc": vpc,
    }  # fmt: skip
    labels = {"project_id": "p1", "location": "europe-west1-b", "subnetwork_id": "778899", "subnetwork_name": "app"}
    return {
        "insertId": f"{draw.getrandbits(64):x}", "logName": "projects/p1/logs/compute.googleapis.com%2Fvpc_flows",
        "timestamp": "2026-11-02T10:00:05.9Z", "receiveTimestamp": "2026-11-02T10:00:11.2Z",
        "resource": {"type": "gce_subnetwork", "labels": labels}, "jsonPayload": payload,
    }  # fmt: skip


def gcp_python(data):
    from datetime import datetime

    records = total = times = 0
    for line in data.splitlines():
        entry = orjson.loads(line)
        if not entry["logName"].endswith("%2Fvpc_flows"):
            continue
        payload = entry["jsonPayload"]
        connection = payload["connection"]
        connection["src_ip"], connection["dest_ip"], connection.get("src_port"), connection.get("dest_port")
        side = "src" if payload["reporter"] == "SRC" else "dest"
        payload[f"{side}_instance"]["vm_name"], payload[f"{side}_vpc"]["vpc_name"]
        records += 1
        for name in ("start_time", "end_time"):
            times += int(datetime.fromisoformat(payload[name]).timestamp())
        total += int(payload["bytes_sent"])
        int(payload["packets_sent"])
    return f"{records} {records} {total} {times} 0"


def compare(title, program, path, count, python):
    size = path.stat().st_size
    head(f"{title} JSON, {count:,} records in {size / 1e6:.0f} MB: parse")
    data = path.read_bytes()
    base, expected = best(lambda: python(data))
    row("Python with orjson", base, size, count, base)
    name = path.name.startswith("PT1H") and "azure" or "gcp"
    seconds, result = rust(program, f"{name}-value", path)
    assert expected.startswith(result), (result, expected)
    row("serde_json into a Value", seconds, size, count, base)
    seconds, result = rust(program, name, path)
    assert result == expected, (result, expected)
    row("ours, one thread", seconds, size, count, base)
    if name == "gcp":
        seconds, result = rust(program, "gcp-2", path)
        assert result == expected, (result, expected)
        row("ours, two threads", seconds, size, count, base)
    seconds, _ = best(lambda: orjson_alone(data, name))
    row("orjson alone: no fields read", seconds, size, count, base)


def orjson_alone(data, name):
    # Each document goes before the next one comes: to keep all of them is what takes long.
    for document in [data] if name == "azure" else data.splitlines():
        orjson.loads(document)


def main():
    program, *only = sys.argv[1:]
    for function in (parquet, azure, gcp):
        if not only or function.__name__ in only:
            with tempfile.TemporaryDirectory() as folder:
                function(program, pathlib.Path(folder))


if __name__ == "__main__":
    main()
