//! Files that hold a secret: read whole, and only where not everybody on the machine may read them.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

/// Most bytes of such a file.
const LONGEST: usize = 64 * 1024;

/// What the file holds. What is looked at is the opened file: nobody can put another one in its place in between.
///
/// # Errors
/// In words, when it cannot be read, is no plain file, is longer than 64 KiB, or open to everybody on this machine.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let shown = path.display();
    let unreadable = |error: io::Error| format!("{shown} cannot be read: {error}");
    // A pipe would let the opening wait for a writer.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(format!("{shown} is not a plain file"));
    }
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(format!("{shown} is open to everybody on this machine (mode {mode:o}); run chmod o= on it"));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST.saturating_add(1)));
    let limit = u64::try_from(LONGEST.saturating_add(1)).unwrap_or(u64::MAX);
    file.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > LONGEST {
        return Err(format!("{shown} is longer than {LONGEST} bytes"));
    }
    Ok(bytes)
}
