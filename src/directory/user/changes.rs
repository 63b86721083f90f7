//! What a change of a user comes to, attribute by attribute, for the audit trail.

use serde::Serialize;
use serde_json::Value;

use super::User;
use crate::directory::audit::Change;

impl User {
    /// The attributes in which it differs from what it was, by name; from nothing, all that it has and is not
    /// empty. What moves without
    /// anybody's doing is no attribute: activity, counters, the times of the record itself.
    #[must_use]
    pub fn changes_from(&self, old: Option<&Self>) -> Vec<Change> {
        // All of them by name: one that is added must be put on one side or the other.
        let Self {
            id: _,
            revision: _,
            created_at: _,
            modified_at: _,
            enabled_at: _,
            last_login: _,
            last_seen: _,
            session_epoch: _,
            at_source,
            description,
            email,
            expires_at,
            external_id,
            kept,
            managed_by,
            mfa,
            must_change_password,
            name,
            organizations,
            phone,
            roles,
            scim,
            source,
            state,
            username,
        } = self;
        let sent = |user: &'_ Self| (!user.scim.is_empty()).then(|| user.scim.clone());
        let mut changes = Vec::new();
        let all = &mut changes;
        note(all, "at_source", old.map(|old| &old.at_source), at_source);
        note(all, "description", old.map(|old| &old.description), description);
        note(all, "email", old.map(|old| &old.email), email);
        note(all, "expires_at", old.map(|old| &old.expires_at), expires_at);
        note(all, "external_id", old.map(|old| &old.external_id), external_id);
        note(all, "kept", old.map(|old| &old.kept), kept);
        note(all, "managed_by", old.map(|old| &old.managed_by), managed_by);
        note(all, "mfa", old.map(|old| &old.mfa), mfa);
        note(all, "must_change_password", old.map(|old| &old.must_change_password), must_change_password);
        note(all, "name", old.map(|old| &old.name), name);
        note(all, "organizations", old.map(|old| &old.organizations), organizations);
        note(all, "phone", old.map(|old| &old.phone), phone);
        note(all, "roles", old.map(|old| &old.roles), roles);
        if old.is_none_or(|old| old.scim != *scim) {
            note(all, "scim", old.map(sent).as_ref(), &sent(self));
        }
        note(all, "source", old.map(|old| &old.source), source);
        note(all, "state", old.map(|old| &old.state), state);
        note(all, "username", old.map(|old| &old.username), username);
        changes
    }
}

fn note<T: PartialEq + Serialize>(changes: &mut Vec<Change>, attribute: &str, old: Option<&T>, new: &T) {
    if old == Some(new) {
        return;
    }
    // The attributes of a user always become JSON.
    let value = |value: &T| serde_json::to_value(value).unwrap_or_default();
    let is_new = old.is_none();
    let (old, new) = (old.map_or(Value::Null, value), value(new));
    if old != new && !(is_new && is_nothing(&new)) {
        changes.push(Change { attribute: attribute.to_owned(), old, new });
    }
}

/// What a new user has without anybody saying so is no change.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::super::tests::user;
    use super::*;

    #[test]
    fn only_what_differs_is_a_change_and_activity_is_none() {
        let old = user("ada", Timestamp::UNIX_EPOCH);
        let mut new = User { last_seen: Some(Timestamp::MAX), revision: 9, ..old.clone() };
        assert!(new.changes_from(Some(&old)).is_empty());
        new.must_change_password = !old.must_change_password;
        new.scim.insert("title".to_owned(), json!("Countess"));
        let changes = new.changes_from(Some(&old));
        let told: Vec<_> = changes.iter().map(|change| (change.attribute.as_str(), &change.old, &change.new)).collect();
        let now = json!(new.must_change_password);
        let before = json!(old.must_change_password);
        assert_eq!(
            told,
            [("must_change_password", &before, &now), ("scim", &Value::Null, &json!({"title": "Countess"}))]
        );
    }

    #[test]
    fn from_nothing_it_is_everything_that_the_record_says() {
        let user = user("ada", Timestamp::UNIX_EPOCH);
        let record = serde_json::to_value(&user).unwrap();
        for change in user.changes_from(None) {
            assert_eq!(Some(&change.new), record.get(&change.attribute), "{}", change.attribute);
            assert!(change.old.is_null());
        }
        assert!(user.changes_from(None).iter().any(|change| change.attribute == "username"));
    }
}
