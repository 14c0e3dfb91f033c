//! How much of everything there may be. Numbers with `[K]` in `providers.md` are settings for that reason.

/// The quotas.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Classic rules of a project.
    pub firewalls: usize,
    /// Networks of a project.
    pub networks: usize,
    /// Subnetworks of a project.
    pub subnetworks: usize,
    /// Network firewall policies of a project.
    pub policies: usize,
    /// The attributes of all rules of one policy.
    pub policy_tuples: usize,
    /// Global policies, and regional ones for each region, on one network.
    pub policies_per_network: usize,
    /// Blocks on one side of a rule.
    pub ranges: usize,
    /// Network tags as source of a classic rule.
    pub source_tags: usize,
    /// Network tags as target of a classic rule.
    pub target_tags: usize,
    /// Service accounts on one side of a rule.
    pub accounts: usize,
    /// Tag values on one side of a rule of a policy.
    pub secure_tags: usize,
    /// Address groups on one side of a rule of a policy.
    pub address_groups: usize,
    /// Host names on one side of a rule of a policy.
    pub host_names: usize,
    /// Network tags of an instance.
    pub tags_per_instance: usize,
    /// Tag values on one interface.
    pub tag_values_per_nic: usize,
    /// Values of one tag key that one instance may have. Resource Manager's tags have one value for each key on a
    /// resource; that tags for firewalls are no exception is an assumption, and the careful one.
    pub bound_values_per_key: usize,
    /// Tag keys of an organisation or project.
    pub keys_per_parent: usize,
    /// Tag values of a key.
    pub values_per_key: usize,
    /// Calls for each project, group and minute.
    pub calls_per_minute: u64,
    /// Calls to Resource Manager for each project and minute.
    pub manager_calls_per_minute: u64,
    /// Resources that filtered lists look at for each project and minute.
    pub scanned_per_minute: u64,
    /// Items on a page of Compute Engine, at most.
    pub page_items: usize,
    /// Items on a page of Resource Manager, at most.
    pub manager_page_items: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            firewalls: 100,
            networks: 15,
            subnetworks: 275,
            policies: 100,
            policy_tuples: 4000,
            policies_per_network: 1,
            ranges: 5000,
            source_tags: 30,
            target_tags: 70,
            accounts: 10,
            secure_tags: 256,
            address_groups: 10,
            host_names: 100,
            tags_per_instance: 64,
            tag_values_per_nic: 10,
            bound_values_per_key: 1,
            keys_per_parent: 1000,
            values_per_key: 1000,
            calls_per_minute: 1500,
            manager_calls_per_minute: 600,
            scanned_per_minute: 750_000,
            page_items: 500,
            manager_page_items: 300,
        }
    }
}
