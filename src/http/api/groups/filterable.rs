//! What `?filter=` of groups may ask for: everything that is shown, in the terms of the SCIM room.

use std::sync::LazyLock;

use crate::scim::schema::{Attribute, AttributeType, ResourceType, Schema};

/// The attributes of a group.
pub(super) static FILTERABLE: LazyLock<ResourceType> = LazyLock::new(|| {
    let text = |name| Attribute::text(name, "");
    let exact = |name| Attribute::text(name, "").case_exact();
    let time = |name| Attribute::new(AttributeType::DateTime, name, "");
    let attributes = vec![
        exact("id"),
        text("name"),
        text("description"),
        text("source"),
        exact("organization"),
        exact("external_id"),
        text("entry"),
        time("created_at"),
        time("modified_at"),
        Attribute::new(AttributeType::Integer, "revision", ""),
    ];
    let base = Schema { id: "urn:musterd:schemas:Group", name: "Group", description: "", attributes };
    ResourceType {
        name: "Group",
        endpoint: "/groups",
        description: "",
        common: Vec::new(),
        base,
        extensions: Vec::new(),
    }
});

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::view;
    use super::*;
    use crate::base::id::{GroupId, SourceId};
    use crate::base::rng::Rng;
    use crate::directory::field::DisplayName;
    use crate::directory::group::Group;

    #[test]
    fn everything_that_is_shown_of_a_group_can_be_filtered_by() {
        let (now, name) = (Timestamp::UNIX_EPOCH, DisplayName::parse("devs").unwrap());
        let shown = view(&Group::new(GroupId::new(now, &Rng::seeded(1)), name, SourceId::local(), now));
        // What a provider sent besides is kept as it came: it has no types here.
        for name in shown.as_object().unwrap().keys().filter(|name| *name != "scim") {
            assert!(FILTERABLE.base.attribute(name).is_some(), "{name}");
        }
    }
}
