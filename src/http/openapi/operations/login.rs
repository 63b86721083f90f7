//! Logins, sessions, and what watches the daemon.

use axum::http::StatusCode;
use serde_json::json;

use super::super::answers::login::{challenge_in_login, enrolment, introspection, outcome, rules, session};
use super::super::answers::people::user;
use super::super::operation::{Operation, delete, get, post};
use super::super::shape::{count, free, list, map, object, one_of, text, time, with};
use crate::http::api::{login, passkey, password_link, session as sessions};

/// How a login fails, whatever its step.
const REFUSALS: &[&str] = &[
    "invalid_credentials",
    "account_disabled",
    "account_expired",
    "source_not_allowed",
    "initial_password_expired",
    "network_not_allowed",
    "too_many_attempts",
    "busy",
    "backend_unavailable",
    "storage_full",
];
/// How a step of a login fails besides.
const STEPS: &[&str] =
    &["no_such_transaction", "wrong_step", "method_not_offered", "no_challenge", "method_unavailable"];

pub(super) fn operations() -> Vec<Operation> {
    [begin(), steps(), forgotten(), bearers(), watching()].into_iter().flatten().collect()
}

fn begin() -> Vec<Operation> {
    let asked = object(vec![
        with("transaction", text("mst_t_9fQ2…")),
        with("options", free(json!({"publicKey": {}})).says("What navigator.credentials.get() is given.")),
        with("expires_at", time()),
    ]);
    vec![
        post("/api/v1/authenticate", "authenticate", "Begins a login with a name and a password.")
            .says("status says what comes next: a session, a second factor, an enrolment or a new password.")
            .body::<login::Credentials>(json!({"username": "ada", "password": "correct horse battery"}))
            .shows("How far the login is.", outcome())
            .fails(REFUSALS)
            .fails(&["forbidden"]),
        post("/api/v1/authenticate/passkey", "beginPasskeyLogin", "Begins a login by a passkey alone.")
            .body::<passkey::Anybody>(json!({}))
            .shows("What to ask the browser.", asked)
            .fails(REFUSALS)
            .fails(STEPS),
        post("/api/v1/authenticate/passkey/verify", "finishPasskeyLogin", "Logs in whose passkey answered.")
            .body::<passkey::Shown>(json!({"transaction": "mst_t_9fQ2…", "credential": {}}))
            .shows("How far the login is.", outcome())
            .fails(REFUSALS)
            .fails(STEPS)
            .fails(&["forbidden"]),
    ]
}

fn steps() -> Vec<Operation> {
    let steps = vec![
        post("/api/v1/authenticate/{transaction}/challenge", "challengeInLogin", "Has a second factor asked for.")
            .body::<login::Choice>(json!({"method": "email"}))
            .shows("What was asked.", challenge_in_login())
            .fails(&["too_many_codes"]),
        post("/api/v1/authenticate/{transaction}/verify", "verifyInLogin", "Proves a second factor.")
            .body::<login::Answer>(json!({"method": "totp", "code": "123456"}))
            .shows("How far the login is.", outcome())
            .fails(&["not_ready"]),
        post(
            "/api/v1/authenticate/{transaction}/password",
            "changePasswordInLogin",
            "Sets the new password that a login asks for.",
        )
        .body::<login::NewPassword>(json!({"password": "a brand new password"}))
        .shows("How far the login is.", outcome())
        .fails(&["password_rejected", "password_change_at_source"]),
        post(
            "/api/v1/authenticate/{transaction}/enrol",
            "enrolInLogin",
            "Begins to enrol the second factor that a login asks for.",
        )
        .body::<login::Enrolling>(json!({"method": "totp"}))
        .shows("What is needed to enrol it.", enrolment("factor", "LoginEnrolment"))
        .fails(&["consent_required", "too_many_codes"]),
    ];
    steps.into_iter().map(|step| step.fails(REFUSALS).fails(STEPS)).collect()
}

