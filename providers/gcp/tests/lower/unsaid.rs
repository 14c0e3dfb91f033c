//! What Google Cloud cannot say is said to people, and blocks.

use plan::{Direction, Owner, PathFilter};
use policy::Severity;
use provider_gcp::observed::derive;
use provider_gcp::{GcpSettings, band, ids};

use crate::estate::{Estate, INSTALLATION, network_id};
use crate::text::text;

fn policy(mode: &str, rule: &str) -> String {
    format!(
        "labels: {{ role: [web, db] }}\n\
         enforcement: [{{ match: [role=web], mode: {mode} }}]\n\
         rulesets: [{{ name: set, scopes: [], rules: [{{ name: r, {rule} }}] }}]\n"
    )
}

const RULE: &str = "sources: [role=db], destinations: [role=web], services: [tcp/80]";
const TWO: &str = "net a: 10.0.0.0/16 2001:db8:a::/48
    vm w1: net=a role=web @10.0.0.4 @2001:db8:a::4
    vm d1: net=a role=db @10.0.0.5 @2001:db8:a::5";

/// Findings of a severity, with their codes.
fn found(policy: &str, lines: &str, severity: Severity) -> Vec<String> {
    let desired = Estate::new(policy, lines).lower();
    let found = desired.findings.iter().filter(|finding| finding.severity == severity);
    found.map(|finding| format!("{} {finding}", finding.code)).collect()
}

fn blocking(policy: &str, lines: &str) -> Vec<String> {
    found(policy, lines, Severity::Blocking)
}

#[test]
fn only_icmp_types_have_no_words() {
    let service = |service: &str| {
        let rule = format!("sources: [role=db], destinations: [role=web], services: [{service}]");
        blocking(&policy("full", &rule), TWO)
    };
    for fine in ["tcp/80", "udp", "all", "icmp", "icmpv6", "proto/47", "icmp/3/4", "icmpv6/2"] {
        assert_eq!(service(fine), [""; 0], "{fine}");
    }
    for bad in ["icmp/8", "icmpv6/128"] {
        let line = format!("service-on-cloud set/r: no rule of a firewall policy can say `{bad}`");
        assert_eq!(service(bad), [line]);
    }
    assert_eq!(service("icmp/3").len(), 1, "one finding for each service, those that are essential aside");
}

#[test]
fn selective_and_denies_block_with_the_reason() {
    assert_eq!(
        blocking(&policy("selective", RULE), TWO),
        [
            "selective-on-cloud role=web: selective enforcement needs deny rules of the policy, and this version lowers allow rules only"
        ]
    );
    for action in ["deny", "override-deny"] {
        assert_eq!(
            blocking(&policy("full", &format!("{RULE}, action: {action}")), TWO),
            [
                "deny-on-cloud set/r: a deny rule matters here, and this version does not lower deny rules to firewall policies"
            ]
        );
    }
}

#[test]
fn a_policy_of_somebody_else_in_the_place_of_ours_blocks() {
    let taken = format!("{TWO}\npolicy a: theirs");
    assert_eq!(
        blocking(&policy("full", RULE), &taken),
        [
            "policy-taken projects/p/global/networks/a: the firewall policy theirs of projects/p/global/networks/a of somebody else is where ours has to be"
        ]
    );
    assert_eq!(blocking(&policy("visibility_only", RULE), &taken), [""; 0]);
}

#[test]
fn probes_that_will_be_cut_are_a_warning() {
    let probes = format!("{TWO}\nrule a: 1000 tcp/80 from 35.191.0.0/16");
    assert_eq!(
        found(&policy("full", RULE), &probes, Severity::Warning),
        ["probes-not-allowed gcp: health probes of a load balancer will not reach role=web"]
    );
    assert_eq!(found(&policy("full", RULE), TWO, Severity::Warning), [""; 0], "nobody lets them in now");
}

#[test]
fn an_interface_that_leaves_enforcement_gets_its_rests_back() {
    let before = Estate::new(&policy("full", RULE), &format!("scope: egress\n{TWO}"));
    let closed = before.after(&before.steps(&before.lower()));
    let files = Estate::new(&policy("visibility_only", RULE), TWO).files;
    let next = Estate::seen(files, closed.scope.clone(), closed.observed.clone());
    let desired = text(&next.lower());
    assert!(desired.contains("member w1: rest-in:a rest-out:a"), "{desired}");
    let again = next.after(&next.steps(&next.lower()));
    assert_eq!(again.steps(&again.lower()).steps, []);
}

#[test]
fn an_interface_with_the_tag_of_closed_ones_gets_its_rests_back() {
    for priorities in [GcpSettings::new(INSTALLATION).priorities, (5_000, 5_999)] {
        let settings = GcpSettings { priorities, ..GcpSettings::new(INSTALLATION) };
        let closed = closed(&settings);
        let rests = |name: &str| {
            let interface =
                closed.observed.interfaces.iter().find(|interface| interface.name == name).unwrap();
            let is_rest = |id: &&plan::GroupId| matches!(ids::kind_of(id), ids::GroupKind::Rest { .. });
            interface.groups.iter().filter(is_rest).count()
        };
        assert_eq!((rests("w1"), rests("d1")), (0, 2), "one is closed");
        let desired = text(&closed.with_input(|input| provider_gcp::lower::lower(&settings, input)));
        assert!(desired.contains("member w1: rest-in:a rest-out:a"), "{priorities:?}\n{desired}");
    }
}

/// An estate in which nobody is enforced, and one interface has the tags of a class and of closed ones.
fn closed(settings: &GcpSettings) -> Estate {
    let open = Estate::new(&policy("visibility_only", RULE), TWO);
    let (network, own) = (network_id("a"), settings.band());
    let id = ids::policy(INSTALLATION, &network).as_str().to_owned();
    let mut observed = derive::strip(open.observed.clone());
    let class = plan::GroupId::from("tagValues/1");
    let target = band::Target { id: &class, name: "bulkhead-t-0123456789ab" };
    let fact = plan::RuleSpec {
        peer: plan::Peer::Cidr("10.0.0.0/8".parse().unwrap()),
        service: plan::RuleService::All,
    };
    let mut rules = Vec::new();
    band::add(&own, &rules, target, Direction::Ingress, &[fact]).unwrap().apply_to(&mut rules);
    let mut groups = vec![class.clone()];
    for direction in [Direction::Ingress, Direction::Egress] {
        band::close(&own, &rules, &network, direction).unwrap().apply_to(&mut rules);
        groups.push(ids::closed(&network, direction));
    }
    let web = observed.interfaces.iter_mut().find(|interface| interface.name == "w1").unwrap();
    web.groups.extend(groups);
    observed.path_filters.push(PathFilter {
        id: id.clone(),
        name: "ours".to_owned(),
        owner: Owner::Ours,
        rules,
    });
    for interface in &mut observed.interfaces {
        interface.path_filters.insert(0, id.clone());
    }
    Estate::seen(open.files, open.scope, derive::derive(&own, observed))
}
