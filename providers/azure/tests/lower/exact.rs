//! Small estates and exactly what is desired for them.

use crate::estate::Estate;
use crate::text::text;

const SHOP: &str = "
labels: { role: [web, app, db], env: [prod, dev] }
ip_lists: { office: { addresses: [203.0.113.0/24, \"2001:db8:100::/48\"] }, probes: { addresses: [168.63.129.16] } }
workloads: [{ name: core, labels: { role: db }, addresses: [192.0.2.10, \"2001:db8:9::10\"] }]
enforcement:
  - { match: [role=app], mode: full }
  - { match: [role=web], mode: full }
rulesets:
  - name: shop
    scopes: []
    rules:
      - { name: front, sources: [list:office], destinations: [role=web], services: [tcp/443, icmp] }
      - { name: back, sources: [role=web], destinations: [role=app], services: [tcp/8080, tcp/8081] }
      - { name: store, sources: [role=app], destinations: [role=db], services: [tcp/5432] }
      - { name: probe, sources: [list:probes], destinations: [role=web, role=app], services: [tcp/80] }
";

#[test]
fn peers_are_groups_inside_a_network_and_addresses_elsewhere() {
    let estate = Estate::new(
        SHOP,
        "vnet a: 10.0.0.0/16 2001:db8:a::/48 peers=b
         vnet b: 10.1.0.0/16 peers=a
         nic w1: vnet=a nsg=front role=web @10.0.0.4 @2001:db8:a::4
         nic w2: vnet=b nsg=front role=web @10.1.0.4
         nic w3: vnet=b nsg=front role=web @10.1.0.5 attach=service
         nic p1: vnet=a nsg=back role=app @10.0.1.4
         nic d1: vnet=a nsg=back role=db @10.0.2.4",
    );
    assert_eq!(
        text(&estate.lower()),
        "\
group (role=app @a)
group (role=app @a)|back
  in (role=web @a) tcp/8080-8081 [back]
  in 10.1.0.4/31 tcp/8080-8081 [back]
  in 168.63.129.16/32 tcp/80 [probe]
group (role=web @a)
group (role=web @a)|front
  in 168.63.129.16/32 tcp/80 [probe]
  in 203.0.113.0/24 icmp [front]
  in 203.0.113.0/24 tcp/443 [front]
  in 2001:db8:100::/48 tcp/443 [front]
group (role=web @b)
group (role=web @b)|front
  in 168.63.129.16/32 tcp/80 [probe]
  in 203.0.113.0/24 icmp [front]
  in 203.0.113.0/24 tcp/443 [front]
  in 2001:db8:100::/48 tcp/443 [front]
member d1: rest-in:back rest-out:back
member p1: (role=app @a) (role=app @a)|back rest-out:back
member w1: (role=web @a) (role=web @a)|front rest-out:front
member w2: (role=web @b) (role=web @b)|front rest-out:front
uncovered w3 (role=web): its groups are set through its scale set only
Note fallback-to-addresses azure: 2 interfaces are named by address and not by identity: w2, w3"
    );
}

#[test]
fn egress_has_rules_of_its_own_and_no_rest() {
    let estate = Estate::new(
        SHOP,
        "scope: egress
         vnet a: 10.0.0.0/16
         nic w1: vnet=a nsg=all role=web @10.0.0.4
         nic p1: vnet=a nsg=all role=app @10.0.1.4
         nic d1: vnet=a nsg=all role=db @10.0.2.4",
    );
    assert_eq!(
        text(&estate.lower()),
        "\
group (role=app @a)
group (role=app @a)|all
  in (role=web @a) tcp/8080-8081 [back]
  in 168.63.129.16/32 tcp/80 [probe]
  out 10.0.2.4/32 tcp/5432 [store]
  out 192.0.2.10/32 tcp/5432 [store]
  out 2001:db8:9::10/128 tcp/5432 [store]
group (role=web @a)
group (role=web @a)|all
  in 168.63.129.16/32 tcp/80 [probe]
  in 203.0.113.0/24 icmp [front]
  in 203.0.113.0/24 tcp/443 [front]
  in 2001:db8:100::/48 tcp/443 [front]
  out (role=app @a) tcp/8080-8081 [back]
member d1: rest-in:all rest-out:all
member p1: (role=app @a) (role=app @a)|all
member w1: (role=web @a) (role=web @a)|all"
    );
}

#[test]
fn the_list_of_the_subnet_is_managed_where_there_are_two() {
    let estate = Estate::new(
        SHOP,
        "vnet a: 10.0.0.0/16
         nic w1: vnet=a nsg=subnet nsg=own role=web @10.0.0.4",
    );
    let desired = text(&estate.lower());
    assert!(desired.contains("member w1: (role=web @a) (role=web @a)|subnet rest-out:subnet"), "{desired}");
    assert!(!desired.contains("|own"), "{desired}");
}

#[test]
fn a_class_that_is_renamed_keeps_its_group_and_carriers() {
    let lines = "vnet a: 10.0.0.0/16
         nic w1: vnet=a nsg=all role=web @10.0.0.4
         nic w2: vnet=a nsg=other role=app @10.0.0.5
         nic p1: vnet=a nsg=all role=app @10.0.1.4";
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
    assert_eq!(
        titles,
        ["role=app: add 1 ingress rule", "role=app: add 1 ingress rule", "role=web: add 1 ingress rule"]
    );
    let again = next.after(&steps);
    assert_eq!(again.steps(&again.lower()).steps, []);
}
