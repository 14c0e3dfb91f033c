#!/usr/bin/env python3
"""Real input over three clouds: estates that the vendors' own clients make, brought to one policy by `bulkhead apply`.

boto3, azure-mgmt-network, google-cloud-compute and google-cloud-resource-manager were written by nobody here. They seed
the simulators and read back what Bulkhead wrote; `three_clouds_reach.py`, which shares nothing with Bulkhead, works out
which packets pass and compares them with the policy. Then they change one thing at a time; where packets notice, the
comparison must see it, `bulkhead plan` must find it, `bulkhead apply` must repair it, and a further plan must be empty.

Usage: three_clouds.py PATH-OF-BULKHEAD
"""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import aws_estate
import azure_estate
import gcp_estate
import reachability
from aws_drift import AwsDrift
from aws_reach import AwsCloud
from azure_drift import AzureDrift
from azure_reach import AzureCloud
from gcp_drift import GcpDrift
from gcp_reach import GcpCloud
from reachability import check
from three_clouds_hand import judge
from three_clouds_policy import POLICY
from three_clouds_reach import Comparison, World

INSTALLATION = "three-clouds"
PATIENT_S = 300
ALLOW = ["--allow", "lose-peer", "--allow", "remove-rules", "--allow", "lose-all-ingress"]


class Simulator:
    """`bulkhead simulate CLOUD` on a port that the system chose."""

    def __init__(self, program, cloud):
        # Rates of calls have tests of their own.
        command = [program, "simulate", cloud, "--listen", "127.0.0.1:0", "--unthrottled"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+", line)
        check(found, f"the simulator of {cloud} says where it is: {line!r}")
        self.url = found[0]

    def __enter__(self):
        return self.url

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


class Bulkhead:
    def __init__(self, program, folder, urls):
        self.program, self.folder = program, folder
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "AZURE_", "GOOGLE_", "BULKHEAD_"))}
        self.environment = kept | {
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": aws_estate.REGION, "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_EC2": urls["aws"],
            "BULKHEAD_AZURE_ENDPOINT": urls["azure"], "BULKHEAD_AZURE_TOKEN": azure_estate.TOKEN,
            "BULKHEAD_GCP_ENDPOINT": urls["gcp"], "BULKHEAD_GCP_TOKEN": gcp_estate.TOKEN,
        }
        (folder / "policy").mkdir()
        (folder / "policy" / "policy.yaml").write_text(POLICY)
        common = {"enforce": True, "direction": "both", "settle": "100ms", "share": 1.0}
        scopes = [
            {"name": "a", "provider": "aws", "region": aws_estate.REGION} | common,
            {"name": "az", "provider": "azure", "account": azure_estate.SUBSCRIPTION, "region": azure_estate.HERE} | common,
            {"name": "g", "provider": "gcp", "account": gcp_estate.PROJECT} | common,
        ]
        config = {"installation": INSTALLATION, "policy": "policy/", "state": "state/", "extra_tags": {"team": "platform"}, "scopes": scopes}
        (folder / "bulkhead.yaml").write_text(json.dumps(config))

    def run(self, *arguments, expect=0):
        command = [self.program, *arguments, "--config", str(self.folder / "bulkhead.yaml")]
        done = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENT_S)
        check(done.returncode == expect, f"bulkhead {' '.join(arguments)} ended with {done.returncode}, expected {expect}:\n{done.stdout}")
        return done.stdout


class Estate:
    """The three clouds, by their vendors' clients."""

    def __init__(self, urls):
        self.ec2, self.azure, self.gcp = aws_estate.client(urls["aws"]), azure_estate.Azure(urls["azure"]), gcp_estate.Gcp(urls["gcp"])
        aws_estate.build(self.ec2)
        azure_estate.build(self.azure)
        gcp_estate.build(self.gcp)
        self.drifts = [AwsDrift(self.ec2, INSTALLATION), AzureDrift(self.azure, INSTALLATION), GcpDrift(self.gcp, INSTALLATION)]

    def read(self):
        return World({"aws": AwsCloud(self.ec2), "azure": AzureCloud(self.azure), "gcp": GcpCloud(self.gcp)})

    def owned(self):
        return [drift.owned() for drift in self.drifts]


def must_agree(estate, before, when):
    comparison = Comparison(estate.read(), before)
    shown = "\n".join(comparison.differences[:20])
    check(not comparison.differences, f"{when}: {len(comparison.differences)} differences:\n{shown}")
    reachability.CHECKS += sum(comparison.judged[family] for family in ("IPv4", "IPv6"))
    return comparison


def repair(bulkhead, estate, before):
    """Everything that somebody changes by hand is found and repaired."""
    owned = estate.owned()
    for drift in estate.drifts:
        for name, bites, change in drift.all():
            started = time.monotonic()
            change()
            differences = Comparison(estate.read(), before).differences
            # Each that packets notice shows, too, that the comparison can fail.
            check(bool(differences) == bites, f"{name}: packets notice: {bites}: {differences[:5]}")
            # No guard is overridden: to bring back what somebody changed is nobody's loss.
            bulkhead.run("plan", "--check", expect=3)
            bulkhead.run("apply")
            must_agree(estate, before, f"{name} changed by hand and repaired")
            check(estate.owned() == owned, f"{name}: ours is what it was:\n{estate.owned()}\nnot\n{owned}")
            bulkhead.run("plan", "--check")
            print(f"  {name}: found ({len(differences)} verdicts were wrong), repaired, {time.monotonic() - started:.1f} s", flush=True)


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    with contextlib.ExitStack() as stack:
        urls = {cloud: stack.enter_context(Simulator(program, cloud)) for cloud in ("aws", "azure", "gcp")}
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        estate = Estate(urls)
        judge(estate)
        before = estate.read()
        opened = Comparison(before).differences
        check(opened, "before Bulkhead, clouds and policy differ")
        bulkhead = Bulkhead(program, folder, urls)
        bulkhead.run("plan", "--check", *ALLOW, expect=3)
        bulkhead.run("apply", *ALLOW)
        comparison = must_agree(estate, before, "after the first apply")
        print(f"  {len(opened)} verdicts were wrong before the first apply; after it:")
        print("\n".join(f"    {line}" for line in comparison.coverage()))
        bulkhead.run("plan", "--check")
        repair(bulkhead, estate, before)
    print(f"{reachability.CHECKS} passed, 0 failed")


if __name__ == "__main__":
    main()
