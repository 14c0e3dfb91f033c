//! One page of a list, read as it stands: its items are never anything but what they are read as.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

/// Where the items of a page are.
#[derive(Clone, Copy)]
pub(super) enum Held<'a> {
    /// In a field of the page.
    Here(&'a str),
    /// In a field of each place in `items`: a zone, a region, `global`.
    ByPlace(&'a str),
}

/// A page with its items.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// The token of the next page.
    pub(super) next: Option<String>,
    /// Places that could not be reached.
    pub(super) unreachable: Vec<String>,
    /// With the place that a warning is about, if it is about one.
    pub(super) warnings: Vec<(Option<String>, Warning)>,
}

/// A note of the cloud on an answer.
#[derive(Deserialize)]
pub(super) struct Warning {
    #[serde(default)]
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
}

impl Warning {
    /// Whether the list is whole all the same.
    pub(super) fn is_harmless(&self) -> bool {
        matches!(
            self.code.as_str(),
            "NO_RESULTS_ON_PAGE"
                | "DEPRECATED_RESOURCE_USED"
                | "DEPRECATED_TYPE_USED"
                | "EXPERIMENTAL_TYPE_USED"
        )
    }
}

/// Reads a page.
pub(super) struct PageOf<'a, T> {
    held: Held<'a>,
    of: PhantomData<T>,
}

impl<'a, T> PageOf<'a, T> {
    pub(super) fn new(held: Held<'a>) -> Self {
        Self { held, of: PhantomData }
    }
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for PageOf<'_, T> {
    type Value = Page<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Page<T>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for PageOf<'_, T> {
    type Value = Page<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page of a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Page<T>, A::Error> {
        let mut page = Page { items: Vec::new(), next: None, unreachable: Vec::new(), warnings: Vec::new() };
        while let Some(field) = map.next_key::<String>()? {
            match (field.as_str(), self.held) {
                ("nextPageToken", _) => page.next = map.next_value()?,
                ("unreachable" | "unreachables", _) => {
                    page.unreachable.extend(map.next_value::<Option<Vec<String>>>()?.into_iter().flatten());
                }
                ("warning", _) => {
                    page.warnings.extend(map.next_value::<Option<Warning>>()?.map(|warning| (None, warning)));
                }
                ("items", Held::ByPlace(field)) => {
                    map.next_value_seed(Places { field, page: &mut page })?;
                }
                (found, Held::Here(field)) if found == field => {
                    page.items.extend(map.next_value::<Option<Vec<T>>>()?.into_iter().flatten());
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(page)
    }
}

/// Reads `items` by place into a page; nothing is no place.
struct Places<'a, 'p, T> {
    field: &'a str,
    page: &'p mut Page<T>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Places<'_, '_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Places<'_, '_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("places with what they hold")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(place) = map.next_key::<String>()? {
            map.next_value_seed(Place { field: self.field, place, page: &mut *self.page })?;
        }
        Ok(())
    }
}

/// Reads one place into a page; nothing is an empty place.
struct Place<'a, 'p, T> {
    field: &'a str,
    place: String,
    page: &'p mut Page<T>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Place<'_, '_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Place<'_, '_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what a place holds")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(found) = map.next_key::<String>()? {
            if found == "warning" {
                let warning = map.next_value::<Option<Warning>>()?;
                self.page.warnings.extend(warning.map(|warning| (Some(self.place.clone()), warning)));
            } else if found == self.field {
                self.page.items.extend(map.next_value::<Option<Vec<T>>>()?.into_iter().flatten());
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}
