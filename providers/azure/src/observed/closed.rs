//! Who is closed: met by our denies, where and as tightly as the scope wants it.

use plan::{Attachment, Direction, GroupId, InterfaceState, PathFilter, PathRule};

use crate::band::{self, Band};
use crate::ids;
use crate::marks::{self, Form};
use crate::resources::ArmId;

/// What denies of ours do to an interface.
pub(super) enum Met {
    /// Not at all.
    Open,
    /// As the scope wants it.
    Closed,
    /// As tightly as the scope wants it, but by other rules.
    Otherwise,
    /// By one of this priority, and rules of others that the scope shuts out come before it.
    Late(u32),
}

/// How the denies of a list meet an interface.
pub(super) fn met(band: &Band, filter: &PathFilter, interface: &InterfaceState, direction: Direction) -> Met {
    let kind_of = |id: &GroupId| match marks::form(&band.installation, ids::asg_word(id)) {
        Some(Form::Closed(kind, its)) if its == direction => Some(kind),
        _ => None,
    };
    let groups: Vec<(&GroupId, Attachment)> =
        interface.groups.iter().filter_map(|id| Some((id, kind_of(id)?))).collect();
    if groups.is_empty() {
        return Met::Open;
    }
    let wanted = band::closing_kinds(band);
    let is_member = |kind: &Attachment| groups.iter().any(|(_, its)| its == kind);
    let closes = |id: &GroupId| band::is_closing(band, &filter.rules, &ArmId::new(id.as_str()), direction);
    let are_all = wanted.len() == groups.len() && wanted.iter().all(is_member);
    if are_all && groups.iter().all(|(id, _)| closes(id)) {
        return Met::Closed;
    }
    let meets = |rule: &&PathRule| {
        rule.direction == direction
            && matches!(rule.targets.as_slice(), [target] if groups.iter().any(|(id, _)| *id == target))
            && band::is_whole(band, rule)
    };
    let Some(first) = filter.rules.iter().find(meets) else { return Met::Open };
    let is_sealed =
        matches!(marks::form(&band.installation, &first.name), Some(Form::Closed(Attachment::Exclusive, _)));
    match band.attachment {
        Attachment::Exclusive if !is_sealed => Met::Late(first.priority),
        _ => Met::Otherwise,
    }
}
