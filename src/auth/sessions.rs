//! Who is this bearer? One read of the session and one of the user, at every use; so out means out at once.

use std::sync::Arc;

use jiff::SignedDuration;

use super::login::Authenticator;
use crate::base::id::{SessionId, UserId};
use crate::base::secret::{TokenHash, TokenKind, hash_token};
use crate::directory::audit::Author;
use crate::directory::session::Session;
use crate::directory::user::User;
use crate::store::audit::{self, Entry};
use crate::store::tx::Tx;
use crate::store::{StoreError, sessions, users};

/// Activity is noted this often: a check must not cost a write each time.
const NOTE_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// Notes that a user was there: by a session, or by an API token of theirs.
///
/// # Errors
/// When the store cannot read.
pub fn seen(tx: &mut Tx<'_>, id: UserId) -> Result<(), StoreError> {
    let seen = users::update(tx, &Author::system("activity"), id, "user.seen", |user, now| Ok(user.seen(now)));
    seen.map(drop).map_err(|error| StoreError::Record(error.to_string()))
}

impl Authenticator {
    /// The user and session of a bearer, if they are still in.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn session(&self, token: &str) -> Result<Option<Arc<(User, Session)>>, StoreError> {
        let Some(hash) = hash_token(TokenKind::Session, token) else { return Ok(None) };
        let Some(pair) = self.bearer(hash)? else { return Ok(None) };
        if self.store.clock().now().duration_since(pair.1.last_used_at) >= NOTE_EVERY {
            self.note_use(hash, &pair.0);
        }
        Ok(Some(pair))
    }

    /// The user and session behind a token that was signed for it, if they are still in. It is not a use of the session.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn session_of(&self, user: UserId, id: SessionId) -> Result<Option<Arc<(User, Session)>>, StoreError> {
        let found = sessions::by_id(&self.store.view(), user, id)?;
        found.map_or(Ok(None), |(hash, _)| self.bearer(hash))
    }

    /// Whose session it is, if they are still in.
    fn bearer(&self, hash: TokenHash) -> Result<Option<Arc<(User, Session)>>, StoreError> {
        let (now, policy) = (self.store.clock().now(), &self.settings.sessions);
        let valid = sessions::bearer(&self.store, hash)?.filter(|pair| {
            let (user, session) = &**pair;
            let allowed = self.backends.iter().any(|backend| backend.id == user.source && backend.login);
            allowed && session.is_valid(user, now, policy)
        });
        Ok(valid.map(|pair| match pair.1.ends_at(policy) {
            end if end == pair.1.expires_at => pair,
            _ => Arc::new((pair.0.clone(), self.as_it_ends(pair.1.clone()))),
        }))
    }

    /// A session with the end that it has by the policy of now.
    fn as_it_ends(&self, session: Session) -> Session {
        Session { expires_at: session.ends_at(&self.settings.sessions), ..session }
    }

    fn note_use(&self, hash: TokenHash, user: &User) {
        let id = user.id;
        self.store.note(move |tx: &mut Tx<'_>| {
            let now = tx.now();
            sessions::touch(tx, hash, now)?;
            seen(tx, id)
        });
    }

    /// The user's sessions that are still valid.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn sessions_of(&self, user: &User) -> Result<Vec<Session>, StoreError> {
        let now = self.store.clock().now();
        let all = sessions::list(&self.store.view(), user.id)?;
        let is_valid = |session: &Session| session.is_valid(user, now, &self.settings.sessions);
        let valid = all.into_iter().map(|(_, session)| session).filter(is_valid);
        Ok(valid.map(|session| self.as_it_ends(session)).collect())
    }

    /// Ends one session of a user. `false`: there is none of this name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_session(&self, author: Author, user: User, id: SessionId) -> Result<bool, StoreError> {
        let write = move |tx: &mut Tx<'_>| {
            let Some((hash, session)) = sessions::by_id(tx, user.id, id)? else { return Ok(false) };
            sessions::remove(tx, hash, &session)?;
            let mut entry = Entry::new("session.ended", users::target(&user));
            entry.details.insert("session".to_owned(), id.to_string().into());
            audit::append(tx, &author, entry)?;
            Ok(true)
        };
        self.store.write(write).await
    }
}
