//! The recorded answers, read alone.

use std::path::Path;

use axum::body::Bytes;
use provider_azure::resources::{
    ActiveAdminRule, ApplicationGroup, Interface, Machine, Network, ResourceGroup, ScaleSet, SecurityGroup,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[derive(Deserialize)]
struct Page<T> {
    #[serde(default = "Vec::new")]
    value: Vec<T>,
    #[serde(default, rename = "nextLink")]
    next_link: Option<String>,
}

/// Address and body of every answer.
pub type Answers = [(String, Bytes)];

/// Reads every answer into the driver's own types of what it holds.
pub fn as_ours(answers: &Answers) {
    fn page<T: DeserializeOwned>(body: &[u8]) -> usize {
        let page: Page<T> = serde_json::from_slice(body).unwrap();
        let _ = std::hint::black_box(&page.next_link);
        std::hint::black_box(page.value).len()
    }
    let read = |(at, body): &(String, Bytes)| match kind_of(at) {
        "networkSecurityGroups" => page::<SecurityGroup>(body),
        "applicationSecurityGroups" => page::<ApplicationGroup>(body),
        "networkInterfaces" => page::<Interface>(body),
        "virtualMachines" => page::<Machine>(body),
        "virtualMachineScaleSets" => page::<ScaleSet>(body),
        "virtualNetworks" => page::<Network>(body),
        "resourcegroups" | "resourceGroups" => page::<ResourceGroup>(body),
        "listNetworkManagerEffectiveSecurityAdminRules" => page::<ActiveAdminRule>(body),
        _ => {
            let one: provider_azure::resources::Subscription = serde_json::from_slice(body).unwrap();
            std::hint::black_box(one);
            1
        }
    };
    assert!(answers.iter().map(read).sum::<usize>() > 0);
}

/// Reads every answer as JSON without a schema.
pub fn as_json(answers: &Answers) {
    for (_, body) in answers {
        let value: Value = serde_json::from_slice(body).unwrap();
        std::hint::black_box(value);
    }
}

/// Writes every answer to a folder, by what it holds: for clients that are not built here.
pub fn save(answers: &Answers, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for (number, (at, body)) in answers.iter().enumerate() {
        std::fs::write(folder.join(format!("{}-{number}.json", kind_of(at))), body).unwrap();
    }
}

/// The last word of an address.
fn kind_of(at: &str) -> &str {
    let path = at.split('?').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}
