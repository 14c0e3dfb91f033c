//! Lists: pages, filters, orders, and lists over all places of a project.
//!
//! A page is no snapshot: it begins after the name at which the last one ended.

use serde_json::{Value, json};

use super::filter::Filter;
use super::group;
use crate::error::{GcpError, bad_request, invalid};
use crate::link::link;
use crate::request::Request;
use crate::state::{Kind, State, text_of};
use crate::text::{page_start, page_token};
use crate::throttle::Group;
use crate::world::World;

/// One item of a list.
pub(crate) struct Item {
    /// By which lists are sorted.
    pub name: String,
    /// When it was made.
    pub created_ms: u64,
    /// As it is read.
    pub body: Value,
}

/// One page.
struct Page {
    items: Vec<Item>,
    next: Option<String>,
}

impl World {
    pub(crate) fn list(&mut self, state: &State, request: &Request) -> Result<Value, GcpError> {
        match request.words() {
            (_, "aggregatedList") => self.aggregated(state, request),
            (_, "listManagedInstances") => self.managed(state, request),
            (resource, _) => {
                let all = state.within(&request.path());
                let parent = request.query.get("parentId");
                let items = all.filter(|(_, found)| {
                    resource != "firewallPolicies"
                        || text_of(&found.body, "parent") == parent.map(String::as_str)
                });
                let items: Vec<Item> = items.map(|(path, _)| self.item(state, path)).collect();
                self.page(request, kind_word(resource), items)
            }
        }
    }

    fn item(&self, state: &State, path: &str) -> Item {
        let created_ms = state.resources.get(path).map_or(0, |found| found.created_ms);
        Item { name: crate::link::name_of(path).to_owned(), created_ms, body: self.shown(state, path) }
    }

    /// A list answer of a kind.
    pub(crate) fn page(
        &mut self,
        request: &Request,
        kind: &str,
        items: Vec<Item>,
    ) -> Result<Value, GcpError> {
        let page = self.cut(request, items)?;
        let path = request.path();
        let mut shown = json!({ "kind": format!("compute#{kind}List"), "id": path, "selfLink": link(&path) });
        if !page.items.is_empty() {
            shown["items"] = page.items.into_iter().map(|item| item.body).collect();
        }
        if let Some(token) = page.next {
            shown["nextPageToken"] = json!(token);
        }
        Ok(shown)
    }

    /// What of a list is on the page that is asked for.
    fn cut(&mut self, request: &Request, items: Vec<Item>) -> Result<Page, GcpError> {
        let most = match request.number("maxResults")? {
            None | Some(0) => 500,
            Some(most @ 1..=500) => most,
            Some(other) => return Err(invalid("maxResults", &other.to_string(), "Must be 0 to 500.")),
        };
        let most = (most as usize).min(self.settings.limits.page_items.max(1));
        let newest_first = match request.query.get("orderBy").map(String::as_str) {
            None | Some("" | "name") => false,
            Some("creationTimestamp desc") => true,
            Some(other) => return Err(invalid("orderBy", other, "Only name or creationTimestamp desc.")),
        };
        let after = match request.query.get("pageToken") {
            None => None,
            Some(token) => {
                let wrong = || bad_request("Invalid value for field 'pageToken'.");
                Some(page_start(token).ok_or_else(wrong)?)
            }
        };
        let filter = Filter::parse(request.query.get("filter").map_or("", String::as_str))?;
        if !filter.is_empty() && !request.privileged && self.settings.throttle {
            let (limit, now) = (self.settings.limits.scanned_per_minute, self.now_ms());
            self.throttle.take(request.project(), Group::Scanned, items.len() as u64, limit, now)?;
        }
        let key = |item: &Item| {
            if newest_first {
                format!("{:020}|{}", u64::MAX - item.created_ms, item.name)
            } else {
                item.name.clone()
            }
        };
        let wanted = items.into_iter().filter(|item| filter.matches(&item.body));
        let mut keyed: Vec<(String, Item)> = wanted.map(|item| (key(&item), item)).collect();
        keyed.retain(|(key, _)| after.as_ref().is_none_or(|after| key > after));
        keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
        let more = keyed.len() > most;
        keyed.truncate(most);
        let next = keyed.last().filter(|_| more).map(|(key, _)| page_token(key));
        Ok(Page { items: keyed.into_iter().map(|(_, item)| item).collect(), next })
    }

