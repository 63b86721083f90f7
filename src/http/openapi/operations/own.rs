//! Self-service.

use axum::http::StatusCode;
use serde_json::json;

use super::super::answers::login::{challenge, codes, device, enrolment, factor, own_session, renewed, rules};
use super::super::answers::people::user;
use super::super::operation::{Operation, delete, get, patch, post};
use super::super::shape::{Shape, count, list, object, text, whole, with};
use crate::http::api::login;
use crate::http::api::me::{self, factors, profile};

/// How a change that wants a proof fails.
const PROVED: &[&str] = &[
    "invalid_credentials",
    "proof_required",
    "account_disabled",
    "account_expired",
    "source_not_allowed",
    "network_not_allowed",
    "no_such_transaction",
    "too_many_attempts",
    "method_not_offered",
    "no_challenge",
    "not_ready",
    "busy",
    "backend_unavailable",
    "method_unavailable",
    "storage_full",
];

pub(super) fn operations() -> Vec<Operation> {
    [profile_of(), factors_of(), held()].into_iter().flatten().collect()
}

fn profile_of() -> Vec<Operation> {
    let password = json!({"current_password": "correct horse battery", "password": "a brand new password"});
    vec![
        get("/api/v1/me", "getMe", "The user.").shows("They.", user()).tagged(),
        patch("/api/v1/me", "updateMe", "Changes one's name, address, number, or wish for a second factor.")
            .says("Address, number and wish want a fresh proof.")
            .body::<profile::Profile>(json!({"name": "Ada King"}))
            .shows("The user as they are now.", user())
            .tagged()
            .fails(PROVED)
            .fails(&["email_taken", "mfa_enforced"]),
        post("/api/v1/me/password", "changePassword", "Changes the password; every session ends.")
            .body::<me::PasswordChange>(password)
            .done("It is changed.")
            .fails(PROVED)
            .fails(&["password_rejected", "password_change_at_source"]),
        get("/api/v1/me/password-rules", "getMyPasswordRules", "What one's new password must be.")
            .shows("The rules.", rules()),
    ]
}

fn factors_of() -> Vec<Operation> {
    let all = object(vec![
        with("items", list(factor())),
        with("recovery_codes_left", count(10).or_null()),
        with("can_enrol", list(text("totp"))),
    ]);
    vec![
        post("/api/v1/me/challenge", "challengeMe", "Has a second factor asked for, as a proof.")
            .body::<login::Choice>(json!({"method": "email"}))
            .shows("What was asked.", challenge())
            .fails(PROVED)
            .fails(&["too_many_codes"]),
        get("/api/v1/me/factors", "listMyFactors", "One's second factors.").shows("All of them.", all),
        post("/api/v1/me/factors", "enrolFactor", "Begins to enrol a second factor.")
            .body::<factors::Wish>(json!({"method": "totp", "current_password": "correct horse battery"}))
            .gives(StatusCode::CREATED, "What is needed to enrol it.", enrolment("id", "Enrolment"))
            .located()
            .fails(PROVED)
            .fails(&["consent_required", "too_many_codes"]),
        patch("/api/v1/me/factors/{factor}", "renameFactor", "Gives a second factor another name.")
            .body::<factors::Name>(json!({"name": "My phone"}))
            .done("It has it.")
            .fails(&["storage_full"]),
        delete("/api/v1/me/factors/{factor}", "removeFactor", "Removes a second factor, after a fresh proof.")
            .body::<me::Proving>(json!({"method": "totp", "code": "123456"}))
            .shows("The session that goes on.", renewed())
            .fails(PROVED)
            .fails(&["mfa_enforced"]),
        post(
            "/api/v1/me/factors/{factor}/challenge",
            "challengeEnrolment",
            "Has the factor that is being enrolled asked for again.",
        )
        .shows("What was asked.", challenge())
        .fails(PROVED)
        .fails(&["too_many_codes"]),
        post("/api/v1/me/factors/{factor}/confirm", "confirmFactor", "Confirms a factor by its first answer.")
            .body::<factors::First>(json!({"code": "123456"}))
            .shows("The session that goes on.", renewed())
            .fails(PROVED)
            .fails(&["credential_taken"]),
        get("/api/v1/me/recovery-codes", "countRecoveryCodes", "How many recovery codes are left.")
            .shows("So many.", object(vec![with("left", count(10))])),
        post("/api/v1/me/recovery-codes", "makeRecoveryCodes", "Makes new recovery codes; the old ones are over.")
            .body::<me::Proving>(json!({"method": "totp", "code": "123456"}))
            .gives(StatusCode::CREATED, "The codes, shown this once.", codes())
            .located()
            .fails(PROVED),
    ]
}

fn held() -> Vec<Operation> {
    let number = |name| -> Shape { object(vec![with(name, count(1))]) };
    vec![
        get("/api/v1/me/devices", "listMyDevices", "The devices that are trusted.")
            .shows("All of them.", whole(device())),
        delete("/api/v1/me/devices", "forgetMyDevices", "Trusts no device any more.")
            .shows("How many that were.", number("forgotten"))
            .fails(&["storage_full"]),
        delete("/api/v1/me/devices/{device}", "forgetMyDevice", "Trusts a device no more.")
            .done("It is forgotten.")
            .fails(&["storage_full"]),
        get("/api/v1/me/sessions", "listMySessions", "One's sessions.").shows("All of them.", whole(own_session())),
        delete("/api/v1/me/sessions", "endMyOtherSessions", "Ends all sessions but this one.")
            .shows("How many that were.", number("ended"))
            .fails(&["storage_full"]),
        delete("/api/v1/me/sessions/{session}", "endMySession", "Ends one of the sessions.")
            .done("It is over.")
            .fails(&["storage_full"]),
    ]
}
