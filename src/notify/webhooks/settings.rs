//! What the settings say of a webhook, and what can be wrong with it.

use std::path::PathBuf;
use std::time::Duration;

use data_encoding::{BASE64, BASE64_NOPAD};
use zeroize::Zeroizing;

use super::sign::SigningKey;
use crate::base::secret::Secret;
use crate::directory::event::EventPattern;
use crate::web::place::Place;
use crate::web::tls::read_certificates;

/// The bytes that a key may have, by the specification of Standard Webhooks.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// One webhook.
#[derive(Clone)]
pub struct Settings {
    /// Its name, for people.
    pub name: String,
    /// Where events go.
    pub url: String,
    /// What signs them: one key, or two while one takes the other's place.
    pub keys: Vec<SigningKey>,
    /// Which events.
    pub events: Vec<EventPattern>,
    /// The authorities that sign the endpoint's certificate; the system's own where `None`.
    pub ca_file: Option<PathBuf>,
    /// The time for one event.
    pub timeout: Duration,
}

impl Settings {
    /// The time for one event, where nothing is said.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// What is wrong with the URL or the file, by key.
    #[must_use]
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let url = Place::parse(&self.url).err().map(|problem| ("url", problem));
        let file = self.ca_file.as_deref().and_then(|path| read_certificates(path).err());
        url.into_iter().chain(file.map(|problem| ("ca_file", problem))).collect()
    }
}

/// Reads a key as Standard Webhooks writes it: `whsec_`, and 24 to 64 bytes in base64.
///
/// # Errors
/// What is wrong with it, without a word of it.
pub fn read_key(text: &Secret) -> Result<SigningKey, String> {
    let wanted = "must be whsec_ and 24 to 64 random bytes in base64: echo whsec_$(openssl rand -base64 32)";
    let encoded = text.expose().strip_prefix("whsec_").ok_or(wanted)?.trim_end_matches('=');
    let padded = BASE64.decode(text.expose().trim_start_matches("whsec_").as_bytes());
    let bytes = padded.or_else(|_| BASE64_NOPAD.decode(encoded.as_bytes())).map(Zeroizing::new);
    let bytes = bytes.map_err(|_| wanted)?;
    if KEY_BYTES.contains(&bytes.len()) { Ok(SigningKey::new(bytes)) } else { Err(wanted.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_whsec_and_enough_bytes() {
        let key = |bytes: usize| Secret::new(format!("whsec_{}", BASE64.encode(&vec![7; bytes])));
        for good in [24, 32, 64] {
            assert!(read_key(&key(good)).is_ok(), "{good}");
        }
        let unpadded = key(32).expose().trim_end_matches('=').to_owned();
        assert!(read_key(&Secret::new(unpadded)).is_ok());
        for bad in [key(23), key(65), Secret::new("whsec_"), Secret::new("hunter2"), Secret::new("whsec_???")] {
            let problem = read_key(&bad).err().unwrap();
            assert!(problem.starts_with("must be whsec_") && !problem.contains("hunter2"), "{problem}");
        }
        let bare = key(32).expose().trim_start_matches("whsec_").to_owned();
        assert!(read_key(&Secret::new(bare)).is_err());
    }
}
