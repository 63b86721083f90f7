//! Kills while a store of an older schema becomes one of this: each start goes on where the last one was.

use std::path::Path;

use data_encoding::HEXLOWER;
use musterd::store::engine::sled::{Options, SledEngine};
use musterd::store::engine::{Batch, Bytes, Engine};
use serde_json::Value;

use super::{SETTINGS, seed, tell, times, verified};
use crate::harness::dice::Dice;
use crate::harness::process::Place;

/// The first schema, as it was written.
const GOLDEN: &str = include_str!("../../../src/store/golden/schema-1.rows");
/// Base64 of the key that sealed what is in it: 32 sevens.
const SEAL_KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n";
/// Users beside the golden ones: enough for a kill to hit the middle.
const MORE: u32 = 10_000;
const GOLDEN_USERS: u32 = 4;

type Row = (Bytes, Option<Bytes>);

fn golden() -> Vec<Row> {
    let hex = |text: &str| HEXLOWER.decode(text.as_bytes()).unwrap();
    let row = |line: &str| {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        (hex(key), Some(hex(value)))
    };
    GOLDEN.lines().map(row).collect()
}

/// The record of somebody active in the first schema, and the rows that it had there.
fn another(template: &Value, n: u32) -> Vec<Row> {
    let id = [&[0x01, 0x9c, 0xa8, 0x69, 0x50, 0x7b, 0x70, 0, 0x80, 0, 0, 0][..], &n.to_be_bytes()].concat();
    let (name, mut user) = (format!("more{n}"), template.clone());
    let hex = HEXLOWER.encode(&id);
    user["id"] = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]).into();
    user["username"] = name.clone().into();
    user["email"] = format!("{name}@example.org").into();
    user["roles"] = serde_json::json!(["user"]);
    let record = [b"\x01j".to_vec(), serde_json::to_vec(&user).unwrap()].concat();
    let quiet_since = &HEXLOWER.decode(b"0000000069a3f200").unwrap()[..];
    let key = |tag: u8, parts: &[&[u8]]| [&[tag], &parts.concat()[..]].concat();
    vec![
        (key(0x10, &[&id]), Some(record)),
        (key(0x11, &[name.as_bytes()]), Some(id.clone())),
        (key(0x12, &[name.as_bytes(), b"@example.org"]), Some(id.clone())),
        (key(0x14, &[b"local\0", &id]), Some(vec![])),
        (key(0x16, &[quiet_since, &id]), Some(vec![])),
        (key(0x17, &[b"user\0", &id]), Some(vec![])),
    ]
}

fn plant(folder: &Path) {
    let data = folder.join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("seal.key"), SEAL_KEY).unwrap();
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(data.join("seal.key"), owner_only).unwrap();
    let engine = SledEngine::open(&data.join("store"), Options { cache_bytes: 16 << 20, reserve_bytes: 0 }).unwrap();
    let rows = golden();
    let root = rows.iter().filter_map(|(key, value)| value.as_ref().filter(|_| key[0] == 0x10));
    let root = root.map(|bytes| serde_json::from_slice::<Value>(&bytes[2..]).unwrap());
    let root = root.into_iter().find(|user| user["username"] == "Root").unwrap();
    engine.commit(&Batch { writes: rows.into_iter().collect(), expect: vec![] }).unwrap();
    for from in (0..MORE).step_by(1_000) {
        let writes = (from..from + 1_000).flat_map(|n| another(&root, n)).collect();
        engine.commit(&Batch { writes, expect: vec![] }).unwrap();
    }
    engine.close().unwrap();
}

#[test]
fn a_migration_that_is_killed_again_and_again_comes_to_its_end() {
    let (folder, dice) = (tempfile::tempdir().unwrap(), Dice::new(seed()));
    let place = Place::new(folder.path()).with_settings(SETTINGS);
    plant(folder.path());
    let (mut kills, mut hits) = (0, 0);
    for _ in 0..times(6) {
        let ended = place.kill_during(&["serve"], dice.milliseconds(20..400));
        assert!(!ended.panicked(), "{ended:?}");
        kills += 1;
        let cut = ended.stderr.contains("bringing the store to schema");
        hits += u64::from(cut && !ended.stderr.contains("the store has a new schema"));
    }
    let daemon = place.start();
    assert_eq!(daemon.end("-TERM").code(), Some(0));
    let report = verified(&place);
    assert_eq!(report["users"], MORE + GOLDEN_USERS, "{report}");
    tell(&format!("migration: {kills} kills, {hits} in the middle, {} users whole (seed {})", report["users"], seed()));
}
