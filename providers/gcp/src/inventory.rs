//! One complete read of several projects, as a plain value.
//!
//! Complete or an error: every page of every list, every zone, the host projects of shared networks, and every
//! reference inside the projects must lead to something that was read. What may be unreadable without making the rest
//! wrong (folders, tag keys of an organisation) is named in [`Estate::unreadable`].
//!
//! ```text
//! reach (shared VPC) ─▶ read (lists, in parallel) ─▶ tags (bindings, if anybody could need them)
//!                    ─▶ Raw ─ assemble (pure) ─▶ Estate
//! ```

pub mod attach;
pub mod estate;

mod assemble;
mod read;
mod shared;
pub(crate) mod tags;

use provider::{ErrorKind, ProviderError};

use crate::resources::{Node, Project};
use crate::rest::{Api, Service};

pub use estate::Estate;

/// What the read is called in errors that belong to no single call.
pub(crate) const ACTION: &str = "read the Google Cloud estate";

/// What is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reach {
    /// Ids of projects. The host projects of their networks are always read too.
    pub projects: Vec<String>,
    /// Whether the service projects of host projects are read too: their instances stand in the shared networks.
    pub with_service_projects: bool,
}

impl Reach {
    /// These projects, their host projects, and all service projects of these.
    pub fn of(projects: &[String]) -> Self {
        Self { projects: projects.to_vec(), with_service_projects: true }
    }
}

/// Reads everything that matters, completely or not at all. Where secure tags are in use this takes one call for each
/// instance, since bindings are in no list: `rates` of the settings say how long that takes.
///
/// # Errors
/// Any failure of any page of any list, a zone that could not be reached, and a reference to something that is not
/// there any more (it changed while it was read).
pub async fn observe(api: &Api, reach: &Reach) -> Result<Estate, ProviderError> {
    for project in &reach.projects {
        check_id(project)?;
    }
    let projects = shared::projects(api, reach).await?;
    let mut raw = read::Raw::read(api, projects).await?;
    tags::read(api, &mut raw).await?;
    assemble::assemble(&raw)
}

/// The active projects below a folder or organisation, at any depth.
///
/// # Errors
/// Any failure of any page.
pub async fn projects_below(api: &Api, node: &str) -> Result<Vec<Project>, ProviderError> {
    let is_node = node.strip_prefix("folders/").or_else(|| node.strip_prefix("organizations/"));
    if !is_node.is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())) {
        let message = format!("`{node}` is no folder or organisation");
        return Err(ProviderError::new(ErrorKind::Rejected, ACTION, message));
    }
    let (mut found, mut open) = (Vec::new(), vec![node.to_owned()]);
    while let Some(parent) = open.pop() {
        let query = [("parent", parent.as_str())];
        let action = "cloudresourcemanager.projects.list";
        let projects = api.list_managed::<Project>(action, Service::Manager, "projects", &query);
        let action = "cloudresourcemanager.folders.list";
        let folders = api.list_managed::<Node>(action, Service::Manager, "folders", &query);
        let (projects, folders) = tokio::try_join!(projects, folders)?;
        found.extend(projects.into_iter().filter(|project| project.state == "ACTIVE"));
        open.extend(folders.into_iter().map(|folder| folder.name));
    }
    found.sort_by(|a, b| a.project_id.cmp(&b.project_id));
    Ok(found)
}

/// An id goes into paths: nothing else may get there.
fn check_id(project: &str) -> Result<(), ProviderError> {
    // `example.com:project` is the old form of an id.
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | ':');
    if project.len() >= 4 && project.len() <= 100 && project.chars().all(good) && !project.contains("..") {
        return Ok(());
    }
    let message = format!("`{project}` is no id of a project");
    let mut error = ProviderError::new(ErrorKind::Rejected, ACTION, message);
    error.hint = "give the id that `gcloud projects list` shows as `PROJECT_ID`".to_owned();
    Err(error)
}
