//! Small random policies as the text of a policy file, over three roles in two environments.

use std::fmt::Write;

use policy::{NetworkId, Translation};

/// What the workloads of an estate may carry as `role` and `env`.
pub const ROLES: [&str; 3] = ["web", "app", "db"];
/// See [`ROLES`].
pub const ENVIRONMENTS: [&str; 2] = ["prod", "dev"];

/// The text of a policy. `pick` gives a number below its argument; `services` are those that rules may name.
pub fn text(pick: &mut dyn FnMut(usize) -> usize, services: &[&str]) -> String {
    let mut text = String::from(
        "labels: { role: [web, app, db], env: [prod, dev] }\n\
         ip_lists:\n  ten: { addresses: [10.0.0.0/8] }\n  office: { addresses: [203.0.113.0/24, \"2001:db8:100::/48\"] }\n\
         workloads:\n  - { name: core, labels: { role: db, env: prod }, addresses: [192.0.2.10, \"2001:db8:9::10\"] }\n\
         enforcement:\n",
    );
    for _ in 0..1 + pick(2) {
        let side = ["[]", "[role=web]", "[role=db]", "[env=prod]", "[role=app, env=prod]"][pick(5)];
        let mode = ["full", "full", "full", "visibility_only"][pick(4)];
        let _ = writeln!(text, "  - {{ match: {side}, mode: {mode} }}");
    }
    text.push_str("rulesets:\n");
    for ruleset in 0..1 + pick(2) {
        let scopes = ["[]", "[[env=prod]]", "[[env=prod], [env=dev]]"][pick(3)];
        let _ = writeln!(text, "  - name: set{ruleset}\n    scopes: {scopes}\n    rules:");
        for rule in 0..1 + pick(4) {
            let (sources, destinations) = match pick(5) {
                0 => (format!("list:{}", ["ten", "office", "any"][pick(3)]), actor(pick)),
                1 => (actor(pick), format!("list:{}", ["ten", "office", "any"][pick(3)])),
                _ => (actor(pick), actor(pick)),
            };
            let service = services[pick(services.len())];
            let scope = ["intra", "extra"][pick(2)];
            let _ = writeln!(
                text,
                "      - {{ name: rule{rule}, scope: {scope}, sources: [{sources}], destinations: [{destinations}], services: [{service}] }}"
            );
        }
    }
    text
}

fn actor(pick: &mut dyn FnMut(usize) -> usize) -> String {
    match pick(6) {
        0 => "all-workloads".to_owned(),
        1 => format!("not role={}", ROLES[pick(3)]),
        2 => format!("env={}", ENVIRONMENTS[pick(2)]),
        3 => format!("role={}, role={}", ROLES[pick(3)], ROLES[pick(3)]),
        _ => format!("role={}", ROLES[pick(3)]),
    }
}

/// What addresses of some of the networks look like from elsewhere: none, one for a whole network, or several for parts.
pub fn translations(random: &mut dyn FnMut(usize) -> usize, networks: &[NetworkId]) -> Vec<Translation> {
    const SEEN: [&str; 4] = ["203.0.113.7", "198.51.100.1", "2001:db8:100::1", "192.0.2.10"];
    const FROM: [&str; 4] = ["10.0.0.0/30", "10.0.0.4/30", "10.1.0.0/29", "2001:db8::/32"];
    let mut all = Vec::new();
    if random(2) == 0 {
        return all;
    }
    for network in networks {
        for _ in 0..random(3) {
            let addresses =
                (0..1 + random(2)).filter_map(|_| SEEN[random(SEEN.len())].parse().ok()).collect();
            let from = (0..random(3)).filter_map(|_| FROM[random(FROM.len())].parse().ok()).collect();
            let towards = (0..random(2)).map(|_| networks[random(networks.len())].clone()).collect();
            all.push(Translation { network: network.clone(), from, towards, addresses });
        }
    }
    all
}
