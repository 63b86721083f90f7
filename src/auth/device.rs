//! Trusted devices: who proved a second factor on one may be spared it there for some days, where the settings allow it.
//! A new password, another set of factors, or whatever else ends a user's sessions ends the trust.

use jiff::Timestamp;

use super::login::Authenticator;
use super::settings::FactorSettings;
use crate::base::clock::plus;
use crate::base::id::{DeviceId, UserId};
use crate::base::secret::{Secret, TokenHash, TokenKind, hash_token, new_token};
use crate::directory::audit::Author;
use crate::directory::device::Device;
use crate::directory::factor::Method;
use crate::directory::session::Session;
use crate::directory::user::User;
use crate::store::audit::{self, Entry};
use crate::store::tx::Tx;
use crate::store::{StoreError, devices, users};

/// Trusts the device on which this session began, if something that one has was proved there: a code by mail makes no
/// such device, and one that was spared the factor because it is trusted already is not trusted for longer.
pub(super) fn trust(
    tx: &mut Tx<'_>,
    settings: &FactorSettings,
    author: &Author,
    session: &Session,
    user: &User,
) -> Result<Option<(Secret, Timestamp)>, StoreError> {
    let proved = |method: &Method| method.is_possession() && *method != Method::Device;
    let Some(life) = settings.trusted_device.filter(|_| session.methods.iter().any(proved)) else { return Ok(None) };
    let now = tx.now();
    let token = new_token(TokenKind::Device, tx.rng());
    let hash = hash(&token).ok_or(StoreError::Stopped)?;
    let device = Device {
        id: DeviceId::new(now, tx.rng()),
        user: user.id,
        epoch: user.session_epoch,
        created_at: now,
        last_used_at: now,
        expires_at: plus(now, life),
        address: session.address,
        agent: session.agent.clone(),
    };
    devices::create(tx, hash, &device)?;
    let mut entry = Entry::new("device.trusted", users::target(user));
    entry.details.insert("device".to_owned(), device.id.to_string().into());
    audit::append(tx, author, entry)?;
    Ok(Some((token, device.expires_at)))
}

/// Does this device stand in for the second factor of that user?
pub(super) fn stands_in(
    tx: &mut Tx<'_>,
    settings: &FactorSettings,
    token: &Secret,
    user: UserId,
) -> Result<bool, StoreError> {
    let Some(hash) = hash(token) else { return Ok(false) };
    let Some((device, user)) = devices::get(tx, hash)?.zip(users::get(tx, user)?) else { return Ok(false) };
    if !device.is_trusted(&user, tx.now(), settings.trusted_device) {
        return Ok(false);
    }
    devices::put(tx, hash, &Device { last_used_at: tx.now(), ..device })?;
    Ok(true)
}

fn hash(token: &Secret) -> Option<TokenHash> {
    hash_token(TokenKind::Device, token.expose())
}

impl Authenticator {
    /// The devices that stand in for the user's second factor.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn devices_of(&self, user: &User) -> Result<Vec<Device>, StoreError> {
        let now = self.store.clock().now();
        let all = devices::list(&self.store.view(), user.id)?;
        let is_trusted = |device: &Device| device.is_trusted(user, now, self.settings.mfa.trusted_device);
        Ok(all.into_iter().map(|(_, device)| device).filter(is_trusted).collect())
    }

    /// Trusts one of a user's devices no more, or none of them. Gives how many that were.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_devices(
        &self,
        author: Author,
        user: &User,
        only: Option<DeviceId>,
    ) -> Result<usize, StoreError> {
        let user = user.clone();
        let write = move |tx: &mut Tx<'_>| {
            let mut forgotten = 0_usize;
            for (hash, device) in devices::list(tx, user.id)? {
                if only.is_none_or(|only| only == device.id) {
                    devices::remove(tx, hash, &device)?;
                    let mut entry = Entry::new("device.forgotten", users::target(&user));
                    entry.details.insert("device".to_owned(), device.id.to_string().into());
                    audit::append(tx, &author, entry)?;
                    forgotten = forgotten.saturating_add(1);
                }
            }
            Ok(forgotten)
        };
        self.store.write(write).await
    }
}
