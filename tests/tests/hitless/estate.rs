//! The shop at rest: two peered networks, eight interfaces, a foreign group on each.

use mock_aws::{Settings, World};
use plan::{Attachment, Cloud, Drift, Gates, Scope, Transients};

/// How long a change takes to reach an interface.
pub const DELAY_MS: (u64, u64) = (20, 1500);

/// What the scopes enforce.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Directions {
    Ingress,
    Both,
}

impl Directions {
    pub const ALL: [Self; 2] = [Self::Ingress, Self::Both];
}

/// The simulated account and what of it has a name.
#[derive(Clone)]
pub struct Estate {
    pub world: World,
    pub vpcs: [String; 2],
    /// The machines of [`MACHINES`], by their place in it.
    pub machines: [String; 8],
}

/// Network, role and tier of every machine.
const MACHINES: [(usize, &str, &str); 8] = [
    (0, "web", "gold"),
    (0, "web", "plain"),
    (1, "web", "plain"),
    (0, "app", "silver"),
    (1, "app", "plain"),
    (0, "db", "plain"),
    (1, "db", "plain"),
    (1, "db", "gold"),
];

/// A network with its subnet and its foreign group.
struct Place {
    vpc: String,
    subnet: String,
    group: String,
}

impl Estate {
    pub fn new() -> Self {
        let settings = Settings { delay_ms: DELAY_MS, call_ms: 20, throttle: false, ..Settings::default() };
        let mut world = World::new(settings);
        let places = ["10.1", "10.2"].map(|block| place(&mut world, block));
        peer(&mut world, &places);
        let machines = MACHINES.map(|(at, role, tier)| machine(&mut world, &places[at], role, tier));
        settle(&mut world);
        let [first, second] = places;
        Self { world, vpcs: [first.vpc, second.vpc], machines }
    }

    /// A scope for each network.
    pub fn scopes(&self, directions: Directions, settle_ms: u64) -> Vec<Scope> {
        self.vpcs.iter().map(|vpc| scope(vpc, directions, settle_ms)).collect()
    }
}

/// Lets every change reach everybody.
pub fn settle(world: &mut World) {
    world.advance_ms(DELAY_MS.1 + 1);
}

fn scope(vpc: &str, directions: Directions, settle_ms: u64) -> Scope {
    Scope {
        id: vpc.into(),
        cloud: Cloud::Aws,
        account: String::new(),
        region: "eu-west-1".to_owned(),
        networks: vec![vpc.into()],
        enforce: true,
        egress: directions == Directions::Both,
        attachment: Attachment::Additive,
        drift: Drift::Repair,
        settle_ms,
        transients: Transients::Keep,
        gates: Gates::default(),
    }
}

fn place(world: &mut World, block: &str) -> Place {
    let (wide, narrow) = (format!("{block}.0.0/16"), format!("{block}.1.0/24"));
    let vpc = made(world, "CreateVpc", &[("CidrBlock", &wide)], "vpcId");
    let subnet = made(world, "CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", &narrow)], "subnetId");
    let named = [("VpcId", vpc.as_str()), ("GroupName", "legacy"), ("GroupDescription", "legacy")];
    let group = made(world, "CreateSecurityGroup", &named, "groupId");
    let ssh = [
        ("GroupId", group.as_str()),
        ("IpPermissions.1.IpProtocol", "tcp"),
        ("IpPermissions.1.FromPort", "22"),
        ("IpPermissions.1.ToPort", "22"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "10.0.0.0/8"),
    ];
    world.perform("AuthorizeSecurityGroupIngress", &ssh).unwrap();
    let all = [
        ("GroupId", group.as_str()),
        ("IpPermissions.1.IpProtocol", "-1"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
    ];
    world.perform("RevokeSecurityGroupEgress", &all).unwrap();
    Place { vpc, subnet, group }
}

fn peer(world: &mut World, [first, second]: &[Place; 2]) {
    let ends = [("VpcId", first.vpc.as_str()), ("PeerVpcId", second.vpc.as_str())];
    let peering = made(world, "CreateVpcPeeringConnection", &ends, "vpcPeeringConnectionId");
    world.perform("AcceptVpcPeeringConnection", &[("VpcPeeringConnectionId", peering.as_str())]).unwrap();
}

/// The id of a new machine with one interface.
fn machine(world: &mut World, place: &Place, role: &str, tier: &str) -> String {
    let at = [("SubnetId", place.subnet.as_str()), ("SecurityGroupId.1", place.group.as_str())];
    let interface = made(world, "CreateNetworkInterface", &at, "networkInterfaceId");
    let params = [
        ("NetworkInterface.1.NetworkInterfaceId", interface.as_str()),
        ("TagSpecification.1.ResourceType", "instance"),
        ("TagSpecification.1.Tag.1.Key", "role"),
        ("TagSpecification.1.Tag.1.Value", role),
        ("TagSpecification.1.Tag.2.Key", "tier"),
        ("TagSpecification.1.Tag.2.Value", tier),
    ];
    made(world, "RunInstances", &params, "instanceId")
}

/// Makes something; its id is in this field of the answer.
fn made(world: &mut World, action: &str, params: &[(&str, &str)], field: &str) -> String {
    let answer = world.perform(action, params).unwrap();
    answer.split(&format!("<{field}>")).nth(1).unwrap().split('<').next().unwrap().to_owned()
}
