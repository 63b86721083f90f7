//! Codes by mail and SMS: six digits, sent to an address that was proved, good once, for some minutes, and for what they
//! were asked for (NIST SP 800-63B-4 §3.1.3.3). Five wrong answers end one.

use std::time::Duration;

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::totp::plain_digits;
use super::{Ahead, Ask, Enrolment, Kind, MethodError, Response, Shown, Verdict, forget_unconfirmed};
use crate::base::clock::plus;
use crate::base::id::FactorId;
use crate::base::rng::Rng;
use crate::base::secret::{same_secret, sha256};
use crate::base::text;
use crate::directory::factor::Method;
use crate::directory::field::FieldError;
use crate::directory::message::{Body, Message, OneTimeCode, Via};
use crate::directory::quota::{Quota, SmsPolicy};
use crate::directory::user::User;
use crate::store::challenges::{self, Challenge};
use crate::store::credentials::{self, Factor, FactorKind};
use crate::store::tx::{Reads, Tx};
use crate::store::{StoreError, outbox, quotas};

/// Wrong answers that end a code.
const TRIES: u32 = 5;
/// Digits of a code, as a power of ten.
const CODES: u32 = 1_000_000;

/// What the two ways have of their own.
#[derive(Clone, Debug)]
pub enum Channel {
    /// By mail.
    Mail,
    /// By SMS.
    Sms(SmsPolicy),
}

/// The method.
pub struct CodeKind {
    /// How codes go.
    pub channel: Channel,
    /// How long a code is good.
    pub life: Duration,
    /// After how long another can be sent.
    pub resend_after: Duration,
}

impl CodeKind {
    /// Where codes for this user go.
    fn destination(&self, user: &User) -> Result<String, MethodError> {
        let fault = |field, code, message: &str| MethodError::Unusable(FieldError::new(field, code, message));
        match &self.channel {
            Channel::Mail => {
                let email = user.email.as_ref().map(|email| email.folded());
                let email = email.filter(|email| !email.ends_with(".invalid"));
                email.ok_or_else(|| fault("email", "missing", "must be there: codes go to it"))
            }
            Channel::Sms(policy) => {
                let phone = user.phone.as_ref().map(|phone| phone.as_str().to_owned());
                let phone = phone.ok_or_else(|| fault("phone", "missing", "must be there: codes go to it"))?;
                match policy.admits(&phone) {
                    true => Ok(phone),
                    false => Err(fault("phone", "not_served", "is in a country to which no messages are sent")),
                }
            }
        }
    }

    fn quotas<'a>(&self, ask: &Ask<'_>, to: &'a str) -> Vec<Quota<'a>> {
        match &self.channel {
            Channel::Mail => vec![Quota::MailUser(ask.user.id)],
            Channel::Sms(policy) => {
                let network = ask.network.map(Quota::Network);
                let rest = [Quota::Number(to), Quota::User(ask.user.id), Quota::All(policy.daily_limit)];
                network.into_iter().chain(rest).collect()
            }
        }
    }

    /// Sends a new code; the one before it is over.
    fn send(&self, tx: &mut Tx<'_>, ask: &Ask<'_>, factor: FactorId, to: &str) -> Result<Shown, MethodError> {
        let (now, place) = (tx.now(), ask.place(self.method()));
        if let Some(before) = challenges::get(tx, &place, now)? {
            let age = Duration::try_from(now.duration_since(before.created_at)).unwrap_or_default();
            if age < self.resend_after {
                return Err(MethodError::TooSoon(self.resend_after.saturating_sub(age)));
            }
        }
        quotas::take(tx, &self.quotas(ask, to))?.map_err(|full| MethodError::TooSoon(full.wait))?;
        let code = new_code(tx.rng());
        let sealed = BASE64.encode(&tx.sealer().seal(&place, &sha256(code.expose().as_bytes()))?);
        let challenge = Challenge {
            user: Some(ask.user.id),
            factor: Some(factor),
            created_at: now,
            expires_at: plus(now, self.life),
            tries: TRIES,
            state: json!({"code": sealed, "to": to}),
        };
        challenges::put(tx, place, &challenge)?;
        let via = match self.channel {
            Channel::Mail => Via::Mail,
            Channel::Sms(_) => Via::Sms,
        };
        let minutes = u32::try_from(self.life.as_secs() / 60).unwrap_or(1).max(1);
        let body = Body::Code { via, code, minutes };
        outbox::push(tx, &Message::to_user(ask.user, to, body, tx.now(), challenge.expires_at))?;
        let shown = Shown::default()
            .with("sent_to", text::masked(to))
            .with("code_expires_at", json!(challenge.expires_at))
            .with("resend_after", self.resend_after.as_secs());
        Ok(shown)
    }
}

