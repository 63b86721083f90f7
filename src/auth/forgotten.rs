//! Somebody forgot their password. The answer is the same for everybody, in the same time: who has an account here, and
//! whether it may come in, is told by mail to its own address, or not at all.
//!
//! Every request is one commit with an audit line, whatever comes of it, and is answered after a time that is the same for
//! all. Nothing is sent before the answer: mail waits in the outbox, so that a mail server that hangs is nobody's sign.

use std::collections::BTreeMap;
use std::time::Duration;

use super::links::LinkFor;
use super::login::{Authenticator, LoginError, Origin};
use crate::base::clock::Stopwatch;
use crate::base::id::SourceId;
use crate::base::secret::sha256;
use crate::base::text;
use crate::directory::audit::{Actor, Target};
use crate::directory::field::{Email, FieldError, Username};
use crate::directory::message::Body;
use crate::directory::quota::Quota;
use crate::directory::user::User;
use crate::store::audit::{self, Entry};
use crate::store::tx::Tx;
use crate::store::{StoreError, credentials, outbox, quotas, users};

/// The answer comes after this time, whatever there was to be done: to make a link takes longer than to make none.
const ANSWER: Duration = Duration::from_millis(100);

/// What somebody typed who forgot their password: one name or one address.
#[derive(Clone)]
pub struct Typed(String);

impl Typed {
    /// Parses it. What it leads to is not looked at.
    ///
    /// # Errors
    /// When it can be neither a username nor an address: two addresses, lines, controls, or too long.
    pub fn parse(typed: &str) -> Result<Self, FieldError> {
        let several = typed.contains('@') && typed.contains([',', ';', '<', '>']);
        let two = typed.matches('@').count() > 1;
        let named = Username::parse(typed).is_ok() && !several && !two;
        if named || Email::parse(typed).is_ok() {
            return Ok(Self(typed.trim().to_owned()));
        }
        Err(FieldError::new("username", "invalid", "must be one username or one email address"))
    }

    /// What its requests are counted by where nobody is known by it.
    fn subject(&self) -> Vec<u8> {
        sha256(text::fold(&self.0).as_bytes()).to_vec()
    }
}

/// Where the password of a source's users is kept.
#[derive(Clone, Debug, PartialEq)]
enum Home {
    /// Here.
    Here,
    /// By this source.
    At(SourceId),
    /// Nowhere that they could log in with it.
    Nowhere,
}

/// What comes of a request.
#[derive(Clone, Debug, PartialEq)]
enum Fate {
    /// A link goes to the user's address.
    Link(LinkFor),
    /// The user is told where their password lives.
    Elsewhere(SourceId),
    /// Nothing, and why.
    Nothing(&'static str),
}

impl Authenticator {
    /// Mails a link, or where the password lives, to whom that name or address belongs; if anybody.
    ///
    /// # Errors
    /// None that tells anything of accounts: the network is not let in or asked too often, or the store fails.
    pub async fn forgotten(&self, typed: &Typed, origin: &Origin, public_url: &str) -> Result<(), LoginError> {
        let watch = Stopwatch::start();
        self.admit(origin).await?;
        let homes = self.homes();
        let (life, typed, public_url) = (self.settings.sessions.link, typed.clone(), public_url.to_owned());
        let network = origin.address.filter(|address| self.settings.lockout.counts_network(*address));
        let author = origin.author(Actor::Anonymous);
        let write = move |tx: &mut Tx<'_>| -> Result<Result<(), Duration>, StoreError> {
            if let Some(network) = network
                && let Err(full) = quotas::take(tx, &[Quota::ForgottenFrom(network)])?
            {
                return Ok(Err(full.wait));
            }
            let user = users::by_login(tx, &typed.0)?;
            let fate = decide(tx, &typed, user.as_ref(), &homes)?;
            let target = user.as_ref().map_or(Target::Unknown, users::target);
            let author = author.clone().because(match &fate {
                Fate::Link(_) => "a link was mailed",
                Fate::Elsewhere(_) => "told where the password lives",
                Fate::Nothing(why) => why,
            });
            audit::append(tx, &author, Entry::new("password.forgotten", target))?;
            match (&user, fate) {
                (Some(user), Fate::Link(what)) => drop(Self::issue_link(tx, user, what, life, &public_url)?),
                (Some(user), Fate::Elsewhere(source)) => {
                    outbox::tell(tx, user, Body::PasswordElsewhere { source: source.as_str().to_owned() })?;
                }
                _ => {}
            }
            Ok(Ok(()))
        };
        self.store.write(write).await?.map_err(LoginError::TooManyAttempts)?;
        tokio::time::sleep(ANSWER.saturating_sub(watch.elapsed())).await;
        Ok(())
    }

    /// Where the passwords of each source's users are kept.
    fn homes(&self) -> BTreeMap<SourceId, Home> {
        let home = |backend: &super::verify::Backend| match (&backend.verify_with, backend.login) {
            (_, false) => Home::Nowhere,
            _ if backend.keeps_passwords => Home::Here,
            (Some(other), true) => Home::At(other.clone()),
            (None, true) => Home::At(backend.id.clone()),
        };
        self.backends.iter().map(|backend| (backend.id.clone(), home(backend))).collect()
    }
}

/// Decides for the user as they are now. One account is asked for so often only, known or not.
fn decide(
    tx: &mut Tx<'_>,
    typed: &Typed,
    user: Option<&User>,
    homes: &BTreeMap<SourceId, Home>,
) -> Result<Fate, StoreError> {
    let subject = user.map_or_else(|| typed.subject(), |user| user.id.as_bytes().to_vec());
    if quotas::take(tx, &[Quota::Forgotten(&subject)])?.is_err() {
        return Ok(Fate::Nothing("asked too often"));
    }
    let Some(user) = user else { return Ok(Fate::Nothing("no such account")) };
    Ok(match homes.get(&user.source).unwrap_or(&Home::Nowhere) {
        _ if !user.is_valid(tx.now()) => Fate::Nothing("the account may not come in"),
        _ if user.mailbox().is_none() => Fate::Nothing("no address that mail can reach"),
        Home::Nowhere => Fate::Nothing("the source's users do not log in"),
        Home::At(source) => Fate::Elsewhere(source.clone()),
        Home::Here if credentials::get(tx, user.id)?.is_some() => Fate::Link(LinkFor::Reset),
        Home::Here => Fate::Link(LinkFor::SetUp),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_or_one_address_is_taken_and_nothing_that_could_be_two() {
        for good in ["ada", "ada@example.org", "Ada.Lovelace", "王", "o'hara@example.org", "svc#1"] {
            assert!(Typed::parse(good).is_ok(), "{good}");
        }
        let long = "x".repeat(300);
        for bad in [
            "",
            "a@x.org,b@y.org",
            "a@x.org;b@y.org",
            "a@x.org b@y.org",
            "a@x.org\r\nBcc: b@y.org",
            "a@x.org\n",
            "Ada <a@x.org>",
            "a@b@c",
            "ada\0",
            &long,
        ] {
            assert!(Typed::parse(bad).is_err(), "{bad:?}");
        }
    }
}
