//! Joins the login with what it asks: sources, second factors, hashing.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio_util::task::TaskTracker;

use crate::auth::breaker::Breaker;
use crate::auth::factors::code::{Channel, CodeKind};
use crate::auth::factors::face::Face;
use crate::auth::factors::passkey::PasskeyKind;
use crate::auth::factors::totp::TotpKind;
use crate::auth::factors::{Factors, Kind};
use crate::auth::hasher::Hasher;
use crate::auth::login::{Authenticator, Newcomers};
use crate::auth::passkeys::{Passkeys, Place};
use crate::auth::settings::{FactorSettings, Settings as AuthSettings};
use crate::auth::throttle::Throttle;
use crate::auth::verify::Backend;
use crate::base::id::SourceId;
use crate::config::{Settings, SourceKind as Configured, SourceSettings};
use crate::directory::factor::Method;
use crate::directory::policy::MfaMode;
use crate::directory::user::User;
use crate::http::state::{SourceInfo, SourceKind};
use crate::notify::sms::Sms;
use crate::sources::{PulledUser, Source};
use crate::store::{Store, StoreError};
use crate::sync::task::Follower;

/// What proves a second factor elsewhere, as long as the daemon runs.
pub(super) struct Ways {
    /// The way to phones.
    pub(super) sms: Option<Arc<Sms>>,
    /// Who compares faces.
    pub(super) face: Option<Arc<Face>>,
}

/// The login by these settings. What it counts, hashes by and knows of backends goes on from the one before.
///
/// # Errors
/// In words.
pub(super) fn authenticator(
    store: &Arc<Store>,
    settings: &Settings,
    built: &[SourceInfo],
    ways: &Ways,
    before: Option<&Authenticator>,
) -> Result<Authenticator, String> {
    let (sources, mut auth) = (&settings.sources, settings.auth.clone());
    let always_asked = sources.iter().filter(|source| source.mfa).map(|source| source.id.clone());
    auth.mfa.rules.sources = always_asked.collect();
    auth.forgotten_password &= settings.mail.is_some();
    let passkeys = passkeys(&auth, &settings.http.public_url)?;
    let known = before.map_or(&[][..], |before| &before.backends);
    Ok(Authenticator {
        hasher: match before {
            Some(before) => before.hasher.clone(),
            None => Hasher::start(&auth.hashing, store.rng())?,
        },
        throttle: match before {
            Some(before) => before.throttle.by(auth.lockout.clone()),
            None => Throttle::new(auth.lockout.clone(), store.clone()),
        },
        beside: before.map_or_else(TaskTracker::new, |before| before.beside.clone()),
        backends: sources.iter().zip(built).map(|(settings, source)| backend(settings, source, known)).collect(),
        newcomers: Arc::new(Takers(built.iter().filter_map(|source| source.pulled.clone()).collect())),
        grants: settings.lifecycle.grants.clone().into(),
        factors: factors(&auth, passkeys.as_ref(), ways),
        passkeys,
        store: store.clone(),
        settings: auth,
    })
}

/// Passkeys, where the settings want them and browsers would use them at the public address.
fn passkeys(settings: &AuthSettings, public_url: &str) -> Result<Option<Arc<Passkeys>>, String> {
    if !settings.mfa.methods.contains(&Method::Passkey) {
        return Ok(None);
    }
    match Place::find(&settings.passkeys, public_url) {
        Ok(place) => Ok(Some(Arc::new(Passkeys::open(place, &settings.issuer, settings.passkeys.sign_count)?))),
        Err(problem) if settings.mfa.rules.mode == MfaMode::Off => {
            tracing::info!("there are no passkeys here: {problem}");
            Ok(None)
        }
        Err(problem) => {
            tracing::warn!("second factors are asked for, and the one that cannot be phished is missing: {problem}");
            Ok(None)
        }
    }
}

/// The second factors that the settings want.
fn factors(settings: &AuthSettings, passkeys: Option<&Arc<Passkeys>>, ways: &Ways) -> Factors {
    let wanted = |method| settings.mfa.methods.contains(&method);
    let code = |channel| -> Arc<dyn Kind> {
        let FactorSettings { code_life, resend_after, .. } = settings.mfa;
        Arc::new(CodeKind { channel, life: code_life, resend_after })
    };
    let mut kinds: Vec<Arc<dyn Kind>> = Vec::new();
    if wanted(Method::Totp) {
        kinds.push(Arc::new(TotpKind { issuer: settings.issuer.clone() }));
    }
    if let Some(passkeys) = passkeys {
        kinds.push(Arc::new(PasskeyKind { passkeys: passkeys.clone() }));
    }
    if wanted(Method::Email) {
        kinds.push(code(Channel::Mail));
    }
    if let Some(sms) = ways.sms.as_ref().filter(|_| wanted(Method::Sms)) {
        kinds.push(code(Channel::Sms(sms.policy().clone())));
    }
    if let Some(face) = ways.face.as_ref().filter(|_| wanted(Method::Face)) {
        kinds.push(face.clone());
    }
    Factors::new(kinds)
}

/// A source as the login asks it. A disabled one stays in the list: its users are told so.
fn backend(settings: &SourceSettings, source: &SourceInfo, known: &[Backend]) -> Backend {
    let verifier = |follower: &Follower| -> Arc<dyn Source> { follower.source.clone() };
    let known = known.iter().find(|backend| backend.id == source.id);
    Backend {
        id: source.id.clone(),
        login: source.login,
        keeps_passwords: match &settings.kind {
            Configured::Local => true,
            Configured::Scim { verify_with, .. } | Configured::ScimPull { verify_with, .. } => verify_with.is_none(),
            Configured::Ldap(_) => false,
        },
        // A SCIM service cannot be asked whether a password is right.
        verifier: source.pulled.as_ref().filter(|_| source.kind == SourceKind::Ldap).map(verifier),
        verify_with: settings.kind.verify_with().cloned(),
        breaker: known.map_or_else(|| Arc::new(Breaker::default()), |known| known.breaker.clone()),
        outage_cache: settings.outage_cache,
        lockout: settings.lockout,
    }
}

/// Takes in, through plan and apply, whom a source verified and the directory does not know.
struct Takers(Vec<Follower>);

impl Newcomers for Takers {
    fn take<'a>(
        &'a self,
        source: &'a SourceId,
        entry: PulledUser,
    ) -> Pin<Box<dyn Future<Output = Result<Option<User>, StoreError>> + Send + 'a>> {
        Box::pin(async move {
            match self.0.iter().find(|follower| follower.source.id() == source) {
                Some(follower) => follower.pass.take_one(source, entry).await,
                None => Ok(None),
            }
        })
    }
}
