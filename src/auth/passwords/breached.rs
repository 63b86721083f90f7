//! Passwords that are known from breaches, in the forms in which "Have I Been Pwned" gives them out: one file of lines
//! `SHA-1:COUNT` ordered by hash, or a folder of one file for each beginning of five digits, with lines of the other
//! thirty-five.
//!
//! Such a file has tens of gigabytes: it is searched where it lies, a few hundred bytes at a time. One that cannot be
//! read keeps nobody out; it is one line of the log.

use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering as Memory};

use data_encoding::HEXUPPER;
use sha1::{Digest, Sha1};
use unicode_normalization::UnicodeNormalization;

use crate::base::secret::Secret;

/// Hexadecimal digits of a hash, and of the beginning by which files of a folder are named.
const DIGITS: usize = 40;
const NAMED_BY: usize = 5;
/// The longest line: a hash, a colon, a count, and its end.
const LINE: usize = 64;
/// So many lines are looked at before the daemon starts, and so many files of a folder.
const SAMPLES: u64 = 256;
const FILES: usize = 16;
/// So many names of a folder are looked through for them.
const NAMES: usize = 4_096;

/// Why the set cannot be used; completes "the file …".
#[derive(Debug, thiserror::Error)]
pub enum BreachedError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// There is nothing in it.
    #[error("is empty")]
    Empty,
    /// A line is none of those that are expected.
    #[error(
        "is not in the form of a set of breached passwords: at byte {0} there is no line of {1} hexadecimal digits, a \
         colon and a count"
    )]
    Form(u64, usize),
    /// Lines are not in their order.
    #[error("is not ordered by hash (at byte {0}): get the set that is, or sort the file")]
    Unordered(u64),
    /// A folder without one file of the set.
    #[error("holds no file that is named by the first five digits of hashes, such as 21BD1 or 21BD1.txt")]
    NoFiles,
    /// One file of the folder.
    #[error("holds {0}, which {1}")]
    Within(String, Box<BreachedError>),
}

/// A set of breached passwords. Its clones share what was told to the log.
#[derive(Clone, Debug)]
pub struct BreachedSet {
    path: PathBuf,
    told: Arc<AtomicBool>,
}

impl PartialEq for BreachedSet {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl BreachedSet {
    /// The set at this path, whether it is there or not.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, told: Arc::default() }
    }

    /// Can it be used now?
    ///
    /// # Errors
    /// What is wrong with it, as far as some of its lines tell.
    pub fn check(&self) -> Result<(), BreachedError> {
        if self.path.is_dir() { check_folder(&self.path) } else { Ordered::open(&self.path, DIGITS)?.check() }
    }

    /// Is the password in the set? Where nobody can say, it is not. Waits for the disk.
    #[must_use]
    pub fn holds(&self, password: &Secret) -> bool {
        let normal: String = password.expose().nfkc().collect();
        // People who were breached typed one form or the other.
        let mut forms = vec![password.expose()];
        if normal != password.expose() {
            forms.push(&normal);
        }
        for form in forms {
            match self.find(&HEXUPPER.encode(&Sha1::digest(form.as_bytes()))) {
                Ok(true) => return true,
                Ok(false) => self.told.store(false, Memory::Relaxed),
                Err(error) => self.tell(&error),
            }
        }
        false
    }

