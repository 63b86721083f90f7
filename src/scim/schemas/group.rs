//! The Group schema (RFC 7643 §4.2).
//!
//! Owns the definition only. Members are added and removed whole, so their parts are immutable. As in RFC 7643
//! §8.7.1 a member has no `display`: it would be a copy of another resource's name.

use super::super::schema::{Attribute, Mutability, Schema};

/// The core schema (RFC 7643 §4.2).
pub(super) fn core() -> Schema {
    let fixed = |attribute: Attribute| attribute.mutability(Mutability::Immutable);
    let member = vec![
        fixed(Attribute::text("value", "The id of the member").case_exact()),
        fixed(Attribute::reference("$ref", &["User", "Group"], "Where the member is")),
        fixed(Attribute::text("type", "The kind of member").usually(&["User", "Group"])),
    ];
    Schema {
        id: super::GROUP_URN,
        name: "Group",
        description: "A group of users and groups",
        attributes: vec![
            Attribute::text("displayName", "The name of the group").required(),
            Attribute::complex("members", "The members of the group", member).many(),
        ],
    }
}
