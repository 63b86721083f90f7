//! Values as sled keeps them: small ones whole, large ones in parts. sled writes values past 128 KiB to files of
//! their own that no `fdatasync` of the log covers; parts stay well below that.

use crate::store::engine::{Batch, Bytes};

/// Values up to this size are one row.
const PART: usize = 32 << 10;
/// The first byte of a stored value: it is all here.
const WHOLE: u8 = 0;
/// The first byte of a stored value: it is in so many parts (four bytes follow). Read, and not written any more.
const IN_PARTS: u8 = 1;
/// The first byte of a stored value: it is in so many parts (four bytes) of that writing (eight bytes).
const IN_PARTS_OF: u8 = 2;
/// The first byte of the keys of parts; no key of the store begins with it.
pub(super) const PARTS: u8 = 0xff;
/// How often a value that is replaced while it is read is read anew.
const TRIES: usize = 100;

/// Why a value cannot be read.
pub(super) enum Fault {
    /// sled's.
    Sled(sled::Error),
    /// It has no form that is known.
    Form(&'static str),
}

impl From<sled::Error> for Fault {
    fn from(error: sled::Error) -> Self {
        Self::Sled(error)
    }
}

/// Is it a row of its own, and no part of one?
pub(super) fn is_row(row: &sled::Result<(sled::IVec, sled::IVec)>) -> bool {
    row.as_ref().map_or(true, |(key, _)| key.first() != Some(&PARTS))
}

/// The parts of a stored value, by their keys, in order.
fn part_keys(key: &[u8], stored: &[u8]) -> Vec<Bytes> {
    let keys = |writing: &[u8], number: &[u8]| {
        let number = number.try_into().map(u32::from_be_bytes).unwrap_or(0);
        (0..number).map(|part| [&[PARTS], key, writing, &part.to_be_bytes()].concat()).collect()
    };
    match stored {
        [IN_PARTS, number @ ..] => keys(&[], number),
        [IN_PARTS_OF, rest @ ..] => {
            let (writing, number) = rest.split_at_checked(8).unwrap_or_default();
            keys(writing, number)
        }
        _ => Vec::new(),
    }
}

/// The value of a key.
pub(super) fn get(db: &sled::Db, key: &[u8]) -> Result<Option<Bytes>, Fault> {
    match db.get(key)? {
        Some(stored) => whole(db, key, &stored),
        None => Ok(None),
    }
}

/// A value as it was written, put together from its parts; `None` when it was removed meanwhile.
pub(super) fn whole(db: &sled::Db, key: &[u8], stored: &[u8]) -> Result<Option<Bytes>, Fault> {
    match stored {
        [WHOLE, value @ ..] => return Ok(Some(value.to_vec())),
        [IN_PARTS | IN_PARTS_OF, ..] => {}
        _ => return Err(Fault::Form("a value has no form that is known")),
    }
    let mut stored = stored.to_vec();
    for _ in 0..TRIES {
        let mut value = Vec::new();
        let mut complete = true;
        for part in part_keys(key, &stored) {
            match db.get(part)? {
                Some(part) => value.extend_from_slice(&part),
                None => complete = false,
            }
        }
        if complete {
            return Ok(Some(value));
        }
        // Replaced between the two reads, or damaged.
        match db.get(key)? {
            None => return Ok(None),
            Some(now) if now.first() == Some(&WHOLE) => return Ok(now.get(1..).map(<[u8]>::to_vec)),
            Some(now) if *now == *stored => break,
            Some(now) => stored = now.to_vec(),
        }
    }
    Err(Fault::Form("a part of a value is missing"))
}

/// Is any value of a store in parts?
pub(super) fn exist(db: &sled::Db) -> Result<bool, Fault> {
    Ok(db.scan_prefix([PARTS]).next().transpose()?.is_some())
}

/// Does a batch bring values that are put in parts?
pub(super) fn come_with(batch: &Batch) -> bool {
    batch.writes.values().flatten().any(|value| value.len() > PART)
}

/// The batch in sled's terms: large values in parts, and the parts of what is replaced removed, where `any` exist.
pub(super) fn writes(db: &sled::Db, batch: &Batch, any: bool) -> Result<sled::Batch, Fault> {
    let mut writes = sled::Batch::default();
    for (key, value) in &batch.writes {
        if any && let Some(old) = db.get(key)? {
            part_keys(key, &old).into_iter().for_each(|part| writes.remove(part));
        }
        match value {
            Some(value) if value.len() <= PART => writes.insert(key.as_slice(), [&[WHOLE], value.as_slice()].concat()),
            Some(value) => {
                // A reader never puts parts of two writings together: each writing's have keys of their own.
                let number = u32::try_from(value.len().div_ceil(PART)).unwrap_or(u32::MAX);
                let header = [&[IN_PARTS_OF], &db.generate_id()?.to_be_bytes()[..], &number.to_be_bytes()].concat();
                for (part_key, part) in part_keys(key, &header).into_iter().zip(value.chunks(PART)) {
                    writes.insert(part_key, part);
                }
                writes.insert(key.as_slice(), header);
            }
            None => writes.remove(key.as_slice()),
        }
    }
    Ok(writes)
}
