//! `[alerts]`: who is told by mail when something needs a person.

use super::super::reader::Reader;
use crate::notify::alarms::Settings;

/// Most people who are told: a list at the mail server does for more.
const MOST: usize = 20;

/// Reads the section.
pub(in super::super) fn read(reader: &mut Reader) -> Settings {
    let has_mail = reader.is_given("mail");
    let section = &mut reader.section("alerts");
    let recipients = section.list("recipients", "one address such as ops@example.org", Vec::new());
    if recipients.len() > MOST {
        section.fault("recipients", format!("names more than {MOST}: use a list at the mail server"));
    }
    if !recipients.is_empty() && !has_mail {
        section.doubt("recipients", "nobody can be told by mail without a section [mail]");
    }
    Settings { recipients }
}
