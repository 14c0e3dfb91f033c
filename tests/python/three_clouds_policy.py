"""The policy over three clouds: as Bulkhead reads it, and once more in this file's own words.

`RULES` says (sources, destinations, services); a side is labels or a list of blocks, a service is (protocol, first, last)
with ICMP as type*256+code. `foreign` says what rules of others come to, for the ends that it names by hand.
"""

from addresses import is_inside

POLICY = """
labels:
  role: [web, app, db, cache, dns, queue, relay, report, backup, monitor]
  app: [shop, shared, ops, vault]
  env: [prod, dev]
ip_lists:
  office: { addresses: [203.0.113.0/24, "2001:db8:100::/48"], except: [203.0.113.66] }
services:
  postgres: [tcp/5432]
enforcement:
  - { match: [env=prod], mode: full }
rulesets:
  - name: shop
    scopes: [[app=shop, env=prod]]
    rules:
      - { name: office-to-web, sources: [list:office], destinations: [role=web], services: [tcp/443] }
      - { name: web-to-app, sources: [role=web], destinations: [role=app], services: [tcp/8080-8089] }
      - { name: web-to-db, sources: [role=web], destinations: [role=db], services: [postgres] }
      - { name: app-to-db, sources: [role=app], destinations: [role=db], services: [postgres, tcp/5433] }
      - { name: report-to-db, sources: [role=report], destinations: [role=db], services: [postgres] }
      - { name: replicas, sources: [role=db], destinations: [role=db], services: [tcp/7000-7001] }
      - { name: backups, sources: [role=backup], destinations: [role=db], services: [tcp/2049] }
      - { name: web-to-cache, sources: [role=web], destinations: [role=cache], services: [tcp/6379] }
      - { name: to-queue, sources: [role=app, role=relay], destinations: [role=queue], services: [tcp/5672] }
      - { name: gossip, sources: [role=app], destinations: [role=app], services: [udp/7946-7950] }
      - { name: mesh, sources: [all-workloads], destinations: [all-workloads], services: [tcp/15000-15010, udp/10000-10100] }
  - name: shared
    scopes: [[app=shared]]
    rules:
      - { name: dns, scope: extra, sources: [env=prod], destinations: [role=dns], services: [udp/53, tcp/53] }
  - name: ops
    scopes: [[env=prod]]
    rules:
      - { name: traps, sources: [all-workloads], destinations: [role=monitor], services: [udp/162] }
      - { name: metrics, sources: [role=monitor], destinations: [all-workloads], services: [udp/161, tcp/9100-9103] }
      - { name: echo, sources: [all-workloads], destinations: [all-workloads], services: [icmp] }
  - name: vault
    scopes: [[app=vault, env=prod]]
    rules:
      - { name: inside, sources: [role=app], destinations: [role=db], services: [tcp/8200] }
"""

OFFICE = ["203.0.113.0/24", "2001:db8:100::/48"]
PROD, SHOP = {"env": "prod"}, {"app": "shop", "env": "prod"}


def shop(role):
    return SHOP | {"role": role}


def tcp(first, last=None):
    return [("tcp", first, last or first)]


def udp(first, last=None):
    return [("udp", first, last or first)]


