//! A new key for what is sealed, while the daemon runs. The key file holds both keys until the last value is sealed
//! with the new one: a kill at any point costs nothing, and the next start goes on.

use std::path::PathBuf;

use data_encoding::BASE64;

use crate::base::id::UserId;
use crate::directory::audit::{Author, Target};
use crate::store::audit::{self, Entry};
use crate::store::credentials::{self, Factor};
use crate::store::engine::{Bytes, KeyRange, Order};
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx};
use crate::store::{Store, StoreError, codec, seal_check_key, signing_keys};

/// Values of one commit.
const CHUNK: usize = 200;

/// What a change of keys came to.
#[derive(Debug)]
pub struct Rotated {
    /// Values that were sealed anew.
    pub values: usize,
    /// Where the key of before is kept: backups from before need it.
    pub old_key: PathBuf,
}

/// Makes a new key and seals every value with it; a change that was cut short goes on.
///
/// # Errors
/// When the key file cannot be written, a value does not open, or the store fails.
pub async fn rotate(store: &Store, author: &Author) -> Result<Rotated, StoreError> {
    // One at a time: who ends a change forgets the key of before, which must be the one of that change.
    let _turn = store.rotation.lock().await;
    let old_key = store.sealer.begin_change()?;
    let values = seal_anew(store, author).await?;
    Ok(Rotated { values, old_key })
}

/// Goes on with a change of keys that was cut short; `None`: there is none.
///
/// # Errors
/// When the key file cannot be written, a value does not open, or the store fails.
pub async fn finish(store: &Store, author: &Author) -> Result<Option<usize>, StoreError> {
    let _turn = store.rotation.lock().await;
    if store.sealer.is_changing() { seal_anew(store, author).await.map(Some) } else { Ok(None) }
}

async fn seal_anew(store: &Store, author: &Author) -> Result<usize, StoreError> {
    let mut values = 0_usize;
    for space in [Space::Factor, Space::SigningKey, Space::Outbox, Space::OutboxFailed] {
        let mut after: Option<Bytes> = None;
        loop {
            let from = after.clone();
            let reseal = move |tx: &mut Tx<'_>| reseal_chunk(tx, space, from.as_ref());
            let (sealed, next) = store.write_bulk(reseal).await?;
            values = values.saturating_add(sealed);
            after = next;
            if after.is_none() {
                break;
            }
        }
    }
    let author = author.clone();
    let end = move |tx: &mut Tx<'_>| {
        let key = seal_check_key();
        let sealed = tx.get(&key)?.unwrap_or_default();
        if let Some(sealed) = tx.sealer().reseal(&key, &sealed)? {
            tx.put(key, sealed);
        }
        let mut entry = Entry::new("store.key_rotated", Target::Directory);
        entry.details.insert("values".to_owned(), values.into());
        audit::append(tx, &author, entry)
    };
    store.write::<_, StoreError>(end).await?;
    store.sealer.end_change()?;
    Ok(values)
}

/// Seals some values of a space anew; gives how many, and where to go on.
fn reseal_chunk(tx: &mut Tx<'_>, space: Space, after: Option<&Bytes>) -> Result<(usize, Option<Bytes>), StoreError> {
    let prefix = space.key(&[]);
    let range = match after {
        Some(after) => KeyRange::prefix_after(&prefix, after.clone()),
        None => KeyRange::prefix(&prefix),
    };
    let rows = tx.scan(&range, Order::Ascending, CHUNK)?;
    let last = rows.last().map(|(key, _)| key.clone());
    let mut values = 0_usize;
    for (key, bytes) in rows {
        let sealed = match space {
            Space::Factor => reseal_factor(tx, &key, &bytes)?,
            Space::SigningKey => signing_keys::reseal(tx, &key, &bytes)?,
            _ => tx.sealer().reseal(&key, &bytes)?,
        };
        if let Some(sealed) = sealed {
            tx.put(key, sealed);
            values = values.saturating_add(1);
        }
    }
    Ok((values, last))
}

