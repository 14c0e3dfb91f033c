#!/usr/bin/env python3
"""The Azure CLI, as it comes from PyPI, against the simulated Azure.

Logs in, builds an estate, reads it back, and is refused what the real cloud refuses. Needs `pip install azure-cli`
(0.7 GB) and `openssl`, because the CLI only speaks HTTPS: a front with a certificate of its own stands before the
simulation. Everything is kept in a temporary folder. Give it the command that serves the simulation, with 1 for
`Retry-After`:

    python witness_cli.py cargo run -q -p mock-azure --example serve -- 1
"""

import http.client
import http.server
import json
import os
import ssl
import subprocess
import sys
import tempfile
import threading

TENANT = "72f988bf-0000-4000-8000-2d7cd011db47"
AZ = os.path.join(os.path.dirname(sys.executable), "az")


class Front(http.server.BaseHTTPRequestHandler):
    """Passes requests on, and turns the links in answers into HTTPS."""

    protocol_version = "HTTP/1.1"
    behind = ""

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        headers["Host"] = f"127.0.0.1:{self.server.server_port}"
        connection = http.client.HTTPConnection(self.behind)
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        data = answer.read().replace(b"http://127.0.0.1", b"https://127.0.0.1")
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value.replace("http://127.0.0.1", "https://127.0.0.1"))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        connection.close()

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = forward

    def log_message(self, *_):
        pass


def secured(behind, folder):
    """An HTTPS front before the simulation; gives its endpoint and its certificate."""
    key, certificate = os.path.join(folder, "key.pem"), os.path.join(folder, "certificate.pem")
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", key, "-out", certificate]
    subprocess.run(made + subject, check=True, capture_output=True)
    Front.behind = behind.split("//")[1]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Front)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"https://127.0.0.1:{server.server_port}", certificate


def az(line, refused=None):
    """One command; its answer, or nothing when it is refused as it should be."""
    done = subprocess.run([AZ, *line.split(), "-o", "json"], capture_output=True, text=True, timeout=120)
    if refused:
        assert done.returncode != 0 and f"({refused})" in done.stderr, f"{line}\nnot refused with {refused}: {done.stderr}"
        return None
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    return json.loads(done.stdout) if done.stdout.strip() else None


def log_in(endpoint):
    names = ["activeDirectory", "activeDirectoryResourceId", "activeDirectoryGraphResourceId"]
    endpoints = {name: endpoint for name in names}
    endpoints.update({name: endpoint + "/" for name in ["management", "microsoftGraphResourceId", "resourceManager"]})
    config = json.dumps({"endpoints": endpoints}, separators=(",", ":"))
    az(f"cloud register --name local --skip-endpoint-discovery --cloud-config {config}")
    az("cloud set -n local")
    accounts = az(f"login --service-principal -u app -p pass --tenant {TENANT}")
    assert [account["state"] for account in accounts] == ["Enabled"], accounts


def build():
    az("group create -n rg -l westeurope")
    az("network nsg create -g rg -n n")
    az("network asg create -g rg -n web")
    az("network vnet create -g rg -n v --address-prefix 10.0.0.0/16 --subnet-name s --subnet-prefix 10.0.1.0/24")
    az("network vnet create -g rg -n w --address-prefix 10.1.0.0/16")
    az("network vnet subnet update -g rg --vnet-name v -n s --network-security-group n")
    az("network nic create -g rg -n nic --vnet-name v --subnet s --application-security-groups web")
    az("network nsg rule create -g rg --nsg-name n -n r --priority 100 --access Allow --protocol Tcp"
       " --destination-port-ranges 443 8443 --source-asgs web")
    az("network vnet peering create -g rg --vnet-name v -n p --remote-vnet w --allow-vnet-access")
    az("network vnet peering create -g rg --vnet-name w -n p --remote-vnet v --allow-vnet-access")


def read_back():
    [rule] = az("network nsg rule list -g rg --nsg-name n")
    assert rule["destinationPortRanges"] == ["443", "8443"], rule
    assert rule["sourceApplicationSecurityGroups"][0]["id"].endswith("/applicationSecurityGroups/web"), rule
    [peering] = az("network vnet peering list -g rg --vnet-name v")
    assert peering["peeringState"] == "Connected", peering
    nic = az("network nic show -g rg -n nic")
    assert nic["ipConfigurations"][0]["privateIPAddress"] == "10.0.1.4", nic
    group = az("network nsg show -g rg -n n")
    assert [subnet["id"].split("/")[-1] for subnet in group["subnets"]] == ["s"], group
    assert az("group exists -n rg") is True


def change():
    rule = az("network nsg rule update -g rg --nsg-name n -n r --priority 120")
    assert rule["priority"] == 120, rule
    assert az("network nsg update -g rg -n n --set tags.team=shop")["tags"] == {"team": "shop"}
    az("network nsg rule create -g rg --nsg-name n -n clash --priority 120 --access Deny --protocol Tcp",
       refused="SecurityRuleConflict")
    az("network nsg delete -g rg -n n", refused="InUseNetworkSecurityGroupCannotBeDeleted")
    az("network nic delete -g rg -n nic")
    az("network nsg rule delete -g rg --nsg-name n -n r")
    az("network asg delete -g rg -n web")
    assert az("network asg list -g rg") == []


def main():
    server = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            endpoint, certificate = secured(server.stdout.readline().strip(), folder)
            os.environ.update(
                AZURE_CONFIG_DIR=os.path.join(folder, "config"),
                REQUESTS_CA_BUNDLE=certificate,
                AZURE_CORE_INSTANCE_DISCOVERY="false",
                AZURE_CORE_COLLECT_TELEMETRY="false",
            )
            log_in(endpoint)
            build()
            read_back()
            change()
            print("azure-cli agrees")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