RULES = [
    ({"blocks": OFFICE, "except": ["203.0.113.66/32"]}, shop("web"), tcp(443)),
    (shop("web"), shop("app"), tcp(8080, 8089)),
    (shop("web"), shop("db"), tcp(5432)),
    (shop("app"), shop("db"), tcp(5432, 5433)),
    (shop("report"), shop("db"), tcp(5432)),
    (shop("db"), shop("db"), tcp(7000, 7001)),
    (shop("backup"), shop("db"), tcp(2049)),
    (shop("web"), shop("cache"), tcp(6379)),
    (shop("app"), shop("queue"), tcp(5672)),
    (shop("relay"), shop("queue"), tcp(5672)),
    (shop("app"), shop("app"), udp(7946, 7950)),
    (SHOP, SHOP, tcp(15000, 15010) + udp(10000, 10100)),
    (PROD, {"app": "shared", "role": "dns"}, udp(53) + tcp(53)),
    (PROD, PROD | {"role": "monitor"}, udp(162)),
    (PROD | {"role": "monitor"}, PROD, udp(161) + tcp(9100, 9103)),
    (PROD, PROD, [("icmp", 0, 65535)]),
    ({"app": "vault", "env": "prod", "role": "app"}, {"app": "vault", "env": "prod", "role": "db"}, tcp(8200)),
]
# Path MTU messages: AWS has rules for them; elsewhere no rule tells ICMP types apart, and they pass with their connection.
ESSENTIAL = [("icmp", 3 * 256 + 4, 3 * 256 + 4), ("icmpv6", 2 * 256, 2 * 256 + 255)]

PROBES = [("tcp", port) for port in (22, 53, 443, 2048, 2049, 3306, 5432, 5433, 5434, 5672, 6379, 7000, 7001, 7002, 8080, 8089, 8090, 8200, 8443)]
PROBES += [("tcp", port) for port in (9100, 9101, 9103, 9104, 14999, 15000, 15005, 15010, 15011)]
PROBES += [("udp", port) for port in (53, 161, 162, 163, 7945, 7946, 7949, 7950, 7951, 9999, 10000, 10049, 10050, 10051, 10100, 10101)]
PROBES += [("icmp", 8 * 256), ("icmp", 3 * 256 + 4), ("icmpv6", 128 * 256), ("icmpv6", 2 * 256)]
EXTERNAL = [
    "203.0.113.7", "203.0.113.66", "198.51.100.1", "35.235.240.9", "10.1.250.9", "10.20.250.9", "10.30.250.9", "2001:db8:100::7", "2001:db8:999::1",
]


def foreign(own, direction, peer, address, protocol, detail):
    """What a rule of others decides before ours at an end: lets pass, stops, or (none) leaves it to ours."""
    at, inwards = (protocol, detail), direction == "in"
    if own["cloud"] == "aws":
        return True if own["name"] == "web-2" and inwards and at == ("tcp", 22) and is_inside(address, "10.1.250.0/24") else None
    if own["cloud"] == "azure":
        return azure(own, inwards, address, at)
    return gcp(own, inwards, peer, address, at)


def azure(own, inwards, address, at):
    data, apps = own["name"].startswith("db-"), own["name"].startswith("report-")
    near = is_inside(address, "10.20.0.0/16", "fd00:20::/48", "10.21.0.0/16")
    if data and inwards and at == ("udp", 10050):
        return False
    # The interface's own group opens TCP and its network only.
    if own["name"] == "db-2" and inwards and at[0] != "tcp" and not near:
        return False
    if data and inwards and at == ("tcp", 22) and is_inside(address, "10.20.250.0/24"):
        return True
    outside = is_inside(address, "203.0.113.0/24", "198.51.100.0/24", "35.235.240.0/20", "2001:db8::/32", "2600::/16")
    if apps and inwards and at == ("tcp", 8443) and outside:
        return True
    if apps and not inwards and is_inside(address, "10.2.0.0/16"):
        return False
    return None


def gcp(own, inwards, peer, address, at):
    if not inwards:
        return None
    # The organisation leaves 9100 to what follows, and stops 9101.
    if at == ("tcp", 9101) and is_inside(address, "10.1.0.0/16", "10.30.0.0/16"):
        return False
    if own["network"].endswith("/prod"):
        if at == ("tcp", 22) and is_inside(address, "35.235.240.0/20"):
            return True
        if at == ("udp", 7949) and is_inside(address, "10.30.0.0/16"):
            return False
        edge = {"app-1", "app-2", "trial-2"}
        if at == ("tcp", 8443) and own["name"] in edge and peer is not None and peer["name"] in edge:
            return True
    return None
