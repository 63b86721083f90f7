//! What a webhook is sent: a line of the audit trail, as Standard Webhooks recommends it, and never more than a bound.
//! PURE. Secrets never stand in lines.

use serde_json::{Value, json};

use crate::directory::audit::AuditLine;

/// Most bytes of a payload; what is longer goes without what makes it long.
const PAYLOAD_MAX: usize = 64 * 1024;

/// An event as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// The same for each attempt, and for no other event, also where a backup brought an earlier trail back.
    pub(super) id: String,
    /// What is sent.
    pub(super) payload: String,
}

impl Event {
    /// The event that a line tells of.
    pub(super) fn of(line: &AuditLine) -> Self {
        let mark: String = line.hash.chars().take(16).collect();
        Self { id: format!("msg_{}_{mark}", line.seq), payload: payload(line, PAYLOAD_MAX) }
    }
}

fn payload(line: &AuditLine, most: usize) -> String {
    let mut line = AuditLine { hash: String::new(), ..line.clone() };
    let whole = written(&line, false);
    if whole.len() <= most {
        return whole;
    }
    (line.changes, line.details) = Default::default();
    let short = written(&line, true);
    if short.len() <= most {
        return short;
    }
    (line.reason, line.request) = (None, None);
    written(&line, true)
}

fn written(line: &AuditLine, truncated: bool) -> String {
    let mut data = serde_json::to_value(line).unwrap_or_default();
    if let Some(data) = data.as_object_mut().filter(|_| truncated) {
        data.insert("truncated".to_owned(), Value::Bool(true));
    }
    json!({"type": line.action, "timestamp": line.at, "data": data}).to_string()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::directory::audit::{Actor, Change, Target};

    fn line() -> AuditLine {
        AuditLine {
            action: "user.changed".to_owned(),
            actor: Actor::Anonymous,
            address: None,
            at: Timestamp::UNIX_EPOCH,
            changes: vec![Change { attribute: "name".to_owned(), new: "Ada".into(), old: Value::Null }],
            details: serde_json::Map::new(),
            hash: "0123456789abcdef0123".to_owned(),
            reason: None,
            request: None,
            run: None,
            seq: 7,
            target: Target::Directory,
        }
    }

    #[test]
    fn an_event_is_its_line_without_the_hash() {
        let event = Event::of(&line());
        assert_eq!(event.id, "msg_7_0123456789abcdef");
        let wanted = json!({"type": "user.changed", "timestamp": "1970-01-01T00:00:00Z", "data": {
            "action": "user.changed", "actor": {"kind": "anonymous"}, "at": "1970-01-01T00:00:00Z",
            "changes": [{"attribute": "name", "new": "Ada"}], "seq": 7, "target": {"kind": "directory"}}});
        assert_eq!(serde_json::from_str::<Value>(&event.payload).unwrap(), wanted);
    }

    #[test]
    fn a_long_one_goes_without_what_makes_it_long_and_says_so() {
        let mut long = line();
        long.changes = vec![Change { new: "x".repeat(PAYLOAD_MAX).into(), ..long.changes[0].clone() }];
        let told: Value = serde_json::from_str(&Event::of(&long).payload).unwrap();
        assert_eq!((&told["data"]["truncated"], told["data"].get("changes")), (&Value::Bool(true), None));
        long.reason = Some("x".repeat(PAYLOAD_MAX));
        assert!(Event::of(&long).payload.len() < PAYLOAD_MAX);
    }
}
