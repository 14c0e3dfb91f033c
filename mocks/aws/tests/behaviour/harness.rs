//! Scripts of calls: `Action Key=Value … => expected`, with `$name` for the id that an earlier call gave.

use std::collections::BTreeMap;
use std::net::IpAddr;

use mock_aws::{Answer, Ec2Front, End, Packet, Settings, World};

pub const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=k/20260101/eu-west-1/ec2/aws4_request, Signature=x";

/// A simulation and the names of its ids.
pub struct Cloud {
    pub front: Ec2Front,
    pub ids: BTreeMap<String, String>,
}

impl Cloud {
    pub fn new(settings: Settings) -> Self {
        Self { front: Ec2Front::new(World::new(settings)), ids: BTreeMap::new() }
    }

    /// Two VPCs, `a` with both families and `b`, a subnet and two groups in each.
    pub fn with_two_vpcs() -> Self {
        Self::seeded(Settings { throttle: false, ..Settings::default() })
    }

    pub fn seeded(settings: Settings) -> Self {
        let mut cloud = Self::new(settings);
        cloud.run(
            "a: CreateVpc CidrBlock=10.0.0.0/16
             AssociateVpcCidrBlock VpcId=$a Ipv6CidrBlock=2001:db8:a::/56
             b: CreateVpc CidrBlock=10.1.0.0/16
             sa: CreateSubnet VpcId=$a CidrBlock=10.0.1.0/24 Ipv6CidrBlock=2001:db8:a:1::/64
             sb: CreateSubnet VpcId=$b CidrBlock=10.1.1.0/24
             web: CreateSecurityGroup GroupName=web GroupDescription=web VpcId=$a
             db: CreateSecurityGroup GroupName=db GroupDescription=db VpcId=$a
             far: CreateSecurityGroup GroupName=far GroupDescription=far VpcId=$b",
        );
        cloud
    }

    /// One call: `[name:] Action Key=Value …`; `+` in a value stands for a space.
    pub fn call(&mut self, line: &str) -> Answer {
        let (name, line) = match line.split_once(": ") {
            Some((name, rest)) => (Some(name), rest),
            None => (None, line),
        };
        let mut words = line.split_whitespace();
        let mut body = format!("Action={}", words.next().unwrap());
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or_else(|| panic!("no value: {word}"));
            let value = value.strip_prefix('$').map_or(value, |name| self.id(name));
            body += &format!("&{key}={value}");
        }
        let answer = self.front.handle(SIGNED, body.as_bytes());
        if let Some(name) = name {
            assert_eq!(answer.status, 200, "{line}: {}", answer.body);
            self.ids.insert(name.to_owned(), new_id(&answer.body));
        }
        answer
    }

    pub fn id(&self, name: &str) -> &str {
        self.ids.get(name).unwrap_or_else(|| panic!("no id `{name}`"))
    }

    /// Runs a script; a line without `=>` must succeed.
    pub fn run(&mut self, script: &str) {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (call, expected) = line.split_once(" => ").unwrap_or((line, "ok"));
            let answer = self.call(call);
            assert_eq!(outcome(&answer), expected, "{call}\n{}", answer.body);
        }
    }

    /// How many rules a group has, by direction (ingress, egress).
    pub fn rules(&self, group: &str) -> (usize, usize) {
        let world = self.front.world();
        let rules = &world.state.groups[self.id(group)].rules;
        let egress = rules.values().filter(|rule| rule.key.egress).count();
        (rules.len() - egress, egress)
    }

    /// A packet from a text such as `x tcp/443 y` or `x icmp/8/0 1.2.3.4`; ends are interface names or addresses,
    /// `x@ADDRESS` is an interface with another of its addresses.
    pub fn packet(&self, text: &str) -> Packet {
        let [source, service, destination] = text.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let parts: Vec<&str> = service.split('/').collect();
        let number = |n: usize| parts.get(n).map_or(0, |part| part.parse::<u16>().unwrap());
        let (protocol, detail) = match parts[0] {
            "tcp" => (6, number(1)),
            "udp" => (17, number(1)),
            "icmp" => (1, number(1) << 8 | number(2)),
            "icmpv6" => (58, number(1) << 8 | number(2)),
            other => (other.parse().unwrap(), 0),
        };
        Packet { source: self.end(source), destination: self.end(destination), protocol, detail }
    }

    fn end(&self, text: &str) -> End {
        if let Ok(address) = text.parse::<IpAddr>() {
            return End::External(address);
        }
        let (name, address) = text.split_once('@').map_or((text, None), |(name, a)| (name, Some(a)));
        let id = self.id(name).to_owned();
        let world = self.front.world();
        let address =
            address.map_or_else(|| world.state.interfaces[&id].addresses[0], |a| a.parse().unwrap());
        assert!(world.state.interfaces[&id].addresses.contains(&address), "{name} holds {address}");
        End::Interface(id, address)
    }

    /// Lines `PACKET pass` or `PACKET cut`, by the API and, once settled, by the data plane.
    pub fn check_packets(&self, script: &str) {
        let settle = self.front.world().plane.max_ms() + 1;
        self.front.world().advance_ms(settle);
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (packet, expected) = line.rsplit_once(' ').unwrap();
            let packet = self.packet(packet);
            let world = self.front.world();
            assert_eq!(world.allows_by_api(&packet), expected == "pass", "by the API: {line}");
            assert_eq!(world.allows(&packet), expected == "pass", "on the data plane: {line}");
        }
    }
}

/// `ok`, `lost`, or the error's code.
pub fn outcome(answer: &Answer) -> String {
    match answer {
        answer if answer.is_lost() => "lost".to_owned(),
        Answer { status: 200, .. } => "ok".to_owned(),
        Answer { body, .. } => all(body, "Code").first().cloned().unwrap_or_default(),
    }
}

/// The texts of all elements with a name.
pub fn all(body: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    body.split(&open).skip(1).map(|rest| rest.split(&close).next().unwrap().to_owned()).collect()
}

/// The id of what a create call made.
fn new_id(body: &str) -> String {
    let action = body.split("Response").next().unwrap().rsplit('<').next().unwrap();
    let field = match action {
        "CreateVpc" => "vpcId",
        "CreateSubnet" => "subnetId",
        "CreateSecurityGroup" => "groupId",
        "CreateNetworkInterface" => "networkInterfaceId",
        "CreateNetworkAcl" => "networkAclId",
        "RunInstances" => "instanceId",
        "CreateVpcPeeringConnection" => "vpcPeeringConnectionId",
        _ => "securityGroupRuleId",
    };
    all(body, field).first().unwrap_or_else(|| panic!("no {field}: {body}")).clone()
}