    fn find(&self, hash: &str) -> Result<bool, BreachedError> {
        if !self.path.is_dir() {
            return Ordered::open(&self.path, DIGITS)?.holds(hash.as_bytes());
        }
        let (name, rest) = hash.split_at_checked(NAMED_BY).unwrap_or((hash, ""));
        for name in
            [format!("{name}.txt"), name.to_owned(), name.to_lowercase(), format!("{}.txt", name.to_lowercase())]
        {
            match Ordered::open(&self.path.join(name), DIGITS - NAMED_BY) {
                Ok(file) => return file.holds(rest.as_bytes()),
                Err(BreachedError::Empty) => return Ok(false),
                Err(BreachedError::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        // A set that is not whole: what it lacks is not known from a breach.
        Ok(false)
    }

    /// Once, until it can be read again.
    fn tell(&self, error: &BreachedError) {
        if !self.told.swap(true, Memory::Relaxed) {
            let path = self.path.display();
            tracing::warn!(file = %path, "the set of breached passwords {error}: passwords are taken without it");
        }
    }
}

fn check_folder(folder: &Path) -> Result<(), BreachedError> {
    let mut checked = 0_usize;
    for entry in std::fs::read_dir(folder)?.take(NAMES) {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let stem = name.strip_suffix(".txt").unwrap_or(&name);
        if stem.len() != NAMED_BY || !stem.bytes().all(|byte| byte.is_ascii_hexdigit()) || checked >= FILES {
            continue;
        }
        let file = Ordered::open(&folder.join(&name), DIGITS - NAMED_BY).and_then(|file| file.check());
        file.map_err(|error| BreachedError::Within(name, Box::new(error)))?;
        checked += 1;
    }
    if checked == 0 { Err(BreachedError::NoFiles) } else { Ok(()) }
}

/// A file of ordered lines, each a number of hexadecimal digits and, after a colon, how often it was seen.
struct Ordered {
    file: File,
    length: u64,
    digits: usize,
}

/// One line of it.
struct Line {
    start: u64,
    /// Where the next one begins.
    next: u64,
    key: Vec<u8>,
    /// Sets that hide how large they are hold lines of passwords that nobody saw.
    seen: bool,
}

impl Ordered {
    fn open(path: &Path, digits: usize) -> Result<Self, BreachedError> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
        }
        match about.len() {
            0 => Err(BreachedError::Empty),
            length => Ok(Self { file, length, digits }),
        }
    }

    /// Looks at lines all over the file: each must be one, and none before its predecessor.
    fn check(&self) -> Result<(), BreachedError> {
        let mut before: Option<Line> = None;
        for sample in 0..=SAMPLES {
            let last = self.length.saturating_sub(1);
            let at = last / SAMPLES * sample + (last % SAMPLES) * sample / SAMPLES;
            let line = self.line_at(at)?;
            let follows = |before: &Line| before.start == line.start || before.key < line.key;
            if !before.as_ref().is_none_or(follows) {
                return Err(BreachedError::Unordered(line.start));
            }
            before = Some(line);
        }
        Ok(())
    }

    /// Halves the file until the line is found.
    fn holds(&self, key: &[u8]) -> Result<bool, BreachedError> {
        let (mut low, mut high) = (0, self.length);
        while low < high {
            let line = self.line_at(low + (high - low) / 2)?;
            match line.key.as_slice().cmp(key) {
                Ordering::Equal => return Ok(line.seen),
                Ordering::Less => low = line.next,
                Ordering::Greater => high = line.start,
            }
        }
        Ok(false)
    }

    /// The line in which this byte lies.
    fn line_at(&self, at: u64) -> Result<Line, BreachedError> {
        let room = u64::try_from(LINE).unwrap_or(u64::MAX);
        let from = at.saturating_sub(room);
        let mut window = [0; LINE * 2];
        let read = self.read_at(&mut window, from)?;
        let window = window.get(..read).unwrap_or_default();
        let within = usize::try_from(at - from).unwrap_or_default();
        let broken = || BreachedError::Form(at, self.digits);
        let (before, after) = window.split_at_checked(within).ok_or_else(broken)?;
        let start = match before.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if from == 0 => 0,
            None => return Err(broken()),
        };
        let end = match after.iter().position(|byte| *byte == b'\n') {
            Some(end) => within + end,
            None if from.saturating_add(u64::try_from(read).unwrap_or_default()) == self.length => read,
            None => return Err(broken()),
        };
        let (key, seen) = window.get(start..end).and_then(|line| self.parse(line)).ok_or_else(broken)?;
        let place = |offset: usize| from.saturating_add(u64::try_from(offset).unwrap_or_default());
        Ok(Line { start: place(start), next: place(end + 1), key, seen })
    }

    fn read_at(&self, buffer: &mut [u8], from: u64) -> io::Result<usize> {
        let mut read = 0;
        while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, from.saturating_add(u64::try_from(read).unwrap_or_default()))? {
                0 => break,
                more => read += more,
            }
        }
        Ok(read)
    }

    fn parse(&self, line: &[u8]) -> Option<(Vec<u8>, bool)> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (key, rest) = line.split_at_checked(self.digits)?;
        let count = match rest {
            [] => None,
            [b':', count @ ..] if !count.is_empty() && count.iter().all(u8::is_ascii_digit) => Some(count),
            _ => return None,
        };
        let seen = count.is_none_or(|count| count.iter().any(|digit| *digit != b'0'));
        key.iter().all(u8::is_ascii_hexdigit).then(|| (key.to_ascii_uppercase(), seen))
    }
}

#[cfg(test)]
mod tests;
