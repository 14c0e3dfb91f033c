//! The section `scopes`: which corners of which clouds are read, and in which of them we may write.

use std::collections::BTreeMap;

use plan::{Attachment, Cloud, Drift, Gates, Scope, Transients};
use policy::file::{Fields, Node, Place, Problems};

use super::{ScopeConfig, credential, duration, place, place_of, quota, refuse_empty};

const KEYS: [&str; 16] = [
    "name",
    "provider",
    "credential",
    "account",
    "below",
    "region",
    "networks",
    "enforce",
    "direction",
    "attachment",
    "drift",
    "settle",
    "share",
    "transients",
    "gate",
    "quota",
];

/// How long a verified change takes to reach every packet, unless the scope says otherwise.
const SETTLE_MS: u64 = 15_000;
/// The share of every API bucket that is ours, unless the scope says otherwise.
const SHARE: f64 = 0.5;

pub(super) fn read(problems: &mut Problems<'_>, fields: &Fields<'_>) -> Vec<ScopeConfig> {
    let Some(node) = problems.required(fields, "scopes") else { return Vec::new() };
    refuse_empty(problems, node, "`scopes`", "name at least one account and region");
    let mut names: BTreeMap<String, Place> = BTreeMap::new();
    let mut scopes = Vec::new();
    for node in problems.list(node, "`scopes`") {
        let Some((scope, place)) = read_scope(problems, node) else { continue };
        let name = scope.scope.id.as_str().to_owned();
        if let Some(first) = names.get(&name) {
            problems.report_duplicate(&format!("scope `{name}`"), place, *first);
        } else {
            names.insert(name, place);
            scopes.push(scope);
        }
    }
    scopes
}

fn read_scope(problems: &mut Problems<'_>, node: &Node) -> Option<(ScopeConfig, Place)> {
    let fields = problems.fields(node, "a scope", &KEYS)?;
    let name = word(problems, &fields, "name", "write letters, digits, `.`, `_` or `-`");
    let clouds = [("aws", Cloud::Aws), ("azure", Cloud::Azure), ("gcp", Cloud::Gcp)];
    let cloud = problems
        .required(&fields, "provider")
        .map(|_| problems.choice(&fields, "provider", &clouds, Cloud::Aws))
        .unwrap_or_default();
    let region = place::region(problems, &fields, cloud);
    let below = place::below(problems, &fields, cloud);
    let account =
        if below.is_some() { Some(String::new()) } else { place::account(problems, &fields, cloud) };
    let credential = credential::read(problems, &fields, cloud);
    let networks = fields.get("networks").map(|node| {
        refuse_empty(problems, node, "`networks`", "leave the key out to take every network of the account");
        problems.texts(node, "`networks`")
    });
    let networks = networks.unwrap_or_default().into_iter().map(|(text, _)| text.into()).collect();
    let enforce = problems.flag(&fields, "enforce", false);
    let egress = problems.choice(&fields, "direction", &[("ingress", false), ("both", true)], false);
    let attachments = [("additive", Attachment::Additive), ("exclusive", Attachment::Exclusive)];
    let attachment = problems.choice(&fields, "attachment", &attachments, Attachment::default());
    let drifts = [("repair", Drift::Repair), ("report", Drift::Report)];
    let drift = problems.choice(&fields, "drift", &drifts, Drift::default());
    let wins = [("keep", Transients::Keep), ("cut", Transients::Cut)];
    let transients = problems.choice(&fields, "transients", &wins, Transients::default());
    let settle = duration(problems, &fields, "settle");
    let settle_ms = settle.map_or(SETTLE_MS, |settle| u64::try_from(settle.as_millis()).unwrap_or(u64::MAX));
    let share = read_share(problems, &fields);
    let gates = read_gates(problems, &fields);
    let quota = quota::read(problems, &fields, cloud);
    fields.get("provider")?;
    let scope = Scope {
        id: name?.into(),
        cloud,
        account: account?,
        region: region?,
        networks,
        enforce,
        egress,
        attachment,
        drift,
        settle_ms,
        transients,
        gates,
    };
    let place = place_of(&fields, "name");
    Some((ScopeConfig { scope, below, credential, share, quota }, place))
}

pub(super) fn word<'n>(
    problems: &mut Problems<'_>,
    fields: &Fields<'n>,
    key: &str,
    hint: &str,
) -> Option<&'n str> {
    let node = problems.required(fields, key)?;
    let text = problems.text(node, &format!("`{key}`"))?;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty() || !text.chars().all(legal) {
        problems.report(node.place, format!("`{key}` cannot be `{text}`"), hint);
        return None;
    }
    Some(text)
}

fn read_share(problems: &mut Problems<'_>, fields: &Fields<'_>) -> f64 {
    const HINT: &str = "write a number above 0 and at most 1, such as `0.5`: others use the account too";
    let share: f64 = problems.parsed(fields, "share", HINT).unwrap_or(SHARE);
    if share > 0.0 && share <= 1.0 {
        return share;
    }
    problems.report(place_of(fields, "share"), format!("`share` cannot be `{share}`"), HINT);
    SHARE
}

fn read_gates(problems: &mut Problems<'_>, fields: &Fields<'_>) -> Gates {
    let gate = fields.get("gate");
    let Some(fields) = gate.and_then(|node| problems.fields(node, "`gate`", &["exposure", "obstruction"]))
    else {
        return Gates::default();
    };
    let exposure = problems.flag(&fields, "exposure", false);
    let obstruction = problems.flag(&fields, "obstruction", false);
    Gates { exposure, obstruction }
}
