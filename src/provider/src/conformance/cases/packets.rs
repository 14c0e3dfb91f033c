//! The data plane and what is said about it: by the policy, and by `semantics`.

use super::super::estate::{Policy, snapshot};
use super::super::probes::{Family, compare_with_policy, few, flows, text};
use super::super::world::{Factory, Meddling, Seed, World};
use super::super::{Outcome, ensure, graph};
use super::{carrier, converge, observe};

/// IPv4 packets pass exactly as `policy::decide` says, whether egress is enforced or not.
pub async fn packets_pass_as_the_policy_says(factory: &dyn Factory) -> Outcome {
    for egress in [false, true] {
        check(&*factory.start(&Seed::shop(egress)).await, Family::V4).await?;
    }
    Ok(())
}

/// The same for IPv6.
pub async fn ipv6_packets_pass_as_the_policy_says(factory: &dyn Factory) -> Outcome {
    for egress in [false, true] {
        let world = factory.start(&Seed::shop(egress)).await;
        world.has_ipv6()?;
        check(&*world, Family::V6).await?;
    }
    Ok(())
}

async fn check(world: &dyn World, family: Family) -> Outcome {
    for (policy, role) in [(Policy::First, "web"), (Policy::Added, "app"), (Policy::Removed, "db")] {
        world.relabel("web-3", "role", role);
        converge(world, policy).await?;
        world.settle();
        let snapshot = snapshot(&policy.files(world)?, &world.scope(), &observe(world).await?);
        let (all, pass) = compare_with_policy(world, &snapshot, family)?;
        ensure(pass > 20 && all > 10 * pass.min(20), || {
            format!("{policy:?}: {pass} of {all} {family:?} packets pass: too few to say anything")
        })?;
    }
    Ok(())
}

/// What the objects mean, ours and foreign: before the first pass, after it, and after somebody meddled.
pub async fn semantics_say_what_packets_do(factory: &dyn Factory) -> Outcome {
    let world = factory.start(&Seed::shop(true)).await;
    agree(&*world, "with nothing of ours").await?;
    converge(&*world, Policy::First).await?;
    agree(&*world, "after the first pass").await?;
    let observed = observe(&*world).await?;
    let (member, group) = carrier(&observed, "db-1")?;
    let (interface, group) = (member.id.clone(), group.id.clone());
    if world.meddle(&Meddling::TakeOut { interface, group }).is_ok() {
        agree(&*world, "after a member was taken out").await?;
    }
    Ok(())
}

async fn agree(world: &dyn World, when: &str) -> Outcome {
    world.settle();
    let observed = observe(world).await?;
    let snapshot = snapshot(&Policy::First.files(world)?, &world.scope(), &observed);
    let semantics = world.reader().semantics(&[&observed]);
    let mut packets = flows(&snapshot, Family::V4);
    packets.extend(flows(&snapshot, Family::V6));
    packets.extend(foreign_flows(&packets));
    let now = world.now_ms();
    let differs =
        |flow: &&policy::Flow| graph::passes(&semantics, &snapshot, flow) != world.passes_at(flow, now);
    let wrong: Vec<String> = packets.iter().filter(differs).map(text).collect();
    ensure(wrong.is_empty(), || {
        format!(
            "{when}: of {} packets {} do not do what semantics says: {}",
            packets.len(),
            wrong.len(),
            few(&wrong)
        )
    })
}

/// The packets that foreign objects let pass, to every workload.
fn foreign_flows(packets: &[policy::Flow]) -> Vec<policy::Flow> {
    let outside = |flow: &&policy::Flow| flow.source.interface.is_none() && flow.source.address.is_ipv4();
    let strange = |flow: &policy::Flow| {
        let mut flow = flow.clone();
        flow.source.address = std::net::Ipv4Addr::new(192, 0, 2, 7).into();
        flow.service = policy::ServicePoint::port(policy::service::protocol::TCP, 22);
        flow
    };
    packets.iter().filter(outside).map(strange).collect()
}