fn reseal_factor(tx: &Tx<'_>, key: &[u8], bytes: &[u8]) -> Result<Option<Bytes>, StoreError> {
    let factor: Factor = codec::decode(bytes)?;
    let Some(sealed) = factor.sealed() else { return Ok(None) };
    let user = key.get(1..17).and_then(|id| id.try_into().ok()).map(UserId::from_bytes);
    let user = user.ok_or_else(|| StoreError::Record("a factor belongs to nobody".to_owned()))?;
    let place = credentials::seal_place(user, factor.id);
    let sealed = BASE64.decode(sealed.as_bytes()).map_err(|error| StoreError::Record(error.to_string()))?;
    let Some(sealed) = tx.sealer().reseal(&place, &sealed)? else { return Ok(None) };
    codec::encode(&factor.resealed(BASE64.encode(&sealed))).map(Some)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::base::clock::Clock;
    use crate::base::id::FactorId;
    use crate::base::rng::Rng;
    use crate::directory::message::{Body, Message};
    use crate::store::credentials::FactorKind;
    use crate::store::engine::memory::MemoryEngine;
    use crate::store::outbox;
    use crate::store::seal::Sealer;
    use crate::store::users::WriteError;

    const MESSAGES: usize = 450;

    async fn fill(store: &Store) -> (UserId, FactorId) {
        let write = store.write(|tx: &mut Tx<'_>| {
            let (user, id) = (UserId::new(tx.now(), tx.rng()), FactorId::new(tx.now(), tx.rng()));
            let sealed = tx.sealer().seal(&credentials::seal_place(user, id), b"seed")?;
            let kind = FactorKind::Totp { sealed_secret: BASE64.encode(&sealed), last_step: 7 };
            let factor =
                Factor { id, name: "app".to_owned(), created_at: tx.now(), confirmed: true, used_at: None, kind };
            credentials::put_factor(tx, user, &factor)?;
            for _ in 0..MESSAGES {
                let message = Message::to_address("ada@example.org", Body::PasswordChanged, tx.now(), tx.now());
                outbox::push(tx, &message)?;
            }
            Ok::<_, WriteError>((user, id))
        });
        write.await.unwrap()
    }

    fn opens(store: &Store, (user, id): (UserId, FactorId)) {
        let view = store.view();
        let factor = credentials::factors(&view, user).unwrap().remove(0);
        assert_eq!((factor.id, credentials::open(&view, user, &factor).unwrap().as_slice()), (id, &b"seed"[..]));
        let FactorKind::Totp { last_step, .. } = factor.kind else { panic!("another kind of factor") };
        assert_eq!((last_step, outbox::list(&view, 999).unwrap().len()), (7, MESSAGES));
    }

    #[tokio::test]
    async fn after_a_rotation_everything_opens_with_the_new_key_alone_and_the_old_one_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (file, rng) = (folder.path().join("seal.key"), Rng::system());
        let engine = std::sync::Arc::new(MemoryEngine::default());
        let open = |create| {
            let sealer = Sealer::from_file(&file, create, &rng).unwrap();
            Store::over(engine.clone(), sealer, Clock::system(), rng.clone())
        };
        let store = open(true).unwrap();
        let who = fill(&store).await;
        let old = fs::read_to_string(&file).unwrap();
        let rotated = rotate(&store, &Author::system("test")).await.unwrap();
        assert_eq!((rotated.values, fs::read_to_string(&rotated.old_key).unwrap()), (MESSAGES + 1, old.clone()));
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 1);
        opens(&store, who);
        drop(store);
        opens(&open(false).unwrap(), who);
        fs::write(&file, old).unwrap();
        assert!(matches!(open(false), Err(StoreError::Key(_))), "the old key opens nothing any more");
    }

    #[tokio::test]
    async fn rotations_that_are_asked_for_at_once_follow_one_another() {
        let folder = tempfile::tempdir().unwrap();
        let (file, rng) = (folder.path().join("seal.key"), Rng::system());
        let sealer = Sealer::from_file(&file, true, &rng).unwrap();
        let engine = std::sync::Arc::new(MemoryEngine::default());
        let store = Store::over(engine, sealer, Clock::system(), rng).unwrap();
        let (who, author) = (fill(&store).await, Author::system("test"));
        let all = tokio::join!(rotate(&store, &author), rotate(&store, &author), rotate(&store, &author));
        for rotated in [all.0, all.1, all.2] {
            assert_eq!(rotated.unwrap().values, MESSAGES + 1);
        }
        opens(&store, who);
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 1);
    }

    #[tokio::test]
    async fn a_rotation_that_was_cut_short_goes_on_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let (file, rng) = (folder.path().join("seal.key"), Rng::system());
        let engine = std::sync::Arc::new(MemoryEngine::default());
        let open = |create| {
            let sealer = Sealer::from_file(&file, create, &rng).unwrap();
            Store::over(engine.clone(), sealer, Clock::system(), rng.clone()).unwrap()
        };
        let store = open(true);
        let who = fill(&store).await;
        store.sealer.begin_change().unwrap();
        let some = move |tx: &mut Tx<'_>| reseal_chunk(tx, Space::Outbox, None);
        assert_eq!(store.write_bulk(some).await.unwrap().0, CHUNK);
        drop(store);
        let store = open(false);
        opens(&store, who);
        assert_eq!(finish(&store, &Author::system("test")).await.unwrap(), Some(MESSAGES + 1 - CHUNK));
        assert_eq!(finish(&store, &Author::system("test")).await.unwrap(), None);
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 1);
        opens(&store, who);
        drop(store);
        opens(&open(false), who);
    }
}
