//! Whose passkeys are believed: the name that they are bound to, and the pages that may use them.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// The settings of passkeys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The domain that passkeys are bound to; `None`: the host of the public address.
    pub rp_id: Option<String>,
    /// The pages that may use them; none: the public address.
    pub origins: Vec<WebOrigin>,
    /// What to do when a passkey counts backwards.
    pub sign_count: SignCount,
}

/// What happens when a passkey shows a count of signatures that is not larger than the last one (WebAuthn Level 3
/// §6.1.1): there may be a second copy of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignCount {
    /// It is refused.
    #[default]
    Reject,
    /// It is accepted and noted.
    Log,
}

/// An origin as browsers write it (RFC 6454 §6.2): scheme, host, and a port that is not the usual one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin {
    url: Url,
    text: String,
}

/// A text that is no origin of a page that may use passkeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no https origin such as https://login.example.org, nor http on localhost")]
pub struct NoOrigin;

impl WebOrigin {
    /// Its domain.
    fn domain(&self) -> &str {
        self.url.domain().unwrap_or_default()
    }

    /// It as an address.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Is this text, to the letter, the origin?
    pub(super) fn is(&self, text: &str) -> bool {
        self.text == text
    }

    /// The origin of an address that may have a path.
    fn of(address: &str) -> Result<Self, NoOrigin> {
        let url = Url::parse(address).map_err(|_| NoOrigin)?;
        let domain = url.domain().ok_or(NoOrigin)?;
        // Browsers know passkeys in secure contexts alone; this machine's own name is one without TLS.
        let own = domain == "localhost" || domain.ends_with(".localhost");
        if url.scheme() != "https" && !(url.scheme() == "http" && own) {
            return Err(NoOrigin);
        }
        let text = url.origin().ascii_serialization();
        let url = Url::parse(&text).map_err(|_| NoOrigin)?;
        Ok(Self { url, text })
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for WebOrigin {
    type Err = NoOrigin;

    fn from_str(text: &str) -> Result<Self, NoOrigin> {
        let origin = Self::of(text)?;
        if origin.is(text.strip_suffix('/').unwrap_or(text)) { Ok(origin) } else { Err(NoOrigin) }
    }
}

/// The name that passkeys are bound to and the pages that may use them: they fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The relying party's identifier (WebAuthn Level 3 §4).
    pub(super) rp_id: String,
    /// The pages; at least one.
    pub(super) origins: Vec<WebOrigin>,
}

/// Why there can be no passkeys: the key that says so, and in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct NoPlace {
    /// The key in the section; empty where it is the public address.
    pub key: &'static str,
    /// What is wrong.
    pub problem: String,
}

impl Place {
    /// The place that the settings and the public address give.
    ///
    /// # Errors
    /// When browsers would not use passkeys there.
    pub fn find(settings: &Settings, public_url: &str) -> Result<Self, NoPlace> {
        let origins = match settings.origins.as_slice() {
            [] => vec![public_origin(public_url)?],
            given => given.to_vec(),
        };
        let rp_id = match &settings.rp_id {
            Some(given) => given.clone(),
            None => match WebOrigin::of(public_url) {
                Ok(origin) => origin.domain().to_owned(),
                Err(_) => return Err(NoPlace { key: "rp_id", problem: missing_rp_id(public_url) }),
            },
        };
        if !matches!(Host::parse(&rp_id), Ok(Host::Domain(domain)) if domain == rp_id) {
            let problem = format!("{rp_id:?} is no domain in lower case such as example.org");
            return Err(NoPlace { key: "rp_id", problem });
        }
        let fits = |origin: &WebOrigin| is_below(origin.domain(), &rp_id);
        if let Some(outside) = origins.iter().find(|origin| !fits(origin)) {
            let key = if settings.rp_id.is_some() { "rp_id" } else { "origins" };
            let problem = format!("do not fit: the host of {outside} must be {rp_id} or end in .{rp_id}");
            return Err(NoPlace { key, problem });
        }
        Ok(Self { rp_id, origins })
    }

