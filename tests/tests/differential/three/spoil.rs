//! A rule of ours is taken away through the back door of its cloud. The proof of a fresh read must name a packet that
//! objects and policy treat differently, or more that others let pass (without a deny of ours); if it does neither, no
//! packet of the run may be treated differently by the clouds.

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use mock_aws::state::Source;
use policy::{Flow, ServiceSet, decide};
use reconcile::pass::PassStatus;
use serde_json::Value;

use super::coverage::Seen;
use super::{INSTALLATION, SETTLED_MS, World};
use crate::cloud::end_from;

/// Spoils one rule and checks the proof of what is read then.
pub async fn check(
    rng: &mut Rng,
    world: &World,
    before: &PassStatus,
    flows: &[Flow],
    seen: &mut Seen,
) -> Result<()> {
    let Some(what) = spoil(rng, world) else { return Ok(()) };
    world.clouds.time().advance_ms(SETTLED_MS);
    seen.common.spoiled += 1;
    let snapshot = &before.planned.snapshot;
    let reading = reconcile::planning::observe(&world.drivers.reader, &world.estate.scopes).await;
    ensure!(reading.unobserved.is_empty(), "{what}: not read");
    let states: Vec<_> = reading.observed.iter().map(|(_, observed)| observed).collect();
    let graph = provider::CloudReader::semantics(&world.drivers.reader, &states);
    let proof = plan::prove(&graph, &before.planned.compiled, snapshot);
    for witness in &proof.witnesses {
        let services: ServiceSet = witness.service.parse()?;
        let service = services.first().context("no service")?;
        let (source, destination) = (end_from(&witness.source)?, end_from(&witness.destination)?);
        let flow = Flow { source, destination, service };
        let decision = decide(snapshot, &flow);
        let intended = if witness.direction == plan::Direction::Ingress {
            decision.ingress.passes()
        } else {
            decision.egress.passes()
        };
        ensure!(intended != witness.admitted, "{what}: {witness:?}\nthe oracle decides {decision:?}");
    }
    let exposed = proof.exposures.len() > before.planned.plan.proof.exposures.len();
    if proof.equivalent && !exposed {
        for flow in flows.iter().filter(|flow| !policy::compiled::essential_services().contains(flow.service))
        {
            let [egress, ingress] = world.estate.expected(flow, &decide(snapshot, flow));
            let passes = world.delivered(snapshot, flow);
            ensure!(passes == (egress && ingress), "{what}: the proof misses {flow:?}");
        }
    } else {
        seen.common.found += 1;
    }
    Ok(())
}

/// Takes away a rule of ours in a cloud; says which, or `None` if that cloud has none.
fn spoil(rng: &mut Rng, world: &World) -> Option<String> {
    match rng.u8(..3) {
        0 => in_aws(rng, world),
        1 => in_azure(rng, world),
        _ => in_gcp(rng, world),
    }
}

fn in_aws(rng: &mut Rng, world: &World) -> Option<String> {
    let mut aws = world.clouds.aws.world();
    let ours = aws
        .state
        .groups
        .iter()
        .filter(|(_, group)| !["open", "quiet", "others", "default"].contains(&group.name.as_str()));
    let rules: Vec<(String, String, bool, bool)> = ours
        .flat_map(|(id, group)| {
            group.rules.iter().map(|(rule, held)| {
                let any = matches!(&held.key.source, Source::Cidr(block) if block.prefix_len() == 0);
                (id.clone(), rule.clone(), held.key.egress, any && held.key.protocol == "-1")
            })
        })
        .collect();
    // The open egress of a scope that enforces ingress is not what the proof is about.
    let rules: Vec<_> = rules.into_iter().filter(|(.., egress, all)| !(*egress && *all)).collect();
    let (group, rule, egress, _) = rng.choice(&rules)?.clone();
    let side = if egress { "Egress" } else { "Ingress" };
    let params = [("GroupId", group.as_str()), ("SecurityGroupRuleId.1", rule.as_str())];
    aws.perform(&format!("RevokeSecurityGroup{side}"), &params).unwrap();
    Some(format!("AWS: {group} lost {rule}"))
}

fn in_azure(rng: &mut Rng, world: &World) -> Option<String> {
    let mut azure = world.clouds.azure.world();
    let prefix = format!("/securityrules/bulkhead-{INSTALLATION}-");
    let ours: Vec<String> =
        azure.state.resources.keys().filter(|key| key.contains(&prefix)).cloned().collect();
    let rule = rng.choice(&ours)?.clone();
    azure.perform("DELETE", &rule, &Value::Null).unwrap();
    Some(format!("Azure: {rule} is gone"))
}

fn in_gcp(rng: &mut Rng, world: &World) -> Option<String> {
    let mut gcp = world.clouds.gcp.world();
    let list = "projects/demo-project/global/firewallPolicies";
    let shown = gcp.perform("GET", list, &Value::Null).unwrap();
    let policies = shown["items"].as_array().cloned().unwrap_or_default();
    let mut rules: Vec<(String, u64)> = Vec::new();
    for policy in &policies {
        let name = policy["name"].as_str().unwrap_or_default();
        let held = policy["rules"].as_array().cloned().unwrap_or_default();
        let ours = held.iter().filter_map(|rule| rule["priority"].as_u64());
        let ours = ours.filter(|priority| (1_000_000..2_100_000).contains(priority));
        rules.extend(ours.map(|priority| (name.to_owned(), priority)));
    }
    let (policy, priority) = rng.choice(&rules)?.clone();
    let path = format!("{list}/{policy}/removeRule?priority={priority}");
    gcp.perform("POST", &path, &Value::Null).unwrap();
    Some(format!("GCP: {policy} lost rule {priority}"))
}
