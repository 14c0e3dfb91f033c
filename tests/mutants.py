#!/usr/bin/env python3
"""Applies the mutations of tests/mutants.md one by one in a scratch worktree; each named test must fail.

usage: tests/mutants.py [WORD]    only rows whose name or test holds the word

Builds in target/mutants (or $BULKHEAD_MUTANTS_TARGET), never in the folder of another checkout: Cargo names what it
builds by crate and not by checkout, and would take a mutant there for the real thing.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMMANDS = {
    "differential": "cargo test --workspace --test differential",
    "observe": "cargo test --workspace --test observe",
    "hitless": "cargo test -p plan --test hitless",
    "proof": "cargo test -p plan --test prove",
    "quota": "cargo test -p plan --lib -- quota::",
    # Both drivers in one build, so that no dependency is compiled for each of them.
    "azure-lower": "cargo test -p provider-azure -p provider-gcp --test lower",
    "azure-semantics": "cargo test -p provider-azure -p provider-gcp --test semantics",
    "gcp-lower": "cargo test -p provider-azure -p provider-gcp --test lower",
    "gcp-semantics": "cargo test -p provider-azure -p provider-gcp --test semantics",
    "limits": "cargo test -p provider-azure -p provider-gcp --test limits",
    "azure-conformance": "cargo test -p provider-azure --test conformance",
    "gcp-tagged": "cargo test -p provider-gcp --test behaviour -- tagged:: road::",
    "gcp-band": "cargo test -p provider-gcp --lib -- band:: ids::",
    "gcp-conformance": "cargo test -p provider-gcp --test conformance",
    "azure-road": "cargo test -p provider-azure --test behaviour -- road::",
    "azure-band": "cargo test -p provider-azure --lib -- band::",
    "together": "cargo test -p provider --lib -- together::",
    "reread": "cargo test -p provider --lib -- reread::",
    "translations": "cargo test -p policy --test agreement --test compile --test semantics",
    "steady": "cargo test -p reconcile --lib -- pass::",
    "passes": "cargo test --workspace --test passes",
    "withhold": "cargo test -p plan --lib -- withhold::",
    "memory": "cargo test --workspace --lib -- last_applied::",
    "attribution": "cargo test -p flow --test attribution",
    "formats": "cargo test -p flow --lib --test formats",
    "seen": "cargo test -p flow --test seen",
    "flow-unit": "cargo test -p flow --lib",
    "whatif": "cargo test -p flow --test whatif",
    "ingest": "cargo build -p ingest --example follow && cargo test -p ingest --test ingest",
    "pieces": "cargo test -p ingest --test pieces",
    "cloud-traffic": "cargo test -p mock-cloud --lib -- traffic::",
    "aws-logs": "cargo test -p mock-aws --test behaviour -- flow_logs::",
    "azure-logs": "cargo test -p mock-azure --test behaviour -- flow_logs::",
    "gcp-logs": "cargo test -p mock-gcp --test behaviour -- flow_logs::",
    "aws-unit": "cargo test --workspace --lib -- lower:: lowering:: convert:: marks::",
}
ROW = re.compile(r"^\|\s*([\w-]+)\s*\| `(.+?)` \| `(.+?)` \| `(.+?)` \| `([\w-]+)` \|$")


def rows():
    for line in (ROOT / "tests/mutants.md").read_text().splitlines():
        found = ROW.match(line)
        if found:
            yield [part.replace("\\|", "|") for part in found.groups()]


def run(tree, test):
    target = os.environ.get("BULKHEAD_MUTANTS_TARGET", str(ROOT / "target/mutants"))
    settings = os.environ | {"CARGO_TARGET_DIR": target}
    return subprocess.run(COMMANDS[test], shell=True, cwd=tree, env=settings, capture_output=True, text=True)


def try_row(tree, name, file, old, new, test):
    """What became of a mutant: `caught`, or why not."""
    path = pathlib.Path(tree) / file
    text = path.read_text()
    if text.count(old) != 1:
        return f"STALE: the line is there {text.count(old)} times"
    path.write_text(text.replace(old, new))
    try:
        outcome = run(tree, test)
    finally:
        path.write_text(text)
    output = outcome.stdout + outcome.stderr
    if "could not compile" in output:
        return "BROKEN: it does not compile\n" + output[-2000:]
    if outcome.returncode == 0:
        return "SURVIVED"
    return "caught" if "test result: FAILED" in output else "BROKEN: no test failed\n" + output[-2000:]


def main():
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [row for row in rows() if word in row[0] or word in row[4]]
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        tree = f"{scratch}/tree"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", tree, "HEAD"], cwd=ROOT, check=True)
        try:
            for test in sorted({row[4] for row in chosen}):
                clean = run(tree, test)
                if clean.returncode != 0:
                    sys.exit(f"{test} fails without any mutant:\n{clean.stdout[-3000:]}{clean.stderr[-2000:]}")
            for name, file, old, new, test in chosen:
                outcome = try_row(tree, name, file, old, new, test)
                failed += outcome != "caught"
                print(f"{name:36} {test:14} {outcome}", flush=True)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=True)
    print(f"{len(chosen)} mutants, {failed} not caught")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