    /// May a page of this origin use passkeys? It is compared to the letter.
    pub(super) fn has(&self, origin: &str) -> bool {
        self.origins.iter().any(|known| known.is(origin))
    }
}

fn public_origin(public_url: &str) -> Result<WebOrigin, NoPlace> {
    let problem = || {
        format!(
            "passkeys need a page with a name and https, or localhost: server.public_url is {public_url}; set it, or \
             passkeys.origins"
        )
    };
    WebOrigin::of(public_url).map_err(|NoOrigin| NoPlace { key: "", problem: problem() })
}

fn missing_rp_id(public_url: &str) -> String {
    format!("is missing, and server.public_url ({public_url}) has no domain to take in its place")
}

/// Is this domain the other, or one below it?
fn is_below(domain: &str, other: &str) -> bool {
    domain.strip_suffix(other).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(rp_id: Option<&str>, origins: &[&str], public_url: &str) -> Result<Place, NoPlace> {
        let origins = origins.iter().map(|origin| origin.parse().unwrap()).collect();
        Place::find(&Settings { rp_id: rp_id.map(str::to_owned), origins, ..Settings::default() }, public_url)
    }

    #[test]
    fn the_public_address_is_the_place_where_nothing_else_is_said() {
        let place = find(None, &[], "https://login.example.org/directory").unwrap();
        assert_eq!(place.rp_id, "login.example.org");
        assert!(place.has("https://login.example.org"));
        let near = [
            "https://login.example.org/",
            "https://login.example.org:443",
            "https://LOGIN.example.org",
            "http://login.example.org",
            "https://login.example.org:8443",
            "https://example.org",
            "https://evil-login.example.org",
            "https://login.example.org.evil.example",
            "https://x.login.example.org",
            "null",
            "",
        ];
        for other in near {
            assert!(!place.has(other), "{other}");
        }
        assert!(find(None, &[], "http://localhost:8480").unwrap().has("http://localhost:8480"));
    }

    #[test]
    fn where_browsers_have_no_passkeys_there_is_no_place() {
        for address in ["http://127.0.0.1:8480", "https://[::1]", "http://login.example.org", "ftp://example.org"] {
            assert_eq!(find(None, &[], address).unwrap_err().key, "", "{address}");
        }
        assert_eq!(find(None, &["https://a.example.org"], "http://127.0.0.1:8480").unwrap_err().key, "rp_id");
    }

    #[test]
    fn pages_lie_on_or_below_the_domain_that_passkeys_are_bound_to() {
        let pages = ["https://example.org", "https://login.example.org:8443"];
        let place = find(Some("example.org"), &pages, "http://127.0.0.1:8480").unwrap();
        assert!(place.has("https://login.example.org:8443") && !place.has("https://other.example.org"));
        for page in ["https://evil-example.org", "https://example.org.evil.example", "https://org"] {
            assert_eq!(find(Some("example.org"), &[page], "http://127.0.0.1").unwrap_err().key, "rp_id", "{page}");
        }
        assert_eq!(find(None, &["https://b.example"], "https://a.example").unwrap_err().key, "origins");
        for rp_id in ["Example.org", "example.org/", "127.0.0.1", "", "exa mple.org"] {
            assert_eq!(find(Some(rp_id), &[], "https://example.org").unwrap_err().key, "rp_id", "{rp_id:?}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for good in ["https://login.example.org", "https://login.example.org:8443/", "http://a.localhost:1"] {
            assert!(good.parse::<WebOrigin>().is_ok(), "{good}");
        }
        let bad = [
            "https://login.example.org/path",
            "https://login.example.org:443",
            "https://LOGIN.example.org",
            "https://ada@login.example.org",
            "https://login.example.org?x",
            "http://login.example.org",
            "https://127.0.0.1",
            "login.example.org",
            "null",
        ];
        for bad in bad {
            assert!(bad.parse::<WebOrigin>().is_err(), "{bad}");
        }
    }
}
