#!/usr/bin/env python3
"""DuckDB reads what the flow store wrote, and moto's S3 is a source and a store, through the real HTTP client.

The example `follow` of the crate `ingest` reads toy lines. What DuckDB sums in its parts must be what was written, and every query of
`docs/flow-store.md` must run. Then the same with `s3://` in moto as source and as store; with Azurite and a GCS emulator, where there
are some: name their URLs in AZURITE_URL and GCS_URL, otherwise they are skipped, and it is said.

Usage: flow_store.py PATH-OF-FOLLOW
"""

import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import boto3
import duckdb

from moto_estate import KEYS, Moto

ROOT = pathlib.Path(__file__).resolve().parents[2]
DAY_S = 86_400
START = 1_790_000_000


def check(condition, text):
    if not condition:
        raise SystemExit(f"FAILED: {text}")


def lines(rng, count):
    """Lines of ten days, and their connections and bytes."""
    text, total = "", 0
    for _ in range(count):
        size = rng.randrange(1, 1000)
        total += size
        text += f"{START - rng.randrange(10 * DAY_S)} 10.0.0.{rng.randrange(9)} 2001:db8::{rng.randrange(9):x} {rng.randrange(3)} {size}\n"
    return text, count, total


def follow(program, source, store, **environment):
    """Runs one pass; gives what the example prints."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "AZURE_", "GOOGLE_"))}
    result = subprocess.run(
        [program, source, store, "once"], env=clean | environment, capture_output=True, text=True, timeout=300
    )
    check(result.returncode == 0, f"follow {source} {store}: {result.stderr}")
    return dict(pair.split("=") for pair in result.stdout.split())


def expect(found, connections, size, what):
    check((int(found["connections"]), int(found["bytes"])) == (connections, size), f"{what}: {found}, expected {connections}, {size}")


def documented_queries():
    text = (ROOT / "docs" / "flow-store.md").read_text()
    block = re.search(r"```sql\n(.*?)```", text, re.S).group(1)
    return [query.strip() for query in block.split(";") if query.strip()]


def folder(program):
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as base:
        source, store = pathlib.Path(base, "logs"), pathlib.Path(base, "store")
        source.mkdir()
        connections = size = 0
        for number in range(30):
            text, count, total = lines(rng, rng.randrange(1, 200))
            (source / f"{number}.json").write_text(text)
            connections, size = connections + count, size + total
            if number % 10 == 9:
                expect(follow(program, str(source), str(store)), connections, size, "a folder")
        os.chdir(store)
        found = duckdb.sql("SELECT sum(connections), sum(bytes) FROM read_parquet('flows/**/*.parquet')").fetchall()[0]
        check(tuple(map(int, found)) == (connections, size), f"DuckDB sums {found}, expected {connections}, {size}")
        wrong = duckdb.sql(
            "SELECT count(*) FROM read_parquet('flows/**/*.parquet', hive_partitioning = true)"
            " WHERE day != CAST(window_start AT TIME ZONE 'UTC' AS DATE) OR first_seen < window_start"
            " OR last_seen >= window_start + to_seconds(window_s)"
        ).fetchall()[0]
        check(wrong == (0,), f"{wrong[0]} rows are in the wrong day or window")
        manifest = json.loads(pathlib.Path("manifest.json").read_text())
        check(sum(part["rows"] for part in manifest["parts"]) == duckdb.sql("SELECT count(*) FROM 'flows/**/*.parquet'").fetchall()[0][0], "rows")
        for query in documented_queries():
            rows = duckdb.sql(query).fetchall()
            print(f"  {query.splitlines()[0]}: {len(rows)} rows")
        os.chdir("/")
    print(f"a folder: DuckDB and the store agree on {connections} connections and {size} bytes")


def s3(program):
    rng = random.Random(2)
    with Moto() as moto:
        moto.empty()
        client = boto3.client("s3", endpoint_url=moto.url, **KEYS)
        location = {"LocationConstraint": KEYS["region_name"]}
        for bucket in ("logs", "kept"):
            client.create_bucket(Bucket=bucket, CreateBucketConfiguration=location)
        environment = dict(
            FOLLOW_ENDPOINT=moto.url, FOLLOW_LAYOUT="aws", AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_REGION=KEYS["region_name"]
        )
        connections = size = 0
        for number in range(12):
            text, count, total = lines(rng, 50)
            key = f"p/AWSLogs/111122223333/vpcflowlogs/eu-west-1/2026/11/{number + 1:02}/111122223333_vpcflowlogs_eu-west-1_fl-1_202611{number + 1:02}T0005Z_ab.log"
            client.put_object(Bucket="logs", Key=key, Body=text.encode())
            connections, size = connections + count, size + total
            if number % 4 == 3:
                expect(follow(program, "s3://logs/p", "s3://kept/s", **environment), connections, size, "S3")
        sums = [0, 0]
        with tempfile.TemporaryDirectory() as base:
            for item in client.list_objects_v2(Bucket="kept", Prefix="s/flows/")["Contents"]:
                client.download_file("kept", item["Key"], f"{base}/part.parquet")
                found = duckdb.sql(f"SELECT sum(connections), sum(bytes) FROM '{base}/part.parquet'").fetchall()[0]
                sums = [a + int(b) for a, b in zip(sums, found)]
        check(sums == [connections, size], f"DuckDB sums {sums} in S3, expected {connections}, {size}")
        held = json.loads(client.get_object(Bucket="kept", Key="s/manifest.json")["Body"].read())
        print(f"S3: {connections} connections in {len(held['parts'])} parts, generation {held['generation']}")


def blob(program):
    url = os.environ.get("AZURITE_URL")
    if not url:
        print("SKIPPED: no Azurite (set AZURITE_URL); Blob storage was not tried")
        return
    environment = dict(
        FOLLOW_ENDPOINT=url, FOLLOW_ACCOUNT="devstoreaccount1", FOLLOW_LAYOUT="files",
        AZURE_STORAGE_ACCOUNT_KEY=os.environ["AZURITE_KEY"],
    )
    over(program, "Blob storage", "az://flows", environment)


def gcs(program):
    url = os.environ.get("GCS_URL")
    if not url:
        print("SKIPPED: no GCS emulator (set GCS_URL); Google's buckets were not tried")
        return
    over(program, "GCS", "gs://flows", dict(FOLLOW_ENDPOINT=url, FOLLOW_ANONYMOUS="1", FOLLOW_LAYOUT="files"))


def over(program, what, bucket, environment):
    """Logs from a folder into a store in the bucket, twice."""
    rng = random.Random(3)
    with tempfile.TemporaryDirectory() as base:
        connections = size = 0
        for number in range(3):
            text, count, total = lines(rng, 50)
            pathlib.Path(base, f"{number}.json").write_text(text)
            connections, size = connections + count, size + total
            expect(follow(program, base, f"{bucket}/kept", **environment), connections, size, what)
    print(f"{what}: {connections} connections")


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    folder(program)
    s3(program)
    blob(program)
    gcs(program)


if __name__ == "__main__":
    main()
