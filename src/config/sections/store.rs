//! `[store]`: where musterd keeps everything.

use super::super::reader::Reader;
use crate::store::Settings;

/// Reads the section.
pub(in super::super) fn read(reader: &mut Reader) -> Settings {
    let default = Settings::default();
    let section = &mut reader.section("store");
    Settings {
        folder: section.file("folder", &default.folder),
        cache_bytes: section.bytes("cache", 1 << 20..=1 << 40, default.cache_bytes),
        reserve_bytes: section.bytes("reserve", 0..=1 << 40, default.reserve_bytes),
        seal_key_file: section.optional_file("seal_key_file"),
    }
}
