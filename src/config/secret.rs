//! Secrets: each is given as `x`, or as `x_file`, the path of a file that holds it.
//!
//! A file that everybody on the machine may read is refused. No fault and no effective value shows a secret.

use std::path::Path;

use super::fault::Origin;
use super::section::Section;
use crate::base::private_file;
use crate::base::secret::Secret;

impl Section<'_> {
    /// A secret, or nothing.
    pub(super) fn secret(&mut self, key: &str) -> Option<Secret> {
        let file_key = format!("{key}_file");
        let (path, file_path) = (self.path(key), self.path(&file_key));
        let inline = self.reader.find(&path);
        let file = self.reader.find(&file_path);
        let (found, origin) = match (inline, file) {
            (None, None) => (Ok(None), Origin::Default),
            (Some(_), Some(given)) => {
                self.fault(&file_key, format!("{key} is given as well; keep one of them"));
                (Ok(None), given.origin)
            }
            (Some(given), None) => (given.raw.text().map(|text| Some(Secret::new(text))), given.origin),
            (None, Some(given)) => {
                let secret = given.raw.text().and_then(|path| read_file(Path::new(path)));
                (secret.map(Some), given.origin)
            }
        };
        let from_file = self.optional_file(&file_key).is_some();
        let found = found.and_then(|secret| match secret {
            Some(secret) if secret.is_empty() => Err("must not be empty".to_owned()),
            secret => Ok(secret),
        });
        let secret = found.unwrap_or_else(|problem| {
            self.fault(if from_file { &file_key } else { key }, problem);
            None
        });
        self.reader.record_secret(&path, secret.as_ref(), origin);
        secret
    }

    /// Has this secret, or its file, a fault already?
    pub(super) fn has_secret_fault(&self, key: &str) -> bool {
        self.has_fault(key) || self.has_fault(&format!("{key}_file"))
    }
}

/// Reads a secret from its file: all but the newline at the end.
fn read_file(path: &Path) -> Result<Secret, String> {
    let bytes = private_file::read(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{} is not text in UTF-8", path.display()))?;
    let trimmed = text.strip_suffix("\r\n").or_else(|| text.strip_suffix('\n'));
    Ok(Secret::new(trimmed.unwrap_or(text)))
}
