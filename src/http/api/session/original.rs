//! What a browser or program asked of a reverse proxy, in the words of that proxy. Anything but one clear answer is a
//! fault: what is not understood is not let through.

use axum::http::{HeaderMap, Method, header};
use url::Url;

/// Longest address of a request, in bytes.
const URL_MAX: usize = 8 << 10;

/// The request that a proxy asks about.
#[derive(Debug, PartialEq)]
pub(super) struct Original {
    /// Its whole address.
    pub(super) url: Url,
    /// Its method.
    pub(super) method: Method,
    /// Does the proxy hand a redirect on to the browser? nginx takes it for a fault of ours.
    pub(super) takes_redirects: bool,
}

/// The words of nginx, as `config/proxies/nginx.conf` sets them.
const WHOLE: [&str; 2] = ["x-original-url", "x-original-method"];
/// The words of Traefik and Caddy that no other proxy uses.
const PARTS: [&str; 2] = ["x-forwarded-uri", "x-forwarded-method"];

impl Original {
    /// Reads the headers of a proxy that is believed.
    ///
    /// # Errors
    /// Which header is missing, there twice, or not what it must be.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, String> {
        let has = |names: [&str; 2]| names.iter().any(|name| headers.contains_key(*name));
        match (has(WHOLE), has(PARTS)) {
            (true, true) => Err("X-Original-… and X-Forwarded-Uri or -Method: one proxy sets the ones or the others; \
                 let it delete what clients send"
                .to_owned()),
            (true, false) => {
                let [url, method] = WHOLE;
                Self::of(one(headers, url)?, one(headers, method)?, false)
            }
            (false, _) => {
                let [uri, method] = PARTS;
                let (uri, method) = (one(headers, uri)?, one(headers, method)?);
                let (scheme, host) = (one(headers, "x-forwarded-proto")?, one(headers, "x-forwarded-host")?);
                let is_host = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
                if host.is_empty() || !host.chars().all(is_host) {
                    return Err("X-Forwarded-Host is no host".to_owned());
                }
                if !uri.starts_with('/') {
                    return Err("X-Forwarded-Uri is no path".to_owned());
                }
                Self::of(&format!("{scheme}://{host}{uri}"), method, true)
            }
        }
    }

    fn of(text: &str, method: &str, takes_redirects: bool) -> Result<Self, String> {
        let fault = || "the original address is no http or https URL of a request".to_owned();
        // A backslash is a slash to some and not to others.
        let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
        if text.len() > URL_MAX || !text.bytes().all(is_plain) {
            return Err(fault());
        }
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or_else(fault)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let url = Url::parse(text).map_err(|_| fault())?;
        let is_bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        // With a dot at its end a host is the same, and would be another to the rules.
        let has_dot = url.host_str().is_some_and(|host| host.ends_with('.'));
        if !is_bare
            || has_dot
            || authority.contains('@')
            || authority.is_empty()
            || url.host_str().is_none_or(str::is_empty)
        {
            return Err(fault());
        }
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| "the original method is none".to_owned())?;
        Ok(Self { url, method, takes_redirects })
    }

    /// Its host, in lower case, without port.
    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Does a person with a browser ask? Programs are told in a status what they can do something with.
    pub(super) fn is_of_a_browser(&self, headers: &HeaderMap) -> bool {
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        self.method == Method::GET && accept.contains("text/html")
    }
}

/// The one value of a header.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, String> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| format!("{name} is no text")),
        (None, _) => Err(format!("{name} is missing")),
        (Some(_), Some(_)) => Err(format!("{name} is there twice")),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Original, String> {
        let header = |name: &str, value: &str| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        Original::read(&pairs.iter().map(|(name, value)| header(name, value)).collect())
    }

    fn parts<'a>(proto: &'a str, host: &'a str, uri: &'a str, method: &'a str) -> [(&'a str, &'a str); 4] {
        [
            ("x-forwarded-proto", proto),
            ("x-forwarded-host", host),
            ("x-forwarded-uri", uri),
            ("x-forwarded-method", method),
        ]
    }

    #[test]
    fn both_ways_of_saying_it_are_understood() {
        let whole = [("x-original-url", "https://App.example.org/a?b=c"), ("x-original-method", "GET")];
        let found = read(&whole).unwrap();
        assert_eq!((found.host(), found.url.as_str()), ("app.example.org", "https://app.example.org/a?b=c"));
        assert!(!found.takes_redirects);
        let found = read(&parts("https", "app.example.org:8443", "/a?b=c", "PROPFIND")).unwrap();
        assert_eq!((found.url.as_str(), found.method.as_str()), ("https://app.example.org:8443/a?b=c", "PROPFIND"));
        assert!(found.takes_redirects);
    }

    #[test]
    fn what_is_missing_doubled_or_unclear_is_a_fault() {
        let good = parts("https", "app.example.org", "/", "GET");
        assert!(read(&good).is_ok());
        for left_out in 0..4 {
            let some: Vec<_> =
                good.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, pair)| *pair).collect();
            assert!(read(&some).is_err(), "without {left_out}");
            let twice: Vec<_> = good.iter().chain([&good[left_out]]).copied().collect();
            assert!(read(&twice).is_err(), "twice {left_out}");
        }
        let both: Vec<_> = good.iter().copied().chain([("x-original-url", "https://app.example.org/")]).collect();
        assert!(read(&both).is_err());
        assert!(read(&[]).is_err());
        assert!(read(&[("x-original-url", "https://app.example.org/")]).is_err(), "no method");
        for (proto, host, uri, method) in [
            ("ftp", "app.example.org", "/", "GET"),
            ("https, http", "app.example.org", "/", "GET"),
            ("https", "", "/", "GET"),
            ("https", "app.example.org, evil.org", "/", "GET"),
            ("https", "good@evil.org", "/", "GET"),
            ("https", "app.example.org/x", "/", "GET"),
            ("https", "app.example.org", "x", "GET"),
            ("https", "app.example.org", "@evil.org/", "GET"),
            ("https", "app.example.org", "/\\evil.org", "GET"),
            ("https", "app.example.org", "/a b", "GET"),
            ("https", "app.example.org", "/#x", "GET"),
            ("https", "app.example.org", "/", "G T"),
            ("https", "app.example.org", "/", ""),
        ] {
            assert!(read(&parts(proto, host, uri, method)).is_err(), "{proto} {host} {uri} {method}");
        }
        let long = format!("/{}", "a".repeat(URL_MAX));
        assert!(read(&parts("https", "app.example.org", &long, "GET")).is_err());
        for url in ["https:///x", "https://?x", "//app.example.org/", "https:app.example.org", "https://a@b/", "x"] {
            assert!(read(&[("x-original-url", url), ("x-original-method", "GET")]).is_err(), "{url}");
        }
    }
}
