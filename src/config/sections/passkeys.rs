//! `[passkeys]`: the domain that they are bound to, and the pages that may use them.
//!
//! Refuses pages that browsers would not let use them.

use super::super::reader::Reader;
use crate::auth::passkeys::{Place, Settings, SignCount};

/// Reads the section. Without its keys, the public address decides, and may be one without passkeys.
pub(in super::super) fn read(reader: &mut Reader, public_url: &str) -> Settings {
    let default = Settings::default();
    let section = &mut reader.section("passkeys");
    let rp_id = section.optional_text("rp_id", default.rp_id);
    let wanted = "an https origin such as https://login.example.org, or http://localhost:8480";
    let origins = section.list("origins", wanted, default.origins);
    let words = [("reject", SignCount::Reject), ("log", SignCount::Log)];
    let sign_count = section.choice("sign_count", &words, default.sign_count);
    let settings = Settings { rp_id, origins, sign_count };
    let given = settings.rp_id.is_some() || !settings.origins.is_empty();
    if given && let Err(problem) = Place::find(&settings, public_url) {
        let key = if problem.key.is_empty() { "origins" } else { problem.key };
        if !section.has_fault(key) {
            section.fault(key, problem.problem);
        }
    }
    settings
}
