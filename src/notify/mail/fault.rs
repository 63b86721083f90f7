//! What a failure means: for whom, whether it may pass, and what to do about it.
//!
//! Of what a server writes only codes are taken: its words may repeat the address.

use std::error::Error as _;
use std::io;

use lettre::transport::smtp::Error;
use rustls::CertificateError;

use crate::notify::channel::DeliveryError;

/// The server wants a login, or did not like it: nothing about the message (RFC 4954 §6).
const ABOUT_THE_LOGIN: [u16; 4] = [530, 534, 535, 538];
/// The server closes the connection: nothing about the message (RFC 5321 §3.8).
const CLOSING: u16 = 421;

/// The server as the settings name it.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
}

/// What a failure before the first mail means: never anything about a message.
pub(super) fn connecting(error: &Error, server: &Server) -> DeliveryError {
    let Server { host, port } = server;
    if let Some(wrong) = certificate_fault(error) {
        return DeliveryError::passing(format!("the certificate of {host}:{port} is refused: {wrong}"));
    }
    let said = describe(error);
    DeliveryError::passing(match error.status().map(u16::from) {
        Some(code) if ABOUT_THE_LOGIN.contains(&code) => {
            format!("{said} to the login: see mail.username and mail.password")
        }
        Some(_) => said,
        None if error.is_response() => said,
        None => format!("{host}:{port} cannot be reached: {said}"),
    })
}

/// What the server's, or lettre's, refusal of one message means.
pub(super) fn refusal(error: &Error, needs_unicode: bool) -> DeliveryError {
    let text = describe(error);
    match error.status().map(u16::from) {
        Some(CLOSING) => DeliveryError::passing(text),
        Some(code) if ABOUT_THE_LOGIN.contains(&code) => {
            DeliveryError::passing(format!("{text}: it wants a login; see mail.username and mail.password"))
        }
        Some(_) if error.is_permanent() => DeliveryError::lasting(text),
        Some(_) => DeliveryError::deferred(text),
        // lettre's own refusal: the server knows no address outside ASCII (RFC 6531 §3.2).
        None if error.is_client() && needs_unicode => {
            DeliveryError::lasting("the mail server takes no address outside ASCII")
        }
        None => DeliveryError::passing(text),
    }
}

/// A failure in words. What the server wrote is left out: it may repeat the address.
fn describe(error: &Error) -> String {
    if let Some(code) = error.status() {
        let said = error.source().map(ToString::to_string).unwrap_or_default();
        let detail = said.split_whitespace().next().filter(|word| is_enhanced(word));
        return format!("the mail server answered {code}{}", detail.map(|word| format!(" {word}")).unwrap_or_default());
    }
    if error.is_response() {
        return "the mail server closed the connection, or answered something that is no SMTP".to_owned();
    }
    error.to_string()
}

/// Is it a status code such as 5.1.1 (RFC 3463 §2)?
fn is_enhanced(word: &str) -> bool {
    let parts: Vec<_> = word.split('.').collect();
    let is_number = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() == 3 && parts.iter().all(is_number)
}

/// What is wrong with the server's certificate, if that is it, and what to do.
fn certificate_fault(error: &Error) -> Option<String> {
    let mut next = error.source();
    while let Some(source) = next {
        let inner = source.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let tls = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()).or_else(|| source.downcast_ref());
        if let Some(rustls::Error::InvalidCertificate(fault)) = tls {
            return Some(match fault {
                CertificateError::UnknownIssuer => {
                    "no authority that is believed here has signed it; give that authority in mail.ca_file".to_owned()
                }
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "it has ended; renew it there (or the clock here is wrong)".to_owned()
                }
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    "it is for another name; mail.host must be one that stands in it".to_owned()
                }
                other => format!("{other:?}"),
            });
        }
        next = source.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_status_code_is_taken_from_what_a_server_writes() {
        assert!(is_enhanced("5.1.1") && is_enhanced("4.7.10"));
        for other in ["ada@example.org", "5.1", "5.1.1.1", "5.1.x", "", "5..1"] {
            assert!(!is_enhanced(other), "{other}");
        }
    }
}
