"""An estate in moto, and what stands between it and a process: written by nobody who wrote Bulkhead.

`Estate` is what boto3 builds: two peered VPCs, a third one that reuses a block, instances of several kinds.
`Line` is a proxy that notes the calls which write, and can kill the process that makes them after so many.
"""

import http.client
import http.server
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

import boto3
import botocore.config

REGION = "eu-west-1"
KEYS = dict(region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
# A machine that is busy with other things answers late; sending a call twice would make things twice.
PATIENT_S = 300
PATIENT = botocore.config.Config(read_timeout=PATIENT_S, retries={"max_attempts": 0})


class Moto:
    """moto in a process of its own, on a port that the system chose."""

    def __enter__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        program = pathlib.Path(sys.executable).parent / "moto_server"
        self.process = subprocess.Popen(
            [program, "-H", "127.0.0.1", "-p", str(self.port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.url = f"http://127.0.0.1:{self.port}"
        for _ in range(200):
            try:
                urllib.request.urlopen(self.url + "/moto-api/data.json", timeout=1)
                return self
            except OSError:
                time.sleep(0.1)
        raise SystemExit("moto did not start")

    def empty(self):
        """A client of an account in which nothing is left."""
        urllib.request.urlopen(urllib.request.Request(self.url + "/moto-api/reset", method="POST"), timeout=PATIENT_S)
        return boto3.client("ec2", endpoint_url=self.url, config=PATIENT, **KEYS)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


class Estate:
    """What boto3 builds: two peered VPCs, a third one that reuses a block, instances of both kinds.

    In an `exclusive` estate every interface is made for its instance, since moto never takes the groups of a launch
    off, and the foreign group of the first VPC lets SSH in: additive scopes would be exposed by it.
    """

    def __init__(self, ec2, exclusive=False):
        self.ec2 = ec2
        self.vpc, self.subnet, self.closed, self.instance = {}, {}, {}, {}
        for name, block in [("shop", "10.1.0.0/16"), ("shared", "10.2.0.0/16"), ("vault", "10.2.0.0/16")]:
            vpc = ec2.create_vpc(CidrBlock=block, AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
            self.vpc[name] = vpc
            found = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]
            v6 = found["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"].replace("/56", "/64")
            four = block.replace("0.0/16", "1.0/24")
            self.subnet[name] = ec2.create_subnet(VpcId=vpc, CidrBlock=four, Ipv6CidrBlock=v6)["Subnet"]["SubnetId"]
            closed = ec2.create_security_group(GroupName="launch", Description="born closed", VpcId=vpc)["GroupId"]
            egress = ec2.describe_security_groups(GroupIds=[closed])["SecurityGroups"][0]["IpPermissionsEgress"]
            ec2.revoke_security_group_egress(GroupId=closed, IpPermissions=egress)
            self.closed[name] = closed
        peering = ec2.create_vpc_peering_connection(VpcId=self.vpc["shop"], PeerVpcId=self.vpc["shared"])
        peering = peering["VpcPeeringConnection"]["VpcPeeringConnectionId"]
        ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
        image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        self.image = image
        for number, (network, role, app, env) in enumerate(
            [("shop", "web", "shop", "prod")] * 2
            + [("shop", "app", "shop", "prod")] * 2
            + [("shop", "db", "shop", "prod"), ("shop", "web", "shop", "dev")]
            + [("shared", "dns", "shared", "prod"), ("shared", "app", "shop", "prod")]
            + [("vault", "app", "vault", "prod"), ("vault", "db", "vault", "prod")]
        ):
            self.launch(f"{app}-{role}-{env}-{number}", network, role, app, env, premade=number % 2 == 0)
        if exclusive:
            ssh = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
            ec2.authorize_security_group_ingress(GroupId=self.closed["shop"], IpPermissions=ssh)
        else:
            self.launch("shop-web-plain", "shop", "web", "shop", "prod", plain=True)

    def launch(self, name, network, role, app, env, premade=False, plain=False):
        tags = [{"Key": k, "Value": v} for k, v in {"Name": name, "Role": role, "App": app, "Env": env}.items()]
        arguments = dict(ImageId=self.image, MinCount=1, MaxCount=1, TagSpecifications=[{"ResourceType": "instance", "Tags": tags}])
        # Addresses are chosen here: moto draws them and may draw one twice.
        self.host = getattr(self, "host", 9) + 1
        block = "10.1.1" if network == "shop" else "10.2.1"
        place = dict(SubnetId=self.subnet[network], PrivateIpAddress=f"{block}.{self.host}")
        if plain:
            arguments |= place | {"SecurityGroupIds": [self.closed[network]]}
        elif premade:
            made = self.ec2.create_network_interface(**place, Groups=[self.closed[network]], Ipv6AddressCount=1)
            arguments["NetworkInterfaces"] = [{"DeviceIndex": 0, "NetworkInterfaceId": made["NetworkInterface"]["NetworkInterfaceId"]}]
        else:
            arguments["NetworkInterfaces"] = [{"DeviceIndex": 0, **place, "Groups": [self.closed[network]], "Ipv6AddressCount": 1}]
        self.instance[name] = self.ec2.run_instances(**arguments)["Instances"][0]["InstanceId"]

    def relabel(self, name, role):
        self.ec2.create_tags(Resources=[self.instance[name]], Tags=[{"Key": "Role", "Value": role}])


class Line:
    """Forwards calls to moto, those that write one by one, and kills their sender when it is told to.

    A call that writes is noted by its action once moto has answered. The sender dies before it hears of the n-th
    answer, and nothing that it sent besides arrives.
    """

    def __init__(self, moto):
        self.lock, self.port = threading.Lock(), moto.port
        self.writes, self.victim, self.writes_max, self.watched = [], None, None, 0
        line = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                line.forward(self)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # A process that was killed says nothing more.

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def watch(self, start, writes_max=None):
        """Runs the process that `start` starts, to its end or to its death; its status, output, calls that wrote."""
        with self.lock:
            self.writes, self.writes_max, self.victim = [], writes_max, start()
        output, _ = self.victim.communicate(timeout=PATIENT_S)
        with self.lock:
            # What it sent and nobody has looked at yet is lost with it.
            self.writes_max, self.watched = None, self.watched + 1
            return self.victim.returncode, output, list(self.writes)

    def forward(self, request):
        watched = self.watched
        body = request.rfile.read(int(request.headers["Content-Length"]))
        action = urllib.parse.parse_qs(body.decode())["Action"][0]
        if action.startswith("Describe"):
            answer = self.ask(request, body)
        else:
            with self.lock:
                if self.is_over() or watched != self.watched:
                    request.close_connection = True
                    return
                answer = self.ask(request, body)
                self.writes.append(action)
                if self.is_over():
                    self.victim.send_signal(signal.SIGKILL)
        status, headers, content = answer
        try:
            request.send_response(status)
            for name, value in headers:
                if name.lower() not in ("connection", "content-length", "date", "server", "transfer-encoding"):
                    request.send_header(name, value)
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            request.wfile.write(content)
        except OSError:
            request.close_connection = True  # The process is gone.

    def is_over(self):
        return self.writes_max is not None and len(self.writes) >= self.writes_max

    def ask(self, request, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENT_S)
        connection.request("POST", request.path, body, {k: v for k, v in request.headers.items() if k.lower() != "connection"})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.getheaders(), content
