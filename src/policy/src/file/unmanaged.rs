//! Unmanaged workloads: things with labels and addresses that nobody can write rules on.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Loader;
use super::node::Node;
use crate::label::{Label, LabelSet};
use crate::name::InterfaceId;
use crate::workload::{Directions, EnforcementMode, Interface, Workload};

impl Loader<'_> {
    pub(super) fn read_workloads(&mut self, sections: &[&Node]) {
        for section in sections {
            for node in self.problems.list(section, "`workloads`") {
                self.read_workload(node);
            }
        }
        self.loaded.workloads.sort_by(|a, b| a.id.cmp(&b.id));
    }

    fn read_workload(&mut self, node: &Node) -> Option<()> {
        let keys = ["name", "labels", "addresses", "description"];
        let fields = self.problems.fields(node, "a workload", &keys)?;
        let (name, place) = self.read_name(&fields)?;
        self.define("workload", name.as_str(), place);
        let labels = fields.get("labels").map(|node| self.read_label_set(node)).unwrap_or_default();
        let written = self.problems.required(&fields, "addresses")?;
        let addresses = self.read_host_addresses(written);
        let interface = Interface {
            id: InterfaceId::from(name.as_str()),
            network: None,
            addresses,
            enforces: Directions::NONE,
        };
        self.loaded.workloads.push(Workload {
            id: name.as_str().into(),
            labels,
            mode: EnforcementMode::VisibilityOnly,
            interfaces: vec![interface],
        });
        Some(())
    }

    fn read_label_set(&mut self, node: &Node) -> LabelSet {
        let mut labels = LabelSet::new();
        for (key, _, value) in self.problems.entries(node, "`labels` of a workload").unwrap_or_default() {
            let Some(text) = self.problems.text(value, "the value of a label") else { continue };
            if let Some(Label { key, value }) = self.known_label(&format!("{key}={text}"), value.place) {
                labels.insert(key, value);
            }
        }
        labels
    }

    /// Single addresses, each of one workload only: nothing else could tell two of them apart.
    fn read_host_addresses(&mut self, node: &Node) -> Vec<IpAddr> {
        let mut addresses = Vec::new();
        let mut own = BTreeSet::new();
        let written = self.problems.texts(node, "`addresses`");
        if written.is_empty() {
            self.problems.report(node.place, "`addresses` is empty", "write at least one address");
        }
        for (text, place) in written {
            let Ok(address) = text.trim().parse::<IpAddr>() else {
                let hint = "write single addresses here; blocks belong into an IP list";
                self.problems.report(place, format!("`{text}` is not an IP address"), hint);
                continue;
            };
            if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
                let hint = "write the address that others see";
                self.problems.report(place, format!("`{text}` is not the address of a host"), hint);
            } else if self.define("address", &address.to_string(), place) && own.insert(address) {
                addresses.push(address);
            }
        }
        addresses
    }
}
