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
import urllib.parse
import urllib.request

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
            # Counted inside: Python would want a library for times with zones.
            rows = duckdb.sql(f"SELECT count(*) FROM ({query})").fetchall()[0][0]
            check(rows > 0, f"{query} gives no rows")
            print(f"  {query.splitlines()[0]}: {rows} rows")
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
    """Azurite as a store, and an hour file that grows in it as a source."""
    url = os.environ.get("AZURITE_URL")
    if not url:
        print("SKIPPED: no Azurite (set AZURITE_URL); Blob storage was not tried")
        return
    from azure.storage.blob import BlobServiceClient

    key = os.environ["AZURITE_KEY"]
    environment = dict(FOLLOW_ENDPOINT=url, FOLLOW_ACCOUNT="devstoreaccount1", AZURE_STORAGE_ACCOUNT_KEY=key)
    containers = [f"{name}{random.randrange(1 << 40)}" for name in ("kept", "logs")]
    service = BlobServiceClient(url, credential=key)
    for container in containers:
        service.create_container(container)
    hour = "resourceId=/SUBSCRIPTIONS/S1/RESOURCEGROUPS/R/y=2026/m=11/d=02/h=10/m=00/macAddress=002248AABBCC/PT1H.json"
    hour = service.get_blob_client(containers[1], hour)
    hour.create_append_blob()
    rng = random.Random(3)
    connections = size = 0
    for _ in range(4):
        text, count, total = lines(rng, 50)
        hour.append_block(text.encode())
        connections, size = connections + count, size + total
        found = follow(program, f"az://{containers[1]}", f"az://{containers[0]}/s", FOLLOW_LAYOUT="azure", **environment)
        expect(found, connections, size, "Blob storage")
    print(f"Blob storage: an hour file that grew four times, {connections} connections")


def gcs(program):
    """fake-gcs-server as a source. It cannot be a store: it does not know uploads through the XML interface."""
    url = os.environ.get("GCS_URL")
    if not url:
        print("SKIPPED: no GCS emulator (set GCS_URL); Google's buckets were not tried")
        return
    bucket, rng = f"logs{random.randrange(1 << 40)}", random.Random(4)

    def post(path, body, kind):
        request = urllib.request.Request(url + path, body, {"Content-Type": kind}, method="POST")
        urllib.request.urlopen(request, timeout=30).close()

    post("/storage/v1/b?project=p", json.dumps({"name": bucket}).encode(), "application/json")
    connections = size = 0
    with tempfile.TemporaryDirectory() as store:
        for hour in range(3):
            text, count, total = lines(rng, 50)
            name = f"compute.googleapis.com/vpc_flows/2026/11/02/{hour:02}:00:00_{hour:02}:59:59_S0.json"
            post(f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={urllib.parse.quote(name, safe='')}", text.encode(), "text/plain")
            connections, size = connections + count, size + total
            environment = dict(FOLLOW_ENDPOINT=url, GOOGLE_BEARER_TOKEN="test", FOLLOW_LAYOUT="gcp")
            expect(follow(program, f"gs://{bucket}", store, **environment), connections, size, "GCS")
    print(f"GCS: {connections} connections in three hours")


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    folder(program)
    s3(program)
    blob(program)
    gcs(program)


if __name__ == "__main__":
    main()
