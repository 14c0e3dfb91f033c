//! References between resources: full links, partial ones, and the paths that they come to.
//!
//! A path (`projects/p/global/networks/n`) names a resource inside; links are kept with the public cloud's address
//! and shown with the address that was asked at, so that clients that follow them come back.

use serde_json::Value;

/// What links begin with in the public cloud.
pub const BASE: &str = "https://www.googleapis.com/compute/v1/";

/// The link of a path.
pub fn link(path: &str) -> String {
    format!("{BASE}{path}")
}

/// The path that a full or partial link comes to; a partial one is of the project.
pub fn path_of(reference: &str, project: &str) -> String {
    let inside = match reference.split_once("/compute/") {
        Some((_, rest)) => rest.split_once('/').map_or(rest, |(_, path)| path),
        None => reference,
    };
    let inside = inside.trim_start_matches('/');
    if ["global/", "regions/", "zones/"].iter().any(|place| inside.starts_with(place)) {
        return format!("projects/{project}/{inside}");
    }
    inside.to_owned()
}

/// The path that a link of ours comes to.
pub fn own_path(link: &str) -> &str {
    link.strip_prefix(BASE).unwrap_or(link)
}

/// The last part of a path or link.
pub fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// The project of a path.
pub fn project_of(path: &str) -> &str {
    path.strip_prefix("projects/").and_then(|rest| rest.split('/').next()).unwrap_or_default()
}

/// Where the operations on a path live: `projects/p/zones/z`, `projects/p/regions/r`, `projects/p/global`,
/// `locations/global`.
pub fn scope_of(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["locations", ..] => "locations/global".to_owned(),
        ["projects", project, place @ ("zones" | "regions"), name, ..] => {
            format!("projects/{project}/{place}/{name}")
        }
        ["projects", project, ..] => format!("projects/{project}/global"),
        _ => String::new(),
    }
}

/// The region of a regional or zonal path.
pub fn region_of(path: &str) -> Option<&str> {
    let mut parts = path.split('/').skip(2);
    match (parts.next(), parts.next()) {
        (Some("regions"), Some(region)) => Some(region),
        (Some("zones"), Some(zone)) => zone.rsplit_once('-').map(|(region, _)| region),
        _ => None,
    }
}

/// Lets every link lead to another address.
pub fn lead_to(value: &mut Value, base: &str) {
    match value {
        Value::String(text) => {
            if let Some(path) = text.strip_prefix(BASE) {
                *text = format!("{base}{path}");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| lead_to(item, base)),
        Value::Object(fields) => fields.values_mut().for_each(|field| lead_to(field, base)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_link_comes_to_its_path() {
        let path = "projects/p/global/networks/n";
        for form in [
            "https://www.googleapis.com/compute/v1/projects/p/global/networks/n",
            "http://127.0.0.1:1/compute/v1/projects/p/global/networks/n",
            "projects/p/global/networks/n",
            "global/networks/n",
        ] {
            assert_eq!(path_of(form, "p"), path);
        }
        assert_eq!(scope_of("projects/p/zones/z-b/instances/i"), "projects/p/zones/z-b");
        assert_eq!(region_of("projects/p/zones/europe-west1-b/instances/i"), Some("europe-west1"));
        assert_eq!(scope_of("projects/p"), "projects/p/global");
    }
}
