//! The key `credential` of a scope: who we are on Azure and Google Cloud. One kind, chosen here and never by trying all.
//!
//! Secrets stand in the environment and never in the file.

use plan::Cloud;
use policy::file::{Fields, Problems};

/// Which kind of credential a scope uses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Credential {
    /// Amazon: what the SDK finds in its usual places.
    #[default]
    Sdk,
    /// Azure: whoever is logged in with `az login`.
    AzureCli,
    /// Azure: the identity of the machine, or the assigned one in `AZURE_CLIENT_ID`.
    ManagedIdentity,
    /// Azure: a federated token by the `AZURE_…` variables that Kubernetes sets.
    WorkloadIdentity,
    /// Azure: `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`.
    ClientSecret,
    /// Google: whoever is logged in with `gcloud auth login`.
    Gcloud,
    /// Google: the service account of the machine.
    Metadata,
    /// Google: the key of a service account, in the file that `GOOGLE_APPLICATION_CREDENTIALS` names.
    KeyFile,
    /// Google: an access token that somebody keeps fresh in the file that `BULKHEAD_GCP_TOKEN_FILE` names.
    TokenFile,
}

pub(super) fn read(problems: &mut Problems<'_>, fields: &Fields<'_>, cloud: Cloud) -> Credential {
    match cloud {
        Cloud::Aws => {
            if let Some(node) = fields.get("credential") {
                let hint = "leave the key out: set AWS_PROFILE or the like, as for every tool of AWS";
                problems.report(node.place, "a scope on AWS has no `credential`", hint);
            }
            Credential::Sdk
        }
        Cloud::Azure => {
            let kinds = [
                ("az-cli", Credential::AzureCli),
                ("managed-identity", Credential::ManagedIdentity),
                ("workload-identity", Credential::WorkloadIdentity),
                ("client-secret", Credential::ClientSecret),
            ];
            problems.choice(fields, "credential", &kinds, Credential::AzureCli)
        }
        Cloud::Gcp => {
            let kinds = [
                ("gcloud", Credential::Gcloud),
                ("metadata", Credential::Metadata),
                ("key-file", Credential::KeyFile),
                ("token-file", Credential::TokenFile),
            ];
            problems.choice(fields, "credential", &kinds, Credential::Gcloud)
        }
    }
}
