//! Tags: the keys and values of the projects and their organisation, and which instance has which value.
//!
//! Bindings are in no list over instances: each instance is asked at the Resource Manager of its zone. Where no rule
//! in force names a tag value and no key for firewalls is to be seen, no binding can matter, and nobody is asked.

use futures_util::future::try_join_all;
use provider::{ErrorKind, ProviderError};

use crate::inventory::read::Raw;
use crate::resources::{FullName, Instance, TagBinding, TagKey, TagValue};
use crate::rest::{Api, Service};

pub(crate) async fn read(api: &Api, raw: &mut Raw) -> Result<(), ProviderError> {
    let mut parents: Vec<String> = raw.projects.values().map(|project| project.name.clone()).collect();
    parents.extend(raw.organizations());
    for parent in parents {
        match keys(api, &parent).await {
            Ok(keys) => raw.tag_keys.extend(keys),
            Err(error) if error.kind == ErrorKind::Denied => {
                raw.unreadable.insert(format!("{parent} tag keys"), error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    let values = raw.tag_keys.iter().map(|key| async move {
        let query = [("parent", key.name.as_str())];
        let action = "cloudresourcemanager.tagValues.list";
        api.list_managed::<TagValue>(action, Service::Manager, "tagValues", &query).await
    });
    raw.tag_values = try_join_all(values).await?.into_iter().flatten().collect();
    if !raw.tag_keys.is_empty() || names_tags(raw) {
        bindings(api, raw).await?;
        raw.has_bindings = true;
    }
    Ok(())
}

/// The keys below a parent that rules may name.
async fn keys(api: &Api, parent: &str) -> Result<Vec<TagKey>, ProviderError> {
    let action = "cloudresourcemanager.tagKeys.list";
    let all = api.list_managed::<TagKey>(action, Service::Manager, "tagKeys", &[("parent", parent)]).await?;
    Ok(all.into_iter().filter(TagKey::is_for_firewalls).collect())
}

/// Whether any rule that was read names a tag value.
fn names_tags(raw: &Raw) -> bool {
    let own = raw.policies.iter().flat_map(|policy| policy.rules.iter().flatten());
    let in_force = raw.effective.values().flatten().flat_map(|policy| &policy.rules);
    own.chain(in_force).any(|rule| rule.secure_tags().next().is_some())
}

async fn bindings(api: &Api, raw: &mut Raw) -> Result<(), ProviderError> {
    let projects = &raw.projects;
    let reads = raw.instances.iter().map(|instance| async move {
        let number = projects.get(instance.path.project()).map_or("", |project| project.number());
        let zone = instance.path.zone().unwrap_or_default();
        let name = FullName::of_instance(number, zone, &instance.id);
        match bound(api, &name).await {
            Ok(values) => Ok(Some((instance.path.clone(), values))),
            // What is gone may not be seen: the instance itself is asked.
            Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::NotFound) => {
                match api.get::<Instance>("compute.instances.get", instance.path.as_str()).await {
                    Err(gone) if gone.kind == ErrorKind::NotFound => Ok(None),
                    Ok(found) if found.id != instance.id => Ok(None),
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    });
    let found = try_join_all(reads).await?;
    raw.bindings = found.into_iter().flatten().collect();
    let bindings = &raw.bindings;
    raw.instances.retain(|instance| bindings.contains_key(&instance.path));
    Ok(())
}

/// The tag values (`tagValues/N`) that are bound to an instance.
pub(crate) async fn bound(api: &Api, name: &FullName) -> Result<Vec<String>, ProviderError> {
    let action = "cloudresourcemanager.tagBindings.list";
    let service = Service::ManagerOf(name.zone().to_owned());
    let query = [("parent", name.as_str())];
    let all = api.list_managed::<TagBinding>(action, service, "tagBindings", &query).await?;
    Ok(all.into_iter().map(|binding| binding.tag_value).collect())
}