    /// A list over all places: each is there, empty ones with a warning. A place that cannot be read does not fail
    /// the list: it is named among the unreachable ones, and only who looks there knows that the list is partial.
    fn aggregated(&mut self, state: &State, request: &Request) -> Result<Value, GcpError> {
        let (resource, _) = request.words();
        let project = format!("projects/{}", request.project());
        let field = request.method.path.rsplit('/').next().unwrap_or_default();
        let places: Vec<String> = match resource {
            "instances" | "instanceGroupManagers" => {
                self.zones().map(|zone| format!("zones/{zone}")).collect()
            }
            _ => {
                let regions = self.settings.regions.iter().map(|region| format!("regions/{region}"));
                let has_global = resource == "networkFirewallPolicies" || super::balancer::is_part(resource);
                let global = has_global.then(|| "global".to_owned());
                global.into_iter().chain(regions).collect()
            }
        };
        let denied = |place: &String| !request.privileged && self.is_denied(&format!("{project}/{place}"));
        let (hidden, open): (Vec<String>, Vec<String>) = places.into_iter().partition(denied);
        let items = open.iter().flat_map(|place| {
            let all = state.within(&format!("{project}/{place}/{field}")).map(|(path, _)| path.clone());
            let all: Vec<String> = all.collect();
            all.into_iter().map(move |path| (place.clone(), path))
        });
        let items: Vec<Item> = items
            .map(|(place, path)| {
                let item = self.item(state, &path);
                Item { name: format!("{place}|{}", item.name), ..item }
            })
            .collect();
        let page = self.cut(request, items)?;
        let mut by_place = serde_json::Map::new();
        for item in page.items {
            let place = item.name.split('|').next().unwrap_or_default().to_owned();
            let list = by_place.entry(place).or_insert(json!({ field: [] }));
            if let Some(list) = list.get_mut(field).and_then(Value::as_array_mut) {
                list.push(item.body);
            }
        }
        for place in open {
            let message = format!("There are no results for scope '{place}' on this page.");
            by_place.entry(place.clone()).or_insert_with(|| warning("NO_RESULTS_ON_PAGE", &message, &place));
        }
        for place in &hidden {
            let message = format!("The scope '{place}' could not be reached.");
            by_place.insert(place.clone(), warning("UNREACHABLE", &message, place));
        }
        let kind = kind_word(resource);
        let id = format!("{project}/aggregated/{field}");
        let mut shown = json!({
            "kind": format!("compute#{kind}AggregatedList"), "id": id, "items": by_place, "selfLink": link(&id),
        });
        if !hidden.is_empty() {
            shown["unreachables"] = hidden.iter().map(|place| link(&format!("{project}/{place}"))).collect();
        }
        if let Some(token) = page.next {
            shown["nextPageToken"] = json!(token);
        }
        Ok(shown)
    }

    fn managed(&mut self, state: &State, request: &Request) -> Result<Value, GcpError> {
        let path = request.resource(state);
        state.get(&path)?;
        let members = group::members(state, &path).into_iter().map(|member| {
            let found = state.get_kind(&member, Kind::Instance);
            let id = found.map_or(0, |found| found.id).to_string();
            json!({ "instance": link(&member), "id": id, "instanceStatus": "RUNNING", "currentAction": "NONE" })
        });
        Ok(json!({ "managedInstances": members.collect::<Vec<Value>>() }))
    }
}

fn warning(code: &str, message: &str, place: &str) -> Value {
    json!({ "warning": { "code": code, "message": message, "data": [{ "key": "scope", "value": place }] } })
}

/// The word in the kind of a list.
fn kind_word(resource: &str) -> &str {
    match resource {
        "networkFirewallPolicies" | "regionNetworkFirewallPolicies" | "firewallPolicies" => "firewallPolicy",
        other => other.trim_end_matches('s'),
    }
}
