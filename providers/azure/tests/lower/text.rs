//! What is desired, as lines for people.

use std::collections::BTreeMap;

use plan::{Desired, GroupId, Peer};

/// What is desired as lines, ids shortened to their names.
pub fn text(desired: &Desired) -> String {
    let short = |id: &GroupId| -> String {
        let names = id.as_str().split('|').map(|part| part.rsplit('/').next().unwrap());
        let kind = if id.as_str().starts_with("rest-in") {
            "rest-in:"
        } else if id.as_str().starts_with("rest-out") {
            "rest-out:"
        } else {
            ""
        };
        kind.to_owned() + &names.collect::<Vec<_>>().join("|")
    };
    let class_names: BTreeMap<String, String> = desired
        .groups
        .iter()
        .filter(|group| group.id.is_planned() && !group.name.contains('|'))
        .map(|group| {
            let network = group.network.as_str().rsplit('/').next().unwrap();
            (group.name.clone(), format!("({} @{network})", group.description))
        })
        .collect();
    let mut lines = Vec::new();
    let mut groups: Vec<_> = desired.groups.iter().filter(|group| group.id.is_planned()).collect();
    groups.sort_by_key(|group| (&group.network, &group.description, group.name.split_once('|')));
    for group in groups {
        lines.push(format!("group {}", short(&group.id)));
        for (direction, rules) in [("in", &group.ingress), ("out", &group.egress)] {
            for (rule, reasons) in rules {
                let peer = match &rule.peer {
                    Peer::Group(id) => short(id),
                    other => other.to_string(),
                };
                let reasons: Vec<String> = reasons.iter().map(|reason| reason.rule.to_string()).collect();
                lines.push(format!("  {direction} {peer} {} [{}]", rule.service, reasons.join(" ")));
            }
        }
    }
    for (interface, membership) in &desired.members {
        let groups: Vec<String> = membership.groups.iter().map(&short).collect();
        let name = interface.as_str().rsplit('/').next().unwrap();
        lines.push(format!("member {name}: {}", groups.join(" ")));
    }
    for uncovered in &desired.uncovered {
        lines.push(format!("uncovered {}: {}", uncovered.name, uncovered.reason));
    }
    for finding in &desired.findings {
        lines.push(format!("{:?} {} {finding}", finding.severity, finding.code));
    }
    let mut text = lines.join("\n");
    for (name, class) in class_names {
        text = text.replace(&name, &class);
    }
    text
}
