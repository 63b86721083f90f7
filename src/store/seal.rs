//! Sealing: secrets that must be read again (TOTP seeds, links on their way out) are stored encrypted with
//! XChaCha20-Poly1305 under a key that is not in the store.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::{BASE64, HEXLOWER};
use zeroize::Zeroizing;

use crate::base::rng::Rng;
use crate::base::secret::sha256;
use crate::store::StoreError;
use crate::store::engine::Bytes;

/// Seals and opens values. While keys change, it opens with both and seals with the new one.
pub struct Sealer {
    keys: RwLock<Keys>,
    rng: Rng,
    /// Where the keys are; `None`: nowhere.
    file: Option<PathBuf>,
}

struct Keys {
    current: Key,
    /// What some values are still sealed with.
    previous: Option<Key>,
}

struct Key {
    cipher: XChaCha20Poly1305,
    fingerprint: String,
    bytes: KeyBytes,
}

type KeyBytes = Zeroizing<[u8; 32]>;

impl Key {
    fn new(bytes: KeyBytes) -> Self {
        Self { cipher: XChaCha20Poly1305::new((&*bytes).into()), fingerprint: fingerprint(&bytes), bytes }
    }

    fn open(&self, place: &[u8], sealed: &[u8]) -> Option<Zeroizing<Bytes>> {
        let (nonce, sealed) = sealed.split_first_chunk::<24>()?;
        let payload = Payload { msg: sealed, aad: place };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new)
    }
}

impl Sealer {
    /// A sealer with a key of its own that nobody keeps: for the memory engine.
    #[must_use]
    pub fn ephemeral(rng: &Rng) -> Self {
        Self::from_key(&rng.bytes(), rng)
    }

    pub(crate) fn from_key(key: &[u8; 32], rng: &Rng) -> Self {
        Self::with(Keys { current: Key::new(Zeroizing::new(*key)), previous: None }, rng, None)
    }

    fn with(keys: Keys, rng: &Rng, file: Option<PathBuf>) -> Self {
        Self { keys: RwLock::new(keys), rng: rng.clone(), file }
    }

    /// Reads the key file; makes one, readable by its owner only, where there is none and `create` allows it.
    ///
    /// # Errors
    /// When the file is readable by others, malformed, missing or cannot be made.
    pub fn from_file(path: &Path, create: bool, rng: &Rng) -> Result<Self, StoreError> {
        if create && !path.exists() {
            write_keys(path, &[&Zeroizing::new(rng.bytes())])?;
        }
        let (current, previous) = read_keys(path)?;
        let keys = Keys { current: Key::new(current), previous: previous.map(Key::new) };
        Ok(Self::with(keys, rng, Some(path.to_owned())))
    }

    /// Tells this key from others, and nothing of the key.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.read().current.fingerprint.clone()
    }

    /// Seals a value for one place; it opens only there.
    ///
    /// # Errors
    /// When the value is longer than the cipher takes (256 GiB).
    pub fn seal(&self, place: &[u8], value: &[u8]) -> Result<Bytes, StoreError> {
        let nonce: [u8; 24] = self.rng.bytes();
        let payload = Payload { msg: value, aad: place };
        let sealed = self.read().current.cipher.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| StoreError::Key("a value could not be sealed".to_owned()))?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Opens a value that was sealed for this place.
    ///
    /// # Errors
    /// When the key is another one, or the value was changed or moved.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Zeroizing<Bytes>, StoreError> {
        let keys = self.read();
        let opened = keys.current.open(place, sealed);
        let opened = opened.or_else(|| keys.previous.as_ref()?.open(place, sealed));
        let fault = "a sealed value does not open: is this the key it was sealed with?";
        opened.ok_or_else(|| StoreError::Key(fault.to_owned()))
    }

    /// The value sealed with the key that counts now; `None`: it is already.
    ///
    /// # Errors
    /// When it opens with no key.
    pub(super) fn reseal(&self, place: &[u8], sealed: &[u8]) -> Result<Option<Bytes>, StoreError> {
        if self.read().current.open(place, sealed).is_some() {
            return Ok(None);
        }
        self.seal(place, &self.open(place, sealed)?).map(Some)
    }

    /// Are some values still sealed with the key of before?
    pub(super) fn is_changing(&self) -> bool {
        self.read().previous.is_some()
    }

    /// Makes a new key, beside the one of before until [`Sealer::end_change`]; a change that was begun goes on. The key
    /// of before is kept in a file too, whose name it gives: backups of that time need it.
    ///
    /// # Errors
    /// When the file of the key cannot be written; nothing has changed then.
    pub(super) fn begin_change(&self) -> Result<PathBuf, StoreError> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let nowhere = || StoreError::Key("this store's key is in no file".to_owned());
        let file = self.file.as_ref().ok_or_else(nowhere)?;
        let kept = |key: &Key| {
            let mut path = file.clone().into_os_string();
            path.push(format!(".{}", key.fingerprint));
            PathBuf::from(path)
        };
        if let Some(previous) = &keys.previous {
            return Ok(kept(previous));
        }
        let kept = kept(&keys.current);
        write_keys(&kept, &[&keys.current.bytes])?;
        let new = Key::new(Zeroizing::new(self.rng.bytes()));
        write_keys(file, &[&new.bytes, &keys.current.bytes])?;
        keys.previous = Some(std::mem::replace(&mut keys.current, new));
        Ok(kept)
    }

    /// Forgets the key of before: no value needs it any more.
    ///
    /// # Errors
    /// When the file of the key cannot be written.
    pub(super) fn end_change(&self) -> Result<(), StoreError> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &self.file {
            write_keys(file, &[&keys.current.bytes])?;
        }
        keys.previous = None;
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first bytes of a hash of the key.
fn fingerprint(key: &[u8; 32]) -> String {
    let labelled = Zeroizing::new([&b"musterd seal key fingerprint\0"[..], key].concat());
    let digest = sha256(&labelled);
    HEXLOWER.encode(digest.first_chunk::<8>().unwrap_or(&[0; 8]))
}

