//! Small estates and exactly what is desired for them.

use crate::estate::Estate;
use crate::text::text;

const SHOP: &str = "
labels: { role: [web, app, db], env: [prod, dev] }
ip_lists: { office: { addresses: [203.0.113.0/24, \"2001:db8:100::/48\"] }, probes: { addresses: [35.191.0.0/16, 130.211.0.0/22] } }
workloads: [{ name: core, labels: { role: db }, addresses: [192.0.2.10, \"2001:db8:9::10\"] }]
enforcement:
  - { match: [role=app], mode: full }
  - { match: [role=web], mode: full }
rulesets:
  - name: shop
    scopes: []
    rules:
      - { name: front, sources: [list:office], destinations: [role=web], services: [tcp/443, icmp, proto/47] }
      - { name: back, sources: [role=web], destinations: [role=app], services: [tcp/8080, tcp/8081] }
      - { name: store, sources: [role=app], destinations: [role=db], services: [tcp/5432] }
      - { name: probe, sources: [list:probes], destinations: [role=web, role=app], services: [tcp/80] }
";

#[test]
fn sources_are_tags_in_reach_and_addresses_elsewhere() {
    let estate = Estate::new(
        SHOP,
        "net a: 10.0.0.0/16 2001:db8:a::/48 peers=b
         net b: 10.1.0.0/16 peers=a
         net c: 10.2.0.0/16
         vm w1: net=a role=web @10.0.0.4 @2001:db8:a::4
         vm w2: net=b role=web @10.1.0.4
         vm w3: net=c role=web @10.2.0.4
         vm w4: net=c role=web @10.2.0.5 attach=service
         vm p1: net=a role=app @10.0.1.4
         vm d1: net=a role=db @10.0.2.4",
    );
    assert_eq!(
        text(&estate.lower()),
        "\
group (role=app @a)
  in (role=web @a) tcp/8080-8081 [back]
  in (role=web @b) tcp/8080-8081 [back]
  in 10.2.0.4/31 tcp/8080-8081 [back]
  in 35.191.0.0/16 tcp/80 [probe]
  in 130.211.0.0/22 tcp/80 [probe]
group (role=web @a)
  in 35.191.0.0/16 tcp/80 [probe]
  in 130.211.0.0/22 tcp/80 [probe]
  in 203.0.113.0/24 icmp [front]
  in 203.0.113.0/24 proto/47 [front]
  in 203.0.113.0/24 tcp/443 [front]
  in 2001:db8:100::/48 proto/47 [front]
  in 2001:db8:100::/48 tcp/443 [front]
group (role=web @b)
  in 35.191.0.0/16 tcp/80 [probe]
  in 130.211.0.0/22 tcp/80 [probe]
  in 203.0.113.0/24 icmp [front]
  in 203.0.113.0/24 proto/47 [front]
  in 203.0.113.0/24 tcp/443 [front]
  in 2001:db8:100::/48 proto/47 [front]
  in 2001:db8:100::/48 tcp/443 [front]
group (role=web @c)
  in 35.191.0.0/16 tcp/80 [probe]
  in 130.211.0.0/22 tcp/80 [probe]
  in 203.0.113.0/24 icmp [front]
  in 203.0.113.0/24 proto/47 [front]
  in 203.0.113.0/24 tcp/443 [front]
  in 2001:db8:100::/48 proto/47 [front]
  in 2001:db8:100::/48 tcp/443 [front]
member d1: rest-in:a rest-out:a
member p1: (role=app @a) rest-out:a
member w1: (role=web @a) rest-out:a
member w2: (role=web @b) rest-out:b
member w3: (role=web @c) rest-out:c
uncovered w4 (role=web): its groups are set through its instance group only
Note fallback-to-addresses gcp: 2 interfaces are named by address and not by identity: w3, w4"
    );
}

#[test]
fn destinations_are_addresses_and_a_note_says_so() {
    let estate = Estate::new(
        SHOP,
        "scope: egress
         net a: 10.0.0.0/16
         vm w1: net=a role=web @10.0.0.4
         vm p1: net=a role=app @10.0.1.4
         vm p2: net=a role=app @10.0.1.5
         vm d1: net=a role=db @10.0.2.4",
    );
    let desired = text(&estate.lower());
    for line in [
        "  out 10.0.1.4/31 tcp/8080-8081 [back]",
        "  out 10.0.2.4/32 tcp/5432 [store]",
        "  out 192.0.2.10/32 tcp/5432 [store]",
        "  out 2001:db8:9::10/128 tcp/5432 [store]",
        "member w1: (role=web @a)\n",
        "Note egress-by-address gcp: rules towards role=app, role=db name their addresses: no egress rule can name tags",
    ] {
        assert!(desired.contains(line), "{line} in\n{desired}");
    }
    assert!(!desired.contains("out (role"), "{desired}");
}

#[test]
fn a_class_that_is_renamed_keeps_its_tag() {
    let lines = "net a: 10.0.0.0/16
         vm w1: net=a role=web @10.0.0.4
         vm p1: net=a role=app @10.0.1.4";
    let before = Estate::new(SHOP, lines);
    let after = before.after(&before.steps(&before.lower()));
    let renamed = SHOP.replace("rules:\n", "rules:\n      - { name: more, sources: [role=web], destinations: [role=app, role=web], services: [tcp/9000] }\n      - { name: env, sources: [env=dev], destinations: [not env=prod], services: [tcp/1] }\n");
    let files = Estate::new(&renamed, lines).files;
    let next = Estate::seen(files, after.scope.clone(), after.observed.clone());
    let desired = next.lower();
    let held = |name: &str| next.observed.groups.iter().any(|group| group.name == name);
    let is_new = |group: &&plan::DesiredGroup| group.id.is_planned() && !held(&group.name);
    assert!(desired.groups.iter().filter(is_new).count() >= 2, "the names are others");
    let steps = next.steps(&desired);
    let mut titles: Vec<&str> = steps.steps.iter().map(|step| step.title.as_str()).collect();
    titles.sort_unstable();
    assert_eq!(titles, ["role=app: add 1 ingress rule", "role=web: add 1 ingress rule"]);
    let again = next.after(&steps);
    assert_eq!(again.steps(&again.lower()).steps, []);
}

#[test]
fn network_tags_are_sources_at_home_and_of_first_interfaces() {
    let estate = Estate::new(
        SHOP,
        "scope: network-tags
         net a: 10.0.0.0/16 2001:db8:a::/48 peers=b
         net b: 10.1.0.0/16 peers=a
         vm w1: net=a role=web @10.0.0.4 @2001:db8:a::4
         vm w2: net=b role=web @10.1.0.4
         vm w3: net=a role=web nic=1 @10.0.0.9
         vm p1: net=a role=app @10.0.1.4",
    );
    let desired = text(&estate.lower());
    let app: Vec<&str> = desired.lines().skip_while(|line| !line.contains("role=app")).take(6).collect();
    assert_eq!(
        app,
        [
            "group (role=app @a)",
            "  in (role=web @a) tcp/8080-8081 [back]",
            "  in 10.0.0.9/32 tcp/8080-8081 [back]",
            "  in 10.1.0.4/32 tcp/8080-8081 [back]",
            "  in 35.191.0.0/16 tcp/80 [probe]",
            "  in 130.211.0.0/22 tcp/80 [probe]",
        ]
    );
    for line in [
        "member w3#nic1: (role=web @a) rest-out:a\n",
        "Warning identity-by-network-tag gcp: network tags stand for classes: whoever may edit an instance may put it into any class, or take it out of one",
    ] {
        assert!(desired.contains(line), "{line} in\n{desired}");
    }
    let secure = text(&Estate::new(SHOP, "net a: 10.0.0.0/16\nvm w1: net=a role=web @10.0.0.4").lower());
    assert!(!secure.contains("identity-by-network-tag"), "{secure}");
}