impl Kind for CodeKind {
    fn method(&self) -> Method {
        match self.channel {
            Channel::Mail => Method::Email,
            Channel::Sms(_) => Method::Sms,
        }
    }

    fn enrol(&self, tx: &mut Tx<'_>, ask: &Ask<'_>, _: &Ahead) -> Result<Enrolment, MethodError> {
        let to = self.destination(ask.user)?;
        forget_unconfirmed(tx, ask.user, self.method())?;
        let id = FactorId::new(tx.now(), tx.rng());
        let (name, kind) = match self.channel {
            Channel::Mail => ("Code by mail", FactorKind::Email { address: to.clone() }),
            Channel::Sms(_) => ("Code by SMS", FactorKind::Sms { number: to.clone() }),
        };
        let factor = Factor { id, name: name.to_owned(), created_at: tx.now(), confirmed: false, used_at: None, kind };
        credentials::put_factor(tx, ask.user.id, &factor)?;
        Ok(Enrolment { factor: id, shown: self.send(tx, ask, id, &to)? })
    }

    fn challenge(&self, tx: &mut Tx<'_>, ask: &Ask<'_>, factors: &[Factor], _: &Ahead) -> Result<Shown, MethodError> {
        let to = self.destination(ask.user)?;
        let factor = factors.iter().find(|factor| factor.destination() == Some(&to));
        self.send(tx, ask, factor.ok_or(MethodError::NoChallenge)?.id, &to)
    }

    fn accept(
        &self,
        tx: &mut Tx<'_>,
        ask: &Ask<'_>,
        factors: &[Factor],
        response: &Response,
        _: &Ahead,
    ) -> Result<Verdict, MethodError> {
        let place = ask.place(self.method());
        let sent = challenges::get(tx, &place, tx.now())?.filter(|sent| sent.user == Some(ask.user.id));
        let sent = sent.ok_or(MethodError::NoChallenge)?;
        let to = self.destination(ask.user)?;
        let is_meant = |factor: &&Factor| Some(factor.id) == sent.factor && factor.destination() == Some(&to);
        // A code that went to another address than the user's own of now proves nothing.
        let factor = factors.iter().find(is_meant).ok_or(MethodError::NoChallenge)?;
        let typed = plain_digits(response.code.as_ref().map_or("", |code| code.expose()));
        if !same_secret(&sha256(typed.as_bytes()), &opened(tx, &place, &sent)?) {
            challenges::put(tx, place, &Challenge { tries: sent.tries.saturating_sub(1), ..sent })?;
            return Ok(Verdict::Wrong("code"));
        }
        challenges::remove(tx, &place)?;
        let proved = Factor { confirmed: true, used_at: Some(tx.now()), ..factor.clone() };
        credentials::put_factor(tx, ask.user.id, &proved)?;
        Ok(Verdict::Right(factor.id))
    }
}

/// The hash of the code that was sent; one that does not open any more was no code of today.
fn opened(tx: &Tx<'_>, place: &[u8], sent: &Challenge) -> Result<Vec<u8>, MethodError> {
    let sealed = sent.state.get("code").and_then(Value::as_str).unwrap_or_default();
    let sealed = BASE64.decode(sealed.as_bytes()).map_err(|error| StoreError::Record(error.to_string()))?;
    tx.sealer().open(place, &sealed).map(|hash| hash.to_vec()).map_err(|_| MethodError::NoChallenge)
}

/// Six digits, each as likely as any other.
fn new_code(rng: &Rng) -> OneTimeCode {
    let even = u32::MAX - u32::MAX % CODES;
    loop {
        let drawn = u32::from_be_bytes(rng.bytes());
        if drawn < even {
            return OneTimeCode::new(format!("{:06}", drawn % CODES));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_six_digits_and_evenly_spread() {
        // χ² over the first digit with nine degrees of freedom: 27.9 is passed once in a thousand.
        let rng = Rng::seeded(7);
        let mut counts = [0_u32; 10];
        for _ in 0..20_000 {
            let code = new_code(&rng);
            assert!(code.expose().len() == 6 && code.expose().bytes().all(|byte| byte.is_ascii_digit()));
            counts[usize::from(code.expose().as_bytes()[0] - b'0')] += 1;
        }
        let square: f64 = counts.iter().map(|count| (f64::from(*count) - 2_000.0).powi(2) / 2_000.0).sum();
        assert!(square < 27.9, "{counts:?}");
    }
}
