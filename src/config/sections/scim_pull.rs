//! A source of kind `scim-pull`: the keys of its service, its access and its limits.
//!
//! What is right and wrong with them the room of sources says itself; here each fault finds its key and line.

use std::time::Duration;

use super::super::section::Section;
use super::CENTURY;
use crate::base::id::SourceId;
use crate::base::secret::Secret;
use crate::sources::scim_pull::{Access, Attributes, Paging, Settings};

/// Reads the keys of one SCIM service. Without an id there is a fault already.
pub(super) fn read(section: &mut Section<'_>, id: Option<&SourceId>) -> Settings {
    let default = Settings::default();
    let any = Duration::ZERO..=CENTURY;
    let bytes = u64::try_from(default.answer_limit).unwrap_or(u64::MAX);
    let settings = Settings {
        id: id.cloned().unwrap_or(default.id),
        url: section.text("url", &default.url),
        access: read_access(section),
        ca_file: section.optional_file("ca_file"),
        page_size: section.integer("page_size", 2..=1000, default.page_size),
        paging: section.optional_choice("paging", Paging::ALL, "auto"),
        user_filter: section.optional_text("user_filter", default.user_filter),
        attributes: read_attributes(&mut section.section("attributes")),
        groups: section.boolean("groups", default.groups),
        changes: section.choice("strategy", &[("auto", true), ("full", false)], default.changes),
        connect_timeout: section.duration("connect_timeout", any.clone(), default.connect_timeout),
        operation_timeout: section.duration("operation_timeout", any.clone(), default.operation_timeout),
        pass_timeout: section.duration("pass_timeout", any, default.pass_timeout),
        answer_limit: usize::try_from(section.bytes("answer_limit", 64 * 1024..=1024 * 1024 * 1024, bytes))
            .unwrap_or(default.answer_limit),
        max_entries: section.integer("max_entries", 0..=usize::MAX, default.max_entries),
    };
    // A key that could not be read has its default here: what is wrong with that is nobody's fault. The id belongs
    // to the list of sources.
    let mut faults = settings.faults();
    faults.retain(|(key, _)| *key != "id" && !section.has_fault(key) && !section.has_secret_fault(key));
    for (key, problem) in faults {
        section.fault(key, problem);
    }
    settings
}

/// A token, or what one is got by; not both.
fn read_access(section: &mut Section<'_>) -> Option<Access> {
    let token = section.secret("token");
    let token_url = section.optional_text("token_url", None);
    let client_id = section.optional_text("client_id", None);
    let client_secret = section.secret("client_secret");
    let scope = section.optional_text("scope", None);
    match (token, token_url) {
        (Some(token), None) => {
            for (key, is_given) in [
                ("client_id", client_id.is_some()),
                ("client_secret", client_secret.is_some()),
                ("scope", scope.is_some()),
            ] {
                if is_given {
                    section.fault(key, "is for token_url, which is not set");
                }
            }
            Some(Access::Token(token))
        }
        (None, Some(token_url)) => Some(Access::Client {
            token_url,
            client_id: client_id.unwrap_or_default(),
            client_secret: client_secret.unwrap_or_else(|| Secret::new("")),
            scope,
        }),
        (Some(token), Some(_)) => {
            section.fault("token_url", "token is given as well; keep one of them");
            Some(Access::Token(token))
        }
        (None, None) => None,
    }
}

fn read_attributes(section: &mut Section<'_>) -> Attributes {
    Attributes {
        username: section.maybe_text("username"),
        name: section.maybe_text("name"),
        email: section.maybe_text("email"),
        phone: section.maybe_text("phone"),
        description: section.maybe_text("description"),
    }
}
