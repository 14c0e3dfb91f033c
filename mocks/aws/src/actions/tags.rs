//! Tags of any object: all or nothing in one call.

use super::{Answer, Call};
use crate::state::{Ec2Error, Tags, refuse};
use crate::xml;

/// Tags on one object.
const TAGS_MAX: usize = 50;

pub(crate) fn create(call: &mut Call<'_>) -> Answer {
    let tags = call.params.tags("Tag");
    for (key, value) in &tags {
        check(key, value)?;
    }
    change(call, |held| held.extend(tags.iter().cloned()))
}

pub(crate) fn delete(call: &mut Call<'_>) -> Answer {
    // A tag with a value goes only if it has that value; one without goes in any case.
    let doomed: Vec<(String, Option<String>)> = call
        .params
        .members("Tag")
        .into_iter()
        .map(|tag| {
            let value = call.params.get(&format!("{tag}.Value")).map(str::to_owned);
            (call.params.text(&format!("{tag}.Key")).to_owned(), value)
        })
        .collect();
    change(call, |held| {
        held.retain(|key, value| {
            !doomed
                .iter()
                .any(|(name, wanted)| name == key && wanted.as_ref().is_none_or(|wanted| wanted == value))
        });
    })
}

fn check(key: &str, value: &str) -> Result<(), Ec2Error> {
    if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
        return Err(refuse("InvalidParameterValue", format!("Tag '{key}' is empty or too long")));
    }
    if key.to_ascii_lowercase().starts_with("aws:") {
        return Err(refuse(
            "InvalidParameterValue",
            "Tag keys starting with 'aws:' are reserved for internal use",
        ));
    }
    Ok(())
}

/// Works out the new tags of every object before any is changed.
fn change(call: &mut Call<'_>, edit: impl Fn(&mut Tags)) -> Answer {
    let mut changed = Vec::new();
    for id in call.params.list("ResourceId") {
        let held = call.state.tags_mut(&id);
        let mut tags =
            held.ok_or_else(|| refuse("InvalidID", format!("The ID '{id}' is not valid")))?.clone();
        edit(&mut tags);
        if tags.len() > TAGS_MAX {
            return Err(refuse("TagLimitExceeded", "An object takes 50 tags"));
        }
        changed.push((id, tags));
    }
    for (id, tags) in changed {
        if let Some(held) = call.state.tags_mut(&id) {
            *held = tags;
        }
    }
    Ok(xml::text("return", true))
}
