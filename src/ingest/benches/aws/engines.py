#!/usr/bin/env python3
"""What a user would pick instead: reads a gzip flow log, joins both addresses with labels, groups, sums.

engines.py ENGINE LOG.gz LABELS [LINES]; prints seconds, seconds of CPU, the peak of memory in KiB, and the result that all
engines must have: groups, records, packets, bytes, and a checksum of groups and their counts. Labels are in memory before
the clock starts; the result is in memory when it stops. The engine `gunzip` has no result.

`duckdb-rows` and `polars-rows` keep apart what the product keeps apart: the hour, and which of the two ends wrote the line.
"""

import resource
import subprocess
import sys
import time

COLUMNS = "version account_id interface_id srcaddr dstaddr srcport dstport protocol packets bytes start_s end_s action log_status".split()
NUMBERS = {"srcport", "dstport", "protocol", "packets", "bytes", "start_s", "end_s"}


class Clock:
    """Seconds on the wall and of all threads since it was made."""

    def __init__(self):
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def read(self):
        return time.perf_counter() - self.wall, time.process_time() - self.cpu


def labels_of(path):
    with open(path) as file:
        next(file)
        return dict(line.split()[:2] for line in file)


def checksum(rows):
    """Rows are source label, destination label, port, accepted, records."""
    return sum(((f * 31 + t) * 31 + port * 2 + accepted) % 1_000_003 * n for f, t, port, accepted, n in rows)


def duckdb(log, labels, _lines, rows=False):
    import duckdb

    database = duckdb.connect()
    known = "select address, label, interface" if rows else "select address, label"
    database.execute(f"create table labels as {known} from read_csv('{labels}', delim=' ', header=true)")
    kinds = {name: "BIGINT" if name in NUMBERS else "VARCHAR" for name in COLUMNS}
    side = "case interface_id when f.interface then 1 when t.interface then 2 else 0 end"
    more = f", start_s // 3600 as hour, {side} as side" if rows else ""
    clock = Clock()
    database.execute(
        f"""create table sums as
        select f.label as f, t.label as t, dstport, action{more}, count(*) as n, sum(packets) as packets, sum(bytes) as bytes
        from read_csv('{log}', delim=' ', header=false, skip=1, auto_detect=false, quote='', escape='', columns={kinds}) l
        join labels f on l.srcaddr = f.address join labels t on l.dstaddr = t.address
        where log_status = 'OK'
        group by all"""
    )
    seconds = clock.read()
    return seconds, database.execute(
        """select f, t, dstport, action = 'ACCEPT', sum(n), sum(packets), sum(bytes) from sums group by all"""
    ).fetchall()


def polars(log, labels, _lines, rows=False):
    import polars

    known = polars.read_csv(labels, separator=" ")
    if not rows:
        known = known.drop("interface")
    kinds = {name: polars.Int64 if name in NUMBERS else polars.String for name in COLUMNS}
    keys = ["f", "t", "dstport", "action"]
    clock = Clock()
    log = polars.scan_csv(log, separator=" ", has_header=False, skip_rows=1, schema=kinds, quote_char=None)
    joined = (
        log.filter(polars.col("log_status") == "OK")
        .join(known.lazy().rename({"label": "f"}), left_on="srcaddr", right_on="address")
        .join(known.lazy().rename({"label": "t"}), left_on="dstaddr", right_on="address", suffix="_t")
    )
    if rows:
        own = polars.col("interface_id")
        side = polars.when(own == polars.col("interface")).then(1).when(own == polars.col("interface_t")).then(2)
        joined = joined.with_columns((polars.col("start_s") // 3600).alias("hour"), side.otherwise(0).alias("side"))
    sums = (
        joined.group_by(*keys, *(["hour", "side"] if rows else []))
        .agg(polars.len().alias("n"), polars.col("packets").sum(), polars.col("bytes").sum())
        .collect()
    )
    seconds = clock.read()
    whole = sums.group_by(*keys).agg(polars.col("n").sum(), polars.col("packets").sum(), polars.col("bytes").sum())
    return seconds, whole.with_columns(polars.col("action") == "ACCEPT").rows()


def flowlogs_reader(log, labels, lines):
    import gzip
    import itertools
    from flowlogs_reader.flowlogs_reader import FlowRecord

    known = {address: int(label) for address, label in labels_of(labels).items()}
    sums = {}
    clock = Clock()
    with gzip.open(log, "rt") as file:
        names = next(file).split()
        for line in itertools.islice(file, lines):
            record = FlowRecord(dict(zip((name.replace("-", "_") for name in names), line.split())))
            if record.log_status != "OK":
                continue
            key = (known[record.srcaddr], known[record.dstaddr], record.dstport, record.action == "ACCEPT")
            group = sums.setdefault(key, [0, 0, 0])
            group[0] += 1
            group[1] += record.packets
            group[2] += record.bytes
    seconds = clock.read()
    return seconds, [(*key, *group) for key, group in sums.items()]


def gunzip(log):
    clock = Clock()
    subprocess.run(["gunzip", "-c", log], stdout=subprocess.DEVNULL, check=True)
    wall, _ = clock.read()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(wall, used.ru_utime + used.ru_stime, used.ru_maxrss)


def main():
    engine, log, labels = sys.argv[1:4]
    if engine == "gunzip":
        return gunzip(log)
    lines = int(sys.argv[4]) if len(sys.argv) > 4 else None
    engines = {"duckdb": duckdb, "polars": polars, "flowlogs-reader": flowlogs_reader}
    name, is_rows = engine.removesuffix("-rows"), {"rows": True} if engine.endswith("-rows") else {}
    seconds, rows = engines[name](log, labels, lines, **is_rows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sums = [sum(row[column] for row in rows) for column in (4, 5, 6)]
    print(*seconds, peak, len(rows), *map(int, sums), int(checksum(row[:5] for row in rows)))


if __name__ == "__main__":
    main()
