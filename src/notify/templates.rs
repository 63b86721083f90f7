//! What messages say: a code on a phone in English text, mail as text and page in the language of the reader.
//!
//! What comes from a person's record stands in them as it is: it is put in once, is never read as a pattern, and can
//! begin no line of its own.

mod facts;
mod folder;
mod set;
mod shipped;

use crate::base::secret::Secret;
use crate::directory::message::OneTimeCode;

pub use facts::Voice;
pub use set::{Templates, Words};

/// What codes are for: people look at a code before they look at who sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// What people call it.
    pub name: String,
    /// The host name of the page where codes are typed, where there is one: browsers fill a code in only there.
    pub host: Option<String>,
}

impl Product {
    /// Under this name, with pages at this host. An address is no host that browsers bind a code to.
    #[must_use]
    pub fn new(name: &str, host: Option<&str>) -> Self {
        Self { name: one_line(name), host: host.filter(|host| facts::is_host_name(host)).map(str::to_owned) }
    }
}

impl Default for Product {
    fn default() -> Self {
        Self::new("musterd", None)
    }
}

/// A code as it goes by SMS. It ends with the line by which browsers fill it in at its own page only (W3C, Origin-bound
/// one-time codes delivered via SMS §3), and holds no link.
#[must_use]
pub fn text_message(code: &OneTimeCode, minutes: u32, product: &Product) -> Secret {
    let code = code.expose();
    let said =
        format!("{code} is your code for {}. It is good for {}. Never share it.", product.name, in_minutes(minutes));
    Secret::new(match &product.host {
        Some(host) => format!("{said}\n\n@{host} #{code}"),
        None => said,
    })
}

fn in_minutes(minutes: u32) -> String {
    if minutes == 1 { "1 minute".to_owned() } else { format!("{minutes} minutes") }
}

/// A text from a record on one line: control characters and those that turn the reading direction become spaces.
#[must_use]
pub fn one_line(text: &str) -> String {
    let moves = |c: char| matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let plain: String = text.chars().map(|c| if c.is_control() || moves(c) { ' ' } else { c }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
