//! A source of kind `ldap`: the keys of its server, search and limits.
//!
//! What is right and wrong with them the LDAP room says itself; here each fault finds its key and line.

use std::time::Duration;

use super::super::section::Section;
use super::CENTURY;
use crate::base::id::SourceId;
use crate::sources::ldap::{Attributes, GroupAttributes, ServerKind, Settings, Strategy};

/// Reads the keys of one LDAP source. Without an id there is a fault already.
pub(super) fn read(section: &mut Section<'_>, id: Option<&SourceId>) -> Settings {
    let default = Settings::default();
    let any = Duration::ZERO..=CENTURY;
    let settings = Settings {
        id: id.cloned().unwrap_or(default.id),
        urls: section.list("urls", "a text", default.urls),
        start_tls: section.boolean("start_tls", default.start_tls),
        ca_file: section.optional_file("ca_file"),
        tls_pin: section.list("tls_pin", "a text", default.tls_pin),
        client_cert_file: section.optional_file("client_cert_file"),
        client_key_file: section.optional_file("client_key_file"),
        bind_dn: section.text("bind_dn", &default.bind_dn),
        bind_password: section.secret("bind_password"),
        base_dn: section.text("base_dn", &default.base_dn),
        server_kind: section.optional_choice("server_kind", ServerKind::ALL, "auto"),
        strategy: section.optional_choice("strategy", Strategy::ALL, "auto"),
        watch: section.boolean("watch", default.watch),
        user_filter: section.optional_text("user_filter", default.user_filter),
        id_attribute: section.optional_text("id_attribute", default.id_attribute),
        attributes: read_attributes(&mut section.section("attributes")),
        groups: section.boolean("groups", default.groups),
        group_base_dn: section.optional_text("group_base_dn", default.group_base_dn),
        group_filter: section.optional_text("group_filter", default.group_filter),
        group_attributes: read_group_attributes(&mut section.section("group_attributes")),
        disabled_when: section.optional_text("disabled_when", default.disabled_when),
        ignore_referrals: section.optional_choice("ignore_referrals", &[("yes", true), ("no", false)], "auto"),
        page_size: section.integer("page_size", 0..=u16::MAX, default.page_size),
        connect_timeout: section.duration("connect_timeout", any.clone(), default.connect_timeout),
        operation_timeout: section.duration("operation_timeout", any.clone(), default.operation_timeout),
        idle_timeout: section.duration("idle_timeout", any.clone(), default.idle_timeout),
        pass_timeout: section.duration("pass_timeout", any.clone(), default.pass_timeout),
        login_timeout: section.duration("login_timeout", any, default.login_timeout),
        max_entries: section.integer("max_entries", 0..=usize::MAX, default.max_entries),
        login_connections: section.integer("login_connections", 0..=usize::MAX, default.login_connections),
    };
    // A key that could not be read has its default here: what is wrong with that is nobody's fault. The id belongs
    // to the list of sources.
    let mut faults = settings.faults();
    faults.retain(|(key, _)| *key != "id" && !section.has_secret_fault(key));
    for (key, problem) in faults {
        section.fault(key, problem);
    }
    settings
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

fn read_group_attributes(section: &mut Section<'_>) -> GroupAttributes {
    GroupAttributes {
        id: section.maybe_text("id"),
        name: section.maybe_text("name"),
        description: section.maybe_text("description"),
        members: section.maybe_text("members"),
        member_logins: section.maybe_text("member_logins"),
    }
}
