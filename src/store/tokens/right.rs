//! By whose right tokens are made and changed: what was so when it was looked at must be so in the commit.

use crate::base::id::{SessionId, TokenId, UserId};
use crate::store::tx::Tx;
use crate::store::users::WriteError;
use crate::store::{sessions, users};

/// Who asks, as they were seen. Nobody at all is who administers the machine itself.
#[derive(Clone, Debug, Default)]
pub struct Right {
    /// The user with whose right it is done, and their session epoch.
    pub owner: Option<(UserId, u64)>,
    /// Their session, where they carry one.
    pub session: Option<SessionId>,
    /// The token that is carried, and its revision.
    pub token: Option<(TokenId, u64)>,
}

impl Right {
    /// Are the user, the session and the token still in?
    ///
    /// # Errors
    /// When the token is at another revision, or the store cannot read.
    pub fn holds(&self, tx: &Tx<'_>) -> Result<bool, WriteError> {
        if let Some((id, epoch)) = self.owner {
            let is_in = users::get(tx, id)?.is_some_and(|user| user.session_epoch == epoch && user.is_valid(tx.now()));
            let session = self.session.map(|session| sessions::by_id(tx, id, session)).transpose()?;
            if !is_in || session.is_some_and(|found| found.is_none()) {
                return Ok(false);
            }
        }
        let Some((id, revision)) = self.token else { return Ok(true) };
        match super::by_id(tx, id)?.filter(|token| token.is_live(tx.now())) {
            Some(token) if token.revision != revision => Err(WriteError::Stale { found: token.revision }),
            found => Ok(found.is_some()),
        }
    }
}
