//! Groups of ours: made with exactly the egress that the plan says, whatever the cloud puts there and shows.

use plan::state::allow_everything;

use crate::cloud::Cloud;

/// Stale reads are drawn from the seed: enough seeds for every read of a step to be old once.
const SEEDS: u64 = 24;
const STALE_MS: u64 = 800;

#[tokio::test]
async fn old_reads_leave_no_egress_open_in_a_new_group() {
    let mut done = 0;
    for seed in 1..=SEEDS {
        let cloud = Cloud::with_a_network(seed).await;
        let observed = cloud.observe().await;
        cloud.front.world().faults.stale_ms = STALE_MS;
        let applied = cloud.apply_from(&[observed], cloud.create("bulkhead-shop-0123456789ab", false)).await;
        let Ok(applied) = applied else { continue };
        done += 1;
        let id = applied.created.unwrap();
        let world = cloud.front.world();
        let open = world.state.groups[id.as_str()].rules.len();
        assert_eq!(open, 0, "seed {seed}: done, and {open} rules are left");
    }
    assert!(done > SEEDS / 2, "{done} of {SEEDS} were done");
}

#[tokio::test]
async fn open_egress_is_open_in_both_families() {
    for with_ipv6 in [false, true] {
        let mut cloud = Cloud::with_a_network(1).await;
        if !with_ipv6 {
            cloud.seed("A: CreateVpc CidrBlock=10.9.0.0/16");
        }
        let created = cloud.apply(cloud.create("bulkhead-shop-0123456789ab", true)).await.unwrap().created;
        let observed = cloud.observe().await;
        let group = observed.groups.iter().find(|group| Some(&group.id) == created.as_ref()).unwrap();
        assert_eq!(group.egress, allow_everything(), "IPv6 in the network: {with_ipv6}");
        assert!(group.ingress.is_empty());
    }
}
