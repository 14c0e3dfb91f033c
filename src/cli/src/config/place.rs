//! Where a scope is: account and region, which every cloud writes its own way.

use plan::Cloud;
use policy::file::{Fields, Problems};

use super::scopes::word;

/// The region; empty on Google Cloud, where networks are global. `None` if it is missing or cannot be.
pub(super) fn region(problems: &mut Problems<'_>, fields: &Fields<'_>, cloud: Cloud) -> Option<String> {
    let hint = match cloud {
        Cloud::Aws => "write a region such as `eu-west-1`",
        Cloud::Azure => "write a location such as `westeurope`",
        Cloud::Gcp => {
            if let Some(node) = fields.get("region") {
                let hint =
                    "leave the key out: networks of Google Cloud are global, and so are their policies";
                problems.report(node.place, "a scope on Google Cloud has no `region`", hint);
            }
            return Some(String::new());
        }
    };
    word(problems, fields, "region", hint).map(str::to_owned)
}

/// The account. On AWS it may be left out: the credentials decide.
pub(super) fn account(problems: &mut Problems<'_>, fields: &Fields<'_>, cloud: Cloud) -> Option<String> {
    let (is_legal, hint): (fn(&str) -> bool, _) = match cloud {
        Cloud::Aws => {
            (is_aws_account, "an account has 12 digits; leave the key out to take that of the credentials")
        }
        Cloud::Azure => (is_subscription, "write the id of the subscription: 8-4-4-4-12 hexadecimal digits"),
        Cloud::Gcp => {
            (is_project, "write the id of the project that has the networks, such as `shop-prod-1`")
        }
    };
    if cloud == Cloud::Aws && fields.get("account").is_none() {
        return Some(String::new());
    }
    let node = problems.required(fields, "account")?;
    let text = problems.text(node, "`account`")?;
    let may_be_empty = cloud == Cloud::Aws && text.is_empty();
    if !may_be_empty && !is_legal(text) {
        problems.report(node.place, format!("`account` cannot be `{text}`"), hint);
        return None;
    }
    Some(text.to_owned())
}

/// Where accounts are found, if the scope is over many. What is wrong with it is reported.
pub(super) fn below(problems: &mut Problems<'_>, fields: &Fields<'_>, cloud: Cloud) -> Option<String> {
    let node = fields.get("below")?;
    let text = problems.text(node, "`below`")?;
    let (is_legal, hint): (fn(&str) -> bool, _) = match cloud {
        Cloud::Aws => (|_| false, "AWS has no `below` yet: write one scope for each account"),
        Cloud::Azure => (is_management_group, "write the id of a management group"),
        Cloud::Gcp => (is_node, "write `folders/NUMBER` or `organizations/NUMBER`"),
    };
    if !is_legal(text) {
        problems.report(node.place, format!("`below` cannot be `{text}`"), hint);
    } else if let Some(other) = ["account", "networks"].into_iter().find(|key| fields.get(key).is_some()) {
        let message = format!("a scope with `below` has no `{other}`");
        let hint = "write `account` for one account, or `below` for all that are found there";
        problems.report(node.place, message, hint);
    }
    Some(text.to_owned())
}

/// <https://learn.microsoft.com/azure/governance/management-groups/create-management-group-portal>
fn is_management_group(text: &str) -> bool {
    let is_legal = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '(' | ')');
    (1..=90).contains(&text.len()) && text.chars().all(is_legal)
}

fn is_node(text: &str) -> bool {
    let number = text.strip_prefix("folders/").or_else(|| text.strip_prefix("organizations/"));
    number.is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
}

fn is_aws_account(text: &str) -> bool {
    text.len() == 12 && text.chars().all(|c| c.is_ascii_digit())
}

fn is_subscription(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.chars().all(|c| c.is_ascii_hexdigit()))
}

/// <https://cloud.google.com/resource-manager/docs/creating-managing-projects>: 6 to 30 of a–z, 0–9 and `-`; old ones
/// begin with a domain and a colon.
fn is_project(text: &str) -> bool {
    let id = text.rsplit(':').next().unwrap_or_default();
    (6..=30).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !id.ends_with('-')
}