/// The key in a file that only its owner may read, and the one of before while they change.
fn read_keys(path: &Path) -> Result<(KeyBytes, Option<KeyBytes>), StoreError> {
    let fault = |what: String| StoreError::Key(format!("{}: {what}", path.display()));
    let text = Zeroizing::new(fs::read_to_string(path).map_err(|error| fault(error.to_string()))?);
    let mode = fs::metadata(path).map_err(|error| fault(error.to_string()))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(fault(format!("may be read by others (mode {:o}); run chmod 600 on it", mode & 0o777)));
    }
    let key = |line: &str| {
        let bytes = BASE64.decode(line.trim().as_bytes()).ok().map(Zeroizing::new)?;
        bytes.as_slice().try_into().ok().map(Zeroizing::new)
    };
    let keys: Vec<Option<KeyBytes>> = text.lines().filter(|line| !line.trim().is_empty()).map(key).collect();
    match keys.into_iter().collect::<Option<Vec<_>>>().map(Vec::into_iter) {
        Some(mut keys) if (1..=2).contains(&keys.len()) => match (keys.next(), keys.next()) {
            (Some(current), previous) => Ok((current, previous)),
            (None, _) => Err(fault("is empty".to_owned())),
        },
        _ => Err(fault("does not hold 32 bytes in base64, or two lines of that while keys change".to_owned())),
    }
}

/// Copies the key of one file to another, which its owner alone may read.
pub(super) fn copy_key(from: &Path, to: &Path) -> Result<(), StoreError> {
    write_keys(to, &[&read_keys(from)?.0])
}

/// Writes keys whole or not at all, and forces them out: a store must not outlive its key.
fn write_keys(path: &Path, keys: &[&KeyBytes]) -> Result<(), StoreError> {
    let fault = |error: std::io::Error| StoreError::Key(format!("{}: {error}", path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(fault)?;
    let unfinished = path.with_extension("unfinished");
    let options = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).clone();
    let mut file = options.open(&unfinished).map_err(fault)?;
    for key in keys {
        let text = Zeroizing::new(format!("{}\n", BASE64.encode(key.as_slice())));
        file.write_all(text.as_bytes()).map_err(fault)?;
    }
    file.sync_all().map_err(fault)?;
    // Whoever owns the key that is replaced owns the new one: the daemon must be able to read what root made.
    if let Ok(replaced) = fs::metadata(path).or_else(|_| fs::metadata(folder)) {
        drop(std::os::unix::fs::chown(&unfinished, Some(replaced.uid()), Some(replaced.gid())));
    }
    fs::rename(&unfinished, path).map_err(fault)?;
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_in_its_place_only() {
        let sealer = Sealer::ephemeral(&Rng::seeded(1));
        let sealed = sealer.seal(b"here", b"seed").unwrap();
        assert!(!sealed.windows(4).any(|part| part == b"seed"));
        assert_eq!(sealer.open(b"here", &sealed).unwrap().as_slice(), b"seed");
        assert!(sealer.open(b"there", &sealed).is_err());
        assert!(Sealer::ephemeral(&Rng::seeded(2)).open(b"here", &sealed).is_err());
        assert!(sealer.open(b"here", b"short").is_err());
    }

    #[test]
    fn the_key_file_is_made_once_and_refused_when_others_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        let rng = Rng::system();
        assert!(Sealer::from_file(&path, false, &rng).is_err());
        let sealed = Sealer::from_file(&path, true, &rng).unwrap().seal(b"a", b"x").unwrap();
        assert!(Sealer::from_file(&path, true, &rng).unwrap().open(b"a", &sealed).is_ok());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Sealer::from_file(&path, true, &rng).is_err());
    }
}
