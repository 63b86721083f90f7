//! Sealing: secrets that must be read again (TOTP seeds, links on their way out) are stored encrypted with
//! XChaCha20-Poly1305 under a key that is not in the store.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::{BASE64, HEXLOWER};
use zeroize::Zeroizing;

use crate::base::rng::Rng;
use crate::base::secret::sha256;
use crate::store::StoreError;
use crate::store::engine::Bytes;

/// Seals and opens values.
pub struct Sealer {
    cipher: XChaCha20Poly1305,
    fingerprint: String,
    rng: Rng,
}

impl Sealer {
    /// A sealer with a key of its own that nobody keeps: for the memory engine.
    #[must_use]
    pub fn ephemeral(rng: &Rng) -> Self {
        Self::from_key(&rng.bytes(), rng)
    }

    pub(super) fn from_key(key: &[u8; 32], rng: &Rng) -> Self {
        Self { cipher: XChaCha20Poly1305::new(key.into()), fingerprint: fingerprint(key), rng: rng.clone() }
    }

    /// Reads the key file; makes one, readable by its owner only, where there is none and `create` allows it.
    ///
    /// # Errors
    /// When the file is readable by others, malformed, missing or cannot be made.
    pub fn from_file(path: &Path, create: bool, rng: &Rng) -> Result<Self, StoreError> {
        if create && !path.exists() {
            write_key(path, &rng.bytes())?;
        }
        Ok(Self::from_key(&*read_key(path)?, rng))
    }

    /// Tells this key from others, and nothing of the key.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Seals a value for one place; it opens only there.
    ///
    /// # Errors
    /// When the value is longer than the cipher takes (256 GiB).
    pub fn seal(&self, place: &[u8], value: &[u8]) -> Result<Bytes, StoreError> {
        let nonce: [u8; 24] = self.rng.bytes();
        let payload = Payload { msg: value, aad: place };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| StoreError::Key("a value could not be sealed".to_owned()))?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Opens a value that was sealed for this place.
    ///
    /// # Errors
    /// When the key is another one, or the value was changed or moved.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Zeroizing<Bytes>, StoreError> {
        let fault = || StoreError::Key("a sealed value does not open: is this the key it was sealed with?".to_owned());
        let (nonce, sealed) = sealed.split_first_chunk::<24>().ok_or_else(fault)?;
        let payload = Payload { msg: sealed, aad: place };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| fault())
    }
}

/// The first bytes of a hash of the key.
fn fingerprint(key: &[u8; 32]) -> String {
    let labelled = Zeroizing::new([&b"musterd seal key fingerprint\0"[..], key].concat());
    let digest = sha256(&labelled);
    HEXLOWER.encode(digest.first_chunk::<8>().unwrap_or(&[0; 8]))
}

/// The key in a file that only its owner may read.
fn read_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let fault = |what: String| StoreError::Key(format!("{}: {what}", path.display()));
    let text = Zeroizing::new(fs::read_to_string(path).map_err(|error| fault(error.to_string()))?);
    let mode = fs::metadata(path).map_err(|error| fault(error.to_string()))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(fault(format!("may be read by others (mode {:o}); run chmod 600 on it", mode & 0o777)));
    }
    let key = BASE64.decode(text.trim().as_bytes()).ok().map(Zeroizing::new);
    let key: Option<[u8; 32]> = key.and_then(|key| key.as_slice().try_into().ok());
    Ok(Zeroizing::new(key.ok_or_else(|| fault("does not hold 32 bytes in base64".to_owned()))?))
}

/// Copies the key of one file to another, which its owner alone may read.
pub(super) fn copy_key(from: &Path, to: &Path) -> Result<(), StoreError> {
    write_key(to, &*read_key(from)?)
}

/// Writes the key whole or not at all, and forces it out: a store must not outlive its key.
fn write_key(path: &Path, key: &[u8; 32]) -> Result<(), StoreError> {
    let fault = |error: std::io::Error| StoreError::Key(format!("{}: {error}", path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(fault)?;
    let unfinished = path.with_extension("unfinished");
    let options = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).clone();
    let mut file = options.open(&unfinished).map_err(fault)?;
    let text = Zeroizing::new(format!("{}\n", BASE64.encode(key)));
    file.write_all(text.as_bytes()).map_err(fault)?;
    file.sync_all().map_err(fault)?;
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
