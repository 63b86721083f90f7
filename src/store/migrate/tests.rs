//! What any version wrote is read for ever: the bytes of every version are kept in `golden`, and all of them are the
//! same directory. To write those of a new version: `MUSTERD_BLESS=1 cargo test --lib golden`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::base::rng::Rng;
use crate::store::engine::memory::MemoryEngine;
use crate::store::engine::{EngineError, Rows};
use crate::store::seal::Sealer;
use crate::store::tx::View;
use crate::store::{export, import, outbox, verify};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/store/golden").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(golden(name)).unwrap()
}

/// The key that sealed what is in the golden files.
fn sealer() -> Sealer {
    Sealer::from_key(&[7; 32], &Rng::seeded(1))
}

fn load(rows: &str) -> MemoryEngine {
    let hex = |text: &str| HEXLOWER.decode(text.as_bytes()).unwrap();
    let row = |line: &str| {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        (hex(key), Some(hex(value)))
    };
    let engine = MemoryEngine::default();
    commit(&engine, rows.lines().map(row).collect()).unwrap();
    engine
}

fn all(engine: &dyn Rows) -> Vec<Row> {
    engine.scan(&KeyRange::prefix(&[]), Order::Ascending, usize::MAX).unwrap()
}

fn exported(engine: &dyn Rows, sealer: &Sealer) -> String {
    let mut text = String::new();
    let write = |line: &str| {
        text.push_str(line);
        text.push('\n');
        Ok::<_, StoreError>(())
    };
    export::export(&View { engine, sealer }, write).unwrap();
    text
}

fn imported(text: &str) -> MemoryEngine {
    let engine = MemoryEngine::default();
    import::import(&engine, &sealer(), text.lines().map(|line| Ok(line.to_owned()))).unwrap();
    engine
}

#[test]
fn the_golden_bytes_of_every_version_are_the_same_directory() {
    let sealer = sealer();
    if std::env::var_os("MUSTERD_BLESS").is_some() {
        let engine = load(&read("schema-1.rows"));
        migrate(&engine).unwrap();
        let text = exported(&engine, &sealer);
        std::fs::write(golden("export.jsonl"), &text).unwrap();
        let row =
            |(key, value): Row| format!("{} {}", HEXLOWER.encode(&key), HEXLOWER.encode(&value)).trim_end().to_owned();
        let rows: Vec<String> = all(&imported(&text)).into_iter().map(row).collect();
        std::fs::write(golden(&format!("schema-{SCHEMA}.rows")), rows.join("\n") + "\n").unwrap();
    }
    for version in 1..=SCHEMA {
        let engine = load(&read(&format!("schema-{version}.rows")));
        migrate(&engine).unwrap();
        assert_eq!(exported(&engine, &sealer), read("export.jsonl"), "schema {version}");
        let view = View { engine: &engine, sealer: &sealer };
        let report = verify::verify(&view).unwrap();
        assert!(report.differences.is_empty(), "schema {version}: {report:?}");
        assert_eq!(outbox::list(&view, 9).unwrap().len(), 1, "schema {version}: sealed values open");
    }
}

#[test]
fn an_import_gives_back_what_was_exported_and_every_row_that_follows_from_it() {
    let text = read("export.jsonl");
    let engine = imported(&text);
    assert_eq!(exported(&engine, &sealer()), text);
    let sealer = sealer();
    let report = verify::verify(&View { engine: &engine, sealer: &sealer }).unwrap();
    assert!(report.differences.is_empty(), "{report:?}");
}

#[test]
fn lines_that_are_no_export_are_refused_by_their_number() {
    let good = read("export.jsonl");
    let refused = |text: &str| {
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        import::import(&MemoryEngine::default(), &sealer(), lines).unwrap_err().to_string()
    };
    assert!(refused("").contains("empty"));
    assert!(refused("{}").contains("line 1"));
    assert!(refused(&good.replace("musterd_export\":1", "musterd_export\":9")).contains("format is 9"));
    assert!(refused(&good.replacen("seal_key\":\"", "seal_key\":\"00", 1)).contains("sealed with the key"));
    let header = good.lines().next().unwrap();
    for line in [
        "nonsense",
        r#"{"space":"nowhere","key":"00"}"#,
        r#"{"space":"user","key":"0G","record":{}}"#,
        r#"{"space":"user","key":"00","record":{}}"#,
        r#"{"space":"user","record":{}}"#,
        r#"{"space":"group-member","key":"00","record":{}}"#,
        r#"{"space":"meta","key":"00","record":1}"#,
        r#"{"space":"user-by-username","key":"00"}"#,
        r#"{"space":"audit","record":7}"#,
    ] {
        let refusal = refused(&format!("{header}\n{line}\n"));
        assert!(refusal.contains("line 2"), "{line}: {refusal}");
    }
    let user = good.lines().find(|line| line.starts_with(r#"{"space":"user""#)).unwrap();
    let twin = user.replacen("\"key\":\"", "\"key\":\"aa", 1).replacen("\"id\":\"0", "\"id\":\"1", 1);
    assert!(refused(&format!("{header}\n{user}\n{twin}\n")).contains("claims the same row"));
}

#[test]
fn a_newer_store_is_refused_with_a_text_that_says_so() {
    let engine = MemoryEngine::default();
    commit(&engine, [(schema_key(), Some(codec::encode(&(SCHEMA + 1)).unwrap()))].into()).unwrap();
    let refusal = migrate(&engine).unwrap_err();
    assert_eq!(refusal, StoreError::Newer { found: SCHEMA + 1 });
    assert!(refusal.to_string().contains("start the newer musterd again"), "{refusal}");
}

/// An engine that is killed after some commits.
struct Mortal {
    memory: MemoryEngine,
    left: AtomicUsize,
}

impl Rows for Mortal {
    fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, EngineError> {
        self.memory.get_many(keys)
    }

    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> Result<Vec<Row>, EngineError> {
        self.memory.scan(range, order, limit)
    }
}

impl Engine for Mortal {
    fn snapshot(&self) -> Result<Box<dyn Rows>, EngineError> {
        self.memory.snapshot()
    }

    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err() {
            return Err(EngineError::Io("killed".to_owned()));
        }
        self.memory.commit(batch)
    }
}

#[test]
fn a_migration_that_is_killed_at_any_point_goes_on_from_there() {
    let golden = read("schema-1.rows");
    let whole = load(&golden);
    migrate(&whole).unwrap();
    let mut kills = 0;
    for commits in 0.. {
        let engine = Mortal { memory: load(&golden), left: AtomicUsize::new(commits) };
        if migrate(&engine).is_ok() {
            break;
        }
        kills += 1;
        engine.left.store(usize::MAX, Ordering::SeqCst);
        migrate(&engine).unwrap();
        assert_eq!(all(&engine), all(&whole), "killed after {commits} commits");
    }
    assert!(kills >= 5, "{kills}");
}
