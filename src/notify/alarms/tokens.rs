//! Tokens that are in use and end soon: what carries one stops at that moment.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::finding::{Finding, Kind};
use super::probes::Probe;
use crate::base::clock::{minus, plus};
use crate::directory::policy::days;
use crate::directory::token::ApiToken;
use crate::notify::templates::one_line;
use crate::store::{Store, StoreError, tokens};

/// So long before its end a token is told of,
const FIRST: Duration = days(14);
/// and from then on daily.
const DAILY: Duration = days(3);
/// One that was not used for longer misses nobody.
const OF_LATE: Duration = days(14);
/// All tokens are read this often, and no more.
const LOOK_EVERY: Duration = Duration::from_secs(10 * 60);

/// Looks for them.
#[derive(Default)]
pub struct EndingTokens {
    /// What the last look found, and when it was.
    last: Mutex<Option<(Timestamp, Vec<Finding>)>>,
}

impl Probe for EndingTokens {
    fn kinds(&self) -> &[Kind] {
        &[Kind::Token]
    }

    fn look(&self, store: &Store, now: Timestamp) -> Result<Vec<Finding>, StoreError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = last.as_ref().filter(|(at, _)| *at <= now && now < plus(*at, LOOK_EVERY)) {
            return Ok(found.clone());
        }
        let (soon, of_late) = (plus(now, FIRST), minus(now, OF_LATE));
        let wanted = |token: &ApiToken| {
            token.expires_at.is_some_and(|end| now < end && end <= soon)
                && token.last_used_at.is_some_and(|used| of_late <= used)
        };
        let ending = tokens::list(&store.view(), None, tokens::MOST, wanted)?;
        let found: Vec<Finding> = ending.iter().filter_map(|token| finding(token, now)).collect();
        *last = Some((now, found.clone()));
        Ok(found)
    }
}

fn finding(token: &ApiToken, now: Timestamp) -> Option<Finding> {
    let end = token.expires_at?;
    let detail = format!(
        "the token {} ({}…) is in use and ends at {}: musterd token set {} --expires-at TIME",
        one_line(&token.name),
        token.prefix,
        end.strftime("%Y-%m-%d %H:%M UTC"),
        token.id
    );
    let again = if end <= plus(now, DAILY) { days(1) } else { days(11) };
    Some(Finding { again, ..Finding::new(Kind::Token, &token.id.to_string(), detail) })
}
