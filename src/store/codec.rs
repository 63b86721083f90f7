//! Records as bytes: a version, a codec, then the record. What any version wrote is read for ever.
//!
//! * version 1, codec `j`: JSON
//! * version 2, codec `j`: JSON; `z`: JSON compressed by Zstandard (RFC 8878) against the dictionary
//!   `codec/records.jsonl`, which is therefore never changed: a better one would be a new codec.

use std::cell::RefCell;
use std::sync::LazyLock;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

use crate::store::StoreError;
use crate::store::engine::Bytes;

/// The version that is written now.
const VERSION: u8 = 2;
/// The record is JSON.
const JSON: u8 = b'j';
/// The record is compressed JSON.
const COMPRESSED: u8 = b'z';
/// Shorter records do not get smaller.
const SHORT: usize = 48;
/// The most that a record is unpacked to, in bytes: a damaged length must not fill the memory.
const UNPACKED_MAX: usize = 64 << 20;
/// For records: matches against the dictionary and nothing more; tables of their own would cost more than they give.
const SMALL: i32 = -5;
/// For many records at once.
const LARGE: i32 = 1;

const RECORDS: &[u8] = include_bytes!("codec/records.jsonl");
static PACKING_SMALL: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(RECORDS, SMALL));
static PACKING_LARGE: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(RECORDS, LARGE));
static UNPACKING: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(RECORDS));

thread_local! {
    static SMALL_PACKER: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static LARGE_PACKER: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACKER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// A record as it is stored.
///
/// # Errors
/// When the record cannot be written as JSON: a fault of this program.
pub fn encode<T: Serialize>(record: &T) -> Result<Bytes, StoreError> {
    let mut bytes = vec![VERSION, JSON];
    serde_json::to_writer(&mut bytes, record).map_err(|error| StoreError::Record(error.to_string()))?;
    let json = bytes.get(2..).unwrap_or_default();
    if json.len() > SHORT {
        let packed = SMALL_PACKER.with_borrow_mut(|packer| compress(packer, &PACKING_SMALL, json))?;
        if packed.len() < json.len() {
            bytes.truncate(1);
            bytes.push(COMPRESSED);
            bytes.extend_from_slice(&packed);
        }
    }
    Ok(bytes)
}

/// The record of stored bytes.
///
/// # Errors
/// When the bytes are of a version that this program does not know, or damaged.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    let parse = |json: &[u8]| serde_json::from_slice(json).map_err(|error| StoreError::Record(error.to_string()));
    match bytes {
        [1 | VERSION, JSON, json @ ..] => parse(json),
        [VERSION, COMPRESSED, packed @ ..] => unpack(packed, parse)?,
        [version, codec, ..] => Err(StoreError::Record(format!("written as version {version}, codec {codec}"))),
        _ => Err(StoreError::Record("shorter than its envelope".to_owned())),
    }
}

/// Compresses many records at once against the dictionary of records.
///
/// # Errors
/// When memory is short.
pub fn pack(plain: &[u8]) -> Result<Bytes, StoreError> {
    LARGE_PACKER.with_borrow_mut(|packer| compress(packer, &PACKING_LARGE, plain))
}

fn compress(
    packer: &mut Option<Compressor<'static>>,
    dictionary: &'static EncoderDictionary<'static>,
    plain: &[u8],
) -> Result<Bytes, StoreError> {
    let fault = |error: std::io::Error| StoreError::Record(format!("it cannot be compressed: {error}"));
    let packer = match packer {
        Some(packer) => packer,
        None => packer.insert(Compressor::with_prepared_dictionary(dictionary).map_err(fault)?),
    };
    packer.compress(plain).map_err(fault)
}

/// Hands what was compressed to a reader.
///
/// # Errors
/// When the bytes are damaged, or would unpack to more than a record may be.
pub fn unpack<T>(packed: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<T, StoreError> {
    let fault = |error: std::io::Error| StoreError::Record(format!("it cannot be unpacked: {error}"));
    let size = zstd::zstd_safe::get_frame_content_size(packed).ok().flatten();
    let size = size.and_then(|size| usize::try_from(size).ok()).filter(|size| *size <= UNPACKED_MAX);
    let size = size.ok_or_else(|| StoreError::Record("it says no size that a record may have".to_owned()))?;
    let plain = UNPACKER.with_borrow_mut(|unpacker| {
        let unpacker = match unpacker {
            Some(unpacker) => unpacker,
            None => unpacker.insert(Decompressor::with_prepared_dictionary(&UNPACKING).map_err(fault)?),
        };
        unpacker.decompress(packed, size).map_err(fault)
    })?;
    Ok(read(&plain))
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use serde_json::{Value, json};

    use super::*;
    use crate::base::secret::sha256;

    #[test]
    fn an_unknown_version_is_refused() {
        assert!(decode::<u8>(&[9, JSON, b'1']).is_err());
        assert!(decode::<u8>(&[1, COMPRESSED, b'1']).is_err());
        assert!(decode::<u8>(&[]).is_err());
        assert_eq!(decode::<u8>(&encode(&7_u8).unwrap()).unwrap(), 7);
    }

    #[test]
    fn the_dictionary_of_the_codec_is_for_ever() {
        let digest = HEXLOWER.encode(&sha256(RECORDS));
        assert_eq!(
            digest, "93069d065581b090c97f097a3c93472261980fe0d94380d90e2fd1c40a933022",
            "records that were compressed with it would be lost"
        );
    }

    #[test]
    fn records_come_back_and_long_ones_get_smaller() {
        for size in [0, 10, 100, 1_000, 100_000] {
            let record = json!({"username": "ada", "name": "x".repeat(size)});
            let bytes = encode(&record).unwrap();
            assert_eq!(decode::<Value>(&bytes).unwrap(), record);
            assert!(bytes.len() < 1_000, "{}", bytes.len());
        }
    }

    #[test]
    fn a_damaged_record_is_an_error_and_no_more() {
        let bytes =
            encode(&json!({"username": "ada", "name": "Ada Lovelace", "source": "corp", "mfa": "disabled"})).unwrap();
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[place] ^= 1 << bit;
                drop(decode::<Value>(&damaged));
            }
            assert!(decode::<Value>(&bytes[..place]).is_err());
        }
    }
}
