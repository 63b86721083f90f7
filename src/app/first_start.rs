//! The first start: makes the first System Admin, who sets a password by a link that is shown once. There is
//! no default password.

use jiff::Timestamp;

use crate::auth::links::LinkFor;
use crate::auth::login::Authenticator;
use crate::base::id::{RoleId, SourceId, UserId};
use crate::base::secret::Secret;
use crate::directory::audit::Author;
use crate::directory::field::{DisplayName, Email, Username};
use crate::directory::policy::days;
use crate::directory::role;
use crate::directory::user::{NewUser, UserChange};
use crate::http::state::Inside;
use crate::store::StoreError;
use crate::store::tx::Tx;
use crate::store::users::{self, WriteError};

/// Makes the first administrator where nobody holds the role. Gives the link to set the password.
///
/// # Errors
/// In words, when the store fails.
pub async fn first_administrator(inside: &Inside) -> Result<Option<Secret>, String> {
    let holders = users::holders(&inside.store.view(), role::SYSTEM_ADMIN, 1).map_err(|error| error.to_string())?;
    if !holders.is_empty() {
        return Ok(None);
    }
    let public_url = inside.settings.public_url.clone();
    let write = move |tx: &mut Tx<'_>| -> Result<Secret, WriteError> {
        let author = Author::system("setup").because("first start");
        let admin = administrator(tx.now(), tx)?;
        let admin = users::create(tx, &author, admin, None)?;
        Ok(Authenticator::issue_link(tx, &admin, LinkFor::SetUp, days(1), &public_url)?)
    };
    inside.store.write(write).await.map(Some).map_err(|error| error.to_string())
}

fn administrator(now: Timestamp, tx: &Tx<'_>) -> Result<NewUser, WriteError> {
    let fault = |error: String| WriteError::Store(StoreError::Record(error));
    // A name that is taken already (by a source's user, say) is left to its holder.
    let name = if users::by_username(tx, "admin")?.is_none() { "admin" } else { "musterd-admin" };
    let rest = UserChange {
        // Mail to this domain reaches nobody (RFC 2606 §2): until an address is set, a reset mails nothing.
        email: Some(Some(Email::parse(&format!("{name}@musterd.invalid")).map_err(|error| fault(error.to_string()))?)),
        roles: Some([role::USER, role::SYSTEM_ADMIN].into_iter().filter_map(|role| RoleId::parse(role).ok()).collect()),
        ..UserChange::default()
    };
    Ok(NewUser {
        id: UserId::new(now, tx.rng()),
        username: Username::parse(name).map_err(|error| fault(error.to_string()))?,
        name: DisplayName::parse("Administrator").map_err(|error| fault(error.to_string()))?,
        source: SourceId::local(),
        rest,
        disabled: None,
    })
}
