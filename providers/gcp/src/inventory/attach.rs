//! Whether membership of an instance can be written, and whether it lasts.

use crate::inventory::estate::{Attach, Maker};
use crate::resources::Instance;

/// Labels that services leave on instances that they make.
const LABELS: [(&str, Maker); 6] = [
    ("goog-gke-node", Maker::Kubernetes),
    ("goog-k8s-cluster-name", Maker::Kubernetes),
    ("goog-dataproc-cluster-name", Maker::Dataproc),
    ("goog-dataflow-job-id", Maker::Dataflow),
    ("goog-composer-environment", Maker::Composer),
    ("goog-vertex-managed", Maker::Vertex),
];

/// How an instance's membership is written.
pub fn of_instance(instance: &Instance) -> Attach {
    if let Some((label, maker)) = LABELS.iter().find(|(label, _)| instance.labels.contains_key(*label)) {
        return Attach::Through { maker: *maker, evidence: format!("label `{label}`") };
    }
    match instance.metadata("created-by") {
        Some(group) if group.contains("/instanceGroupManagers/") => Attach::Through {
            maker: Maker::InstanceGroup,
            evidence: format!("made by `{}`", group.rsplit('/').next().unwrap_or_default()),
        },
        _ => Attach::Direct,
    }
}
