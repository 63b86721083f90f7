//! The text of a file: UTF-8 and nothing else.

use super::FileError;

/// The text of a file, without its byte order mark.
pub(super) fn decode(bytes: &[u8]) -> Result<&str, FileError> {
    let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    // ASCII in UTF-16 without a mark has a NUL in every other place.
    if is_utf16 || matches!(bytes, [0, first, ..] | [first, 0, ..] if *first != 0) {
        return Err(FileError::Utf16);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| FileError::NotUtf8(error.valid_up_to()))?;
    if let Some((before, _)) = text.split_once('\0') {
        return Err(FileError::Nul(lines(before).saturating_add(1)));
    }
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// How many lines end in a text: with LF, CRLF or CR.
pub(super) fn lines(text: &str) -> u64 {
    let returns = text.matches('\r').count().saturating_sub(text.matches("\r\n").count());
    let ends = text.matches('\n').count().saturating_add(returns);
    u64::try_from(ends).unwrap_or(u64::MAX)
}