fn forgotten() -> Vec<Operation> {
    let link = object(vec![
        with("username", text("ada")),
        with("name", text("Ada Lovelace")),
        with("expires_at", time()),
        with("rules", rules()),
    ]);
    vec![
        post("/api/v1/forgotten-password", "forgotPassword", "Mails a link by which a new password is set.")
            .says("The answer is the same whether there is such an account or not.")
            .body::<password_link::Forgotten>(json!({"username": "ada@example.org"}))
            .gives(
                StatusCode::ACCEPTED,
                "If there is such an account, a mail is on its way.",
                object(vec![with("detail", text("a mail is on its way"))]),
            )
            .fails(&["not_offered", "too_many_attempts", "busy", "forbidden", "storage_full"]),
        get("/api/v1/password-link", "getPasswordLink", "Whose password a link sets; the link's token is the bearer.")
            .shows("Whose it is, and by which rules.", link)
            .fails(&["unauthenticated", "no_such_transaction"]),
        post("/api/v1/password-link", "usePasswordLink", "Sets a password by a link; signs nobody in.")
            .body::<password_link::LinkUse>(json!({"token": "mst_l_5cD1…", "password": "a brand new password"}))
            .done("It is set.")
            .fails(REFUSALS)
            .fails(&["no_such_transaction", "password_rejected", "password_change_at_source"]),
        get("/api/v1/settings/password-rules", "getPasswordRules", "What a new password must be.")
            .shows("The rules.", rules()),
    ]
}

fn bearers() -> Vec<Operation> {
    let bearer = object(vec![with("user", user()), with("session", session())]);
    let signed = object(vec![
        with("access_token", text("eyJhbGciOiJFZERTQSJ9…")),
        with("token_type", one_of(["Bearer"])),
        with("expires_in", count(300).says("Seconds.")),
    ]);
    let token = object(vec![with("token", text("mst_s_k3Yx…"))]);
    vec![
        get("/api/v1/session", "getSession", "The bearer's user and session.").shows("Who it is.", bearer),
        delete("/api/v1/session", "endSession", "Ends the bearer's session.")
            .done("It is over.")
            .header("Clear-Site-Data", "What a browser forgets with it.")
            .header("Set-Cookie", "The cookie, emptied.")
            .fails(&["storage_full"]),
        post("/api/v1/session/token", "issueToken", "Signs a token of a session (RFC 9068) for one audience.")
            .body::<sessions::token::Order>(json!({"audience": "wiki"}))
            .shows("The token.", signed)
            .fails(&["jwt_disabled"]),
        post("/api/v1/session/cookie", "setCookie", "Hands the bearer's session to their browser.")
            .done("The cookie is set.")
            .header("Set-Cookie", "The cookie.")
            .fails(&["no_cookie"]),
        delete("/api/v1/session/cookie", "clearCookie", "Lets the browser forget the cookie.")
            .done("It is emptied.")
            .header("Set-Cookie", "The cookie, emptied.")
            .fails(&["no_cookie"]),
        post("/api/v1/introspect", "introspect", "Is this token valid, and whose is it? (RFC 7662)")
            .form(&token)
            .shows("What is told of it.", introspection()),
        post("/api/v1/revoke", "revoke", "Ends the session of a token (RFC 7009).")
            .form(&token)
            .nothing(StatusCode::OK, "It opens nothing any more.")
            .fails(&["storage_full"]),
        get("/api/v1/forward-auth", "forwardAuth", "For reverse proxies: may this request go on, and who is it?")
            .nothing(StatusCode::OK, "It may.")
            .header("Remote-User", "The username.")
            .header("Remote-Id", "The id.")
            .header("Remote-Name", "The name.")
            .header("Remote-Email", "The address.")
            .header("Remote-Groups", "The groups, separated by commas.")
            .nothing(StatusCode::FOUND, "A browser goes to where people log in.")
            .header("Location", "Where that is.")
            .fails(&["no_original_request", "not_a_trusted_proxy", "forbidden", "mfa_required"]),
    ]
}

fn watching() -> Vec<Operation> {
    let key = map("kid", text("k1"));
    vec![
        get("/.well-known/jwks.json", "getKeys", "The public keys of signed tokens (RFC 7517).")
            .gives_as(StatusCode::OK, "The keys.", "application/jwk-set+json", object(vec![with("keys", list(key))]))
            .tagged()
            .fails(&["jwt_disabled"]),
        get("/healthz", "isAlive", "The process runs.")
            .shows("It does.", object(vec![with("status", one_of(["alive"]))])),
        get("/readyz", "isReady", "The store reads and writes.")
            .shows("It does.", object(vec![with("status", one_of(["ready"]))]))
            .fails(&["storage_full", "storage_failed", "storage_slow"]),
        get("/api/v1/openapi.json", "getOpenApi", "This document.")
            .shows("It.", free(json!({"openapi": "3.1.0"})))
            .tagged(),
    ]
}
