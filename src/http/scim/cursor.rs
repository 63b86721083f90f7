//! Cursors (RFC 9865): where the next page of a list begins, in a form that only this service can make and read.
//!
//! A cursor names the last result that was shown, so a page costs the page, and what comes or goes meanwhile moves
//! nobody past the reader. It is good for the source, the filter and the order that it was made for, and for an hour.

use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::kind::{Key, Kind};
use crate::base::id::SourceId;
use crate::base::secret::sha256;
use crate::scim::list::ListRequest;
use crate::scim::sort::SortKey;
use crate::scim::{ScimError, ScimType};
use crate::store::StoreError;
use crate::store::seal::Sealer;

/// For how long a cursor is good (`cursorTimeout` of RFC 9865 §4).
pub(super) const LIFE: SignedDuration = SignedDuration::from_hours(1);
/// Longest cursor that is looked at: it holds one sort key, which is an attribute's value.
const LONGEST: usize = 16 << 10;
/// What the sealed bytes are bound to.
const PLACE: &[u8] = b"scim cursor";

/// The last result of a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// What decided its place, where the list is sorted.
    pub(super) key: SortKey,
    /// Its id.
    pub(super) id: Key,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    made_at: Timestamp,
    list: String,
    after: Mark,
}

/// Makes the cursor of the page after `after`.
pub(super) fn make(sealer: &Sealer, list: String, after: Mark, now: Timestamp) -> Result<String, StoreError> {
    let sealed = Sealed { made_at: now, list, after };
    let bytes = serde_json::to_vec(&sealed).map_err(|error| StoreError::Record(error.to_string()))?;
    Ok(BASE64URL_NOPAD.encode(&sealer.seal(PLACE, &bytes)?))
}

/// Reads a cursor; the empty one is the beginning.
///
/// # Errors
/// 400 `invalidCursor` for one that was not made here, or for another list; 400 `expiredCursor` for an old one.
pub(super) fn read(sealer: &Sealer, list: &str, text: &str, now: Timestamp) -> Result<Option<Mark>, ScimError> {
    if text.is_empty() {
        return Ok(None);
    }
    let invalid = |detail: &str| ScimError::typed(ScimType::InvalidCursor, detail);
    let bytes = Some(text).filter(|text| text.len() <= LONGEST).map(|text| BASE64URL_NOPAD.decode(text.as_bytes()));
    let bytes = bytes.and_then(Result::ok).and_then(|bytes| sealer.open(PLACE, &bytes).ok());
    let sealed = bytes.and_then(|bytes| serde_json::from_slice::<Sealed>(&bytes).ok());
    let sealed = sealed.ok_or_else(|| invalid("the cursor is none of this service: begin again with an empty one"))?;
    if sealed.list != list {
        return Err(invalid("the cursor is of another list: filter, sortBy and sortOrder must stay as they were"));
    }
    if now.duration_since(sealed.made_at) > LIFE {
        let detail = "the cursor is older than an hour: begin again with an empty one";
        return Err(ScimError::typed(ScimType::ExpiredCursor, detail));
    }
    Ok(Some(sealed.after))
}

/// What a cursor belongs to: the caller's rights and everything that decides which results there are, and in which
/// order.
pub(super) fn list_of(source: &SourceId, kinds: &[Kind], request: &ListRequest) -> String {
    let names: Vec<_> = kinds.iter().map(|kind| kind.resource_type().name).collect();
    let filter = request.filter.as_ref().map(ToString::to_string);
    let sort = request.sort.as_ref().map(|sort| (sort.by.to_string(), format!("{:?}", sort.order)));
    let text = serde_json::to_vec(&(source, names, filter, sort)).unwrap_or_default();
    BASE64URL_NOPAD.encode(&sha256(&text))
}
