//! Query-protocol parameters: flat names with numbers, read as a tree.

use std::collections::BTreeMap;

/// The parameters of one request, by full name.
#[derive(Clone, Debug, Default)]
pub struct Params {
    flat: BTreeMap<String, String>,
}

impl Params {
    /// Reads a form-encoded body or query string.
    pub fn parse(body: &[u8]) -> Self {
        Self { flat: form_urlencoded::parse(body).into_owned().collect() }
    }

    /// A value; empty texts count as given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.flat.get(name).map(String::as_str)
    }

    /// A value, or an empty text.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// A number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(|text| text.parse().ok())
    }

    /// Whether a flag is set.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// `Name.1`, `Name.2`, …
    pub fn list(&self, name: &str) -> Vec<String> {
        self.members(name).into_iter().filter_map(|member| self.get(&member).map(str::to_owned)).collect()
    }

    /// The prefixes `Name.1`, `Name.2`, … that have anything below or at them, in numeric order.
    pub fn members(&self, name: &str) -> Vec<String> {
        let prefix = format!("{name}.");
        let mut numbers: Vec<u64> = self
            .flat
            .range(prefix.clone()..)
            .take_while(|(key, _)| key.starts_with(&prefix))
            .filter_map(|(key, _)| key[prefix.len()..].split('.').next()?.parse().ok())
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.into_iter().map(|number| format!("{prefix}{number}")).collect()
    }

    /// `Filter.N.Name` with `Filter.N.Value.M`.
    pub fn filters(&self) -> Vec<(String, Vec<String>)> {
        let filters = self.members("Filter").into_iter();
        filters
            .map(|filter| {
                (self.text(&format!("{filter}.Name")).to_owned(), self.list(&format!("{filter}.Value")))
            })
            .collect()
    }

    /// The tags for a resource type in `TagSpecification.N`.
    pub fn tags_for(&self, kind: &str) -> BTreeMap<String, String> {
        let wanted = self
            .members("TagSpecification")
            .into_iter()
            .filter(|spec| self.text(&format!("{spec}.ResourceType")) == kind);
        wanted.flat_map(|spec| self.tags(&format!("{spec}.Tag"))).collect()
    }

    /// `NAME.N.Key` with `NAME.N.Value`.
    pub fn tags(&self, name: &str) -> Vec<(String, String)> {
        let tags = self.members(name).into_iter();
        tags.map(|tag| {
            (self.text(&format!("{tag}.Key")).to_owned(), self.text(&format!("{tag}.Value")).to_owned())
        })
        .collect()
    }
}
