//! `[face]`: the provider that compares faces. Without the section there is none.
//!
//! Refuses a face among the second factors unless the administrator says that they accept it beside a password.

use std::collections::BTreeSet;
use std::fs;

use super::super::reader::Reader;
use super::super::section::Section;
use super::{MINUTE, SECOND};
use crate::auth::factors::face::{Key, Settings, TIMEOUT};
use crate::directory::factor::Method;

/// Longer than any public key in PEM.
const PEM_MAX: u64 = 16 * 1024;

/// How results are signed.
#[derive(Clone, Copy, PartialEq)]
enum Algorithm {
    EdDsa,
    Hs256,
}

/// Reads the section where there is one; `methods` are those of `[mfa]`.
pub(in super::super) fn read(reader: &mut Reader, methods: &BTreeSet<Method>) -> Option<Settings> {
    let wanted = methods.contains(&Method::Face);
    if !reader.is_given("face") {
        if wanted {
            let problem = "names face, but there is no section [face]: a provider has to be set up there";
            reader.section("mfa").fault("methods", problem);
        }
        return None;
    }
    let section = &mut reader.section("face");
    let url = section.required_text("url", "https://faces.example.org/v1");
    let token = section.secret("token");
    if token.is_none() && !section.has_secret_fault("token") {
        section.fault("token", "is missing; give it, or token_file");
    }
    let ca_file = section.optional_file("ca_file");
    let key = read_key(section);
    let min_score = section.optional_number("min_score", 0.0..=1e9);
    let timeout = section.duration("timeout", SECOND..=MINUTE, TIMEOUT);
    let beside_password = section.boolean("beside_password", false);
    let settings =
        url.zip(token).zip(key).map(|((url, token), key)| Settings { url, token, ca_file, key, min_score, timeout });
    for (key, problem) in settings.as_ref().map(Settings::faults).unwrap_or_default() {
        section.fault(key, problem);
    }
    if wanted && !beside_password {
        let problem = "names face, but face.beside_password is not true: a face counts only beside something that one \
                       has (NIST SP 800-63B-4 §3.2.3), and a password is not; set it if you accept that all the same";
        reader.section("mfa").fault("methods", problem);
    }
    settings
}

/// The key that goes with the algorithm, and not the other.
fn read_key(section: &mut Section<'_>) -> Option<Key> {
    let words = [("EdDSA", Algorithm::EdDsa), ("HS256", Algorithm::Hs256)];
    let algorithm = section.choice("algorithm", &words, Algorithm::EdDsa);
    let public = section.optional_file("public_key_file");
    let secret = section.secret("key");
    let (key, other, other_given) = match algorithm {
        Algorithm::EdDsa => ("public_key_file", "key", secret.is_some()),
        Algorithm::Hs256 => ("key", "public_key_file", public.is_some()),
    };
    if other_given {
        section.fault(other, format!("is not for face.algorithm: keep {key} alone"));
    }
    let made = match algorithm {
        Algorithm::EdDsa => public.map(|path| {
            let long = fs::metadata(&path).is_ok_and(|file| file.len() > PEM_MAX);
            let pem =
                if long { Err("is larger than a key".to_owned()) } else { fs::read(&path).map_err(|e| e.to_string()) };
            pem.and_then(|pem| Key::ed25519(&pem)).map_err(|problem| format!("{}: {problem}", path.display()))
        }),
        Algorithm::Hs256 => secret.map(|secret| Key::hs256(&secret)),
    };
    match made {
        Some(Ok(made)) => return Some(made),
        Some(Err(problem)) => section.fault(key, problem),
        None if section.has_secret_fault(key) => {}
        None => section.fault(key, "is missing; give the key that the provider's results are checked by"),
    }
    None
}
