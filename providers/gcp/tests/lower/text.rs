//! What is desired, as lines for people.

use plan::{Desired, Direction, GroupId, Peer};
use provider_gcp::ids::{self, GroupKind};

/// What is desired as lines, ids shortened to their names.
pub fn text(desired: &Desired) -> String {
    let short = |id: &GroupId| -> String {
        let name = id.as_str().rsplit('/').next().unwrap();
        match ids::kind_of(id) {
            GroupKind::Rest { direction: Direction::Ingress, .. } => format!("rest-in:{name}"),
            GroupKind::Rest { .. } => format!("rest-out:{name}"),
            _ => name.to_owned(),
        }
    };
    let mut groups: Vec<_> = desired.groups.iter().filter(|group| group.id.is_planned()).collect();
    groups.sort_by_key(|group| (&group.network, &group.description));
    let mut lines = Vec::new();
    for group in &groups {
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
        let names: Vec<String> = membership.groups.iter().map(&short).collect();
        let name = interface.as_str().rsplit('/').next().unwrap().trim_end_matches("#nic0");
        lines.push(format!("member {name}: {}", names.join(" ")));
    }
    for uncovered in &desired.uncovered {
        lines.push(format!("uncovered {}: {}", uncovered.name, uncovered.reason));
    }
    for finding in &desired.findings {
        lines.push(format!("{:?} {} {finding}", finding.severity, finding.code));
    }
    groups.iter().fold(lines.join("\n"), |text, group| {
        let network = group.network.as_str().rsplit('/').next().unwrap();
        text.replace(&group.name, &format!("({} @{network})", group.description))
    })
}
