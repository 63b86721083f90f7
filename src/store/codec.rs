//! Records as bytes: a version, a codec, then the record. Old versions are read for ever.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::StoreError;
use crate::store::engine::Bytes;

/// The version that is written now.
const VERSION: u8 = 1;
/// The record is JSON.
const JSON: u8 = b'j';

/// A record as it is stored.
///
/// # Errors
/// When the record cannot be written as JSON: a fault of this program.
pub fn encode<T: Serialize>(record: &T) -> Result<Bytes, StoreError> {
    let mut bytes = vec![VERSION, JSON];
    serde_json::to_writer(&mut bytes, record).map_err(|error| StoreError::Record(error.to_string()))?;
    Ok(bytes)
}

/// The record of stored bytes.
///
/// # Errors
/// When the bytes are of a version that this program does not know, or damaged.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    match bytes {
        [VERSION, JSON, record @ ..] => {
            serde_json::from_slice(record).map_err(|error| StoreError::Record(error.to_string()))
        }
        [version, codec, ..] => Err(StoreError::Record(format!("written as version {version}, codec {codec}"))),
        _ => Err(StoreError::Record("shorter than its envelope".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_version_is_refused() {
        assert!(decode::<u8>(&[9, JSON, b'1']).is_err());
        assert!(decode::<u8>(&[]).is_err());
        assert_eq!(decode::<u8>(&encode(&7_u8).unwrap()).unwrap(), 7);
    }
}
