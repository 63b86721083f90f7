//! What logins, sessions and second factors come to.

use serde_json::json;

use super::people::user;
use crate::directory::factor::Method;
use crate::http::openapi::shape::{
    Member, Shape, count, flag, free, id, list, maybe, object, one_of, text, time, with,
};

const TOKEN: &str = "mst_s_k3Yx…";
/// What proves somebody in a session (`factors` there), in the words of records.
const PROOFS: [&str; 8] = ["pwd", "otp", "passkey", "sms", "email", "face", "recovery", "device"];

fn method() -> Shape {
    one_of(Method::FACTORS.iter().map(|(name, _)| *name))
}

fn proofs() -> Shape {
    list(one_of(PROOFS))
}

/// The token of a session, and its end.
fn opened() -> Shape {
    object(vec![with("token", text(TOKEN)), with("expires_at", time())])
}

/// The session that goes on under another token.
pub(in crate::http::openapi) fn renewed() -> Shape {
    object(vec![with("session", opened())])
}

/// What a login has come to.
pub(in crate::http::openapi) fn outcome() -> Shape {
    let authenticated = object(vec![
        with("status", one_of(["authenticated"])),
        with("user", user()),
        with("session", opened()),
        with("authenticated_by", text("local")),
        with("factors", proofs()),
        with("amr", list(text("pwd")).says("RFC 8176.")),
        with("acr", one_of(["aal1", "aal2"])),
        maybe("device", opened().says("A device that is trusted from now on.")),
    ])
    .named("Authenticated");
    let asked = object(vec![
        with("id", id()),
        with("method", method()),
        with("name", text("Authenticator app")),
        with("sent_to", text("a…@example.org").or_null()),
    ]);
    let waits = || vec![with("transaction", text("mst_t_9fQ2…")), with("expires_at", time())];
    let also = |mut members: Vec<Member>| {
        members.extend(waits());
        object(members)
    };
    let factor = also(vec![
        with("status", one_of(["mfa_required"])),
        with("methods", list(method())),
        with("factors", list(asked)),
        with("may_trust_device", flag(false)),
    ])
    .named("FactorRequired");
    let enrolment = also(vec![with("status", one_of(["mfa_enrolment_required"])), with("methods", list(method()))])
        .named("EnrolmentRequired");
    let password = also(vec![
        with("status", one_of(["password_change_required"])),
        with("reason", text("must_change")),
        with("rules", rules()),
    ])
    .named("PasswordChangeRequired");
    authenticated.or(factor).or(enrolment).or(password).named("LoginOutcome")
}

/// What new passwords must be.
pub(in crate::http::openapi) fn rules() -> Shape {
    object(vec![
        with("min_length", count(15)),
        with("max_bytes", count(1024)),
        with("require_upper", flag(false)),
        with("require_lower", flag(false)),
        with("require_digit", flag(false)),
        with("require_special", flag(false)),
        with("forbid_names", flag(true)),
        with("history", count(0)),
        with("max_age_seconds", count(7_776_000).or_null()),
        with("blocklist", flag(true)),
        with("breached", flag(false)),
        with("min_strength", count(0).or_null()),
        maybe("min_length_with_factor", count(8)),
        maybe("admin_min_length", count(15)),
    ])
    .named("PasswordRules")
}

fn asked_members() -> Vec<Member> {
    vec![
        with("method", method()),
        maybe("sent_to", text("a…@example.org")),
        maybe("code_expires_at", time()),
        maybe("resend_after", count(60).says("Seconds until another code may be asked for.")),
        maybe("options", free(json!({"publicKey": {}})).says("For a passkey: what the browser is asked.")),
        maybe("capture_url", text("https://faces.example.org/c/1").says("For a face: where it is shown.")),
        maybe("capture_expires_at", time()),
    ]
}

/// What was asked for a second factor.
pub(in crate::http::openapi) fn challenge() -> Shape {
    object(asked_members()).named("Challenge")
}

/// What was asked for a second factor in a login.
pub(in crate::http::openapi) fn challenge_in_login() -> Shape {
    let mut members = asked_members();
    members.push(with("status", one_of(["mfa_required", "mfa_enrolment_required"])));
    members.push(with("expires_at", time()));
    object(members).named("LoginChallenge")
}

/// What is needed to enrol a factor; `id` names its id.
pub(in crate::http::openapi) fn enrolment(id_is: &'static str, name: &'static str) -> Shape {
    let mut members = asked_members();
    members.push(with(id_is, id()));
    members.push(maybe("secret", text("JBSWY3DPEHPK3PXP")));
    members.push(maybe("uri", text("otpauth://totp/musterd:ada?secret=JBSWY3DPEHPK3PXP")));
    members.push(maybe("qr_svg", text("<svg/>")));
    object(members).named(name)
}

/// A second factor.
pub(in crate::http::openapi) fn factor() -> Shape {
    object(vec![
        with("id", id()),
        with("kind", method()),
        with("name", text("Authenticator app")),
        with("created_at", time()),
        with("used_at", time().or_null()),
        with("sent_to", text("a…@example.org").or_null()),
        with("usable", flag(true)),
        with("consented_at", time().or_null()),
    ])
    .named("Factor")
}

/// Recovery codes, shown once.
pub(in crate::http::openapi) fn codes() -> Shape {
    object(vec![with("codes", list(text("7k2m-9xqd-4w8f")))])
}

fn session_members() -> Vec<Member> {
    vec![
        with("id", id()),
        with("created_at", time()),
        with("last_used_at", time()),
        with("expires_at", time()),
        with("authenticated_by", text("local")),
        with("factors", proofs()),
        with("client", id().or_null().says("The application that began it.")),
        with("agent", text("Mozilla/5.0").or_null()),
        with("address", text("192.0.2.7").or_null()),
    ]
}

/// A session.
pub(in crate::http::openapi) fn session() -> Shape {
    object(session_members()).named("Session")
}

/// One of one's own sessions.
pub(in crate::http::openapi) fn own_session() -> Shape {
    let mut members = session_members();
    members.push(with("current", flag(true)));
    object(members).named("OwnSession")
}

/// A trusted device.
pub(in crate::http::openapi) fn device() -> Shape {
    object(vec![
        with("id", id()),
        with("created_at", time()),
        with("last_used_at", time()),
        with("expires_at", time()),
        with("address", text("192.0.2.7").or_null()),
        with("agent", text("Mozilla/5.0").or_null()),
    ])
    .named("Device")
}

/// What is told of a token (RFC 7662).
pub(in crate::http::openapi) fn introspection() -> Shape {
    let active = object(vec![
        with("active", flag(true)),
        with("iss", text("https://id.example.org")),
        with("sub", id()),
        with("username", text("ada")),
        with("name", text("Ada Lovelace")),
        maybe("email", text("ada@example.org")),
        with("groups", list(text("Engineering"))),
        with("sid", id()),
        with("iat", count(1_795_000_000)),
        with("exp", count(1_795_043_200)),
        with("auth_time", count(1_795_000_000)),
        with("amr", list(text("pwd"))),
        with("acr", one_of(["aal1", "aal2"])),
        maybe("client_id", id()),
        maybe("aud", text("wiki")),
        maybe("jti", id()),
        with("token_type", one_of(["Bearer"])),
    ])
    .named("ActiveToken");
    active.or(object(vec![with("active", flag(false))]).named("InactiveToken"))
}
