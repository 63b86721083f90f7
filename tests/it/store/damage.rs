//! Damaged files: a log that is cut off, flipped bits, damaged snapshots.
//!
//! Each try is a copy of one store that a kill left. Whatever the damage is, the binary opens the store or refuses
//! it in one line with the way out; it never panics, hangs, dies or takes all memory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::client::Client;
use super::{SETTINGS, acknowledged, killed, lost, seed, tell, times, verified};
use crate::harness::daemon::Caller;
use crate::harness::dice::Dice;
use crate::harness::process::{Ended, Place, Process};

/// What sled's log is made of.
const SEGMENT: u64 = 512 << 10;
/// What reaches a disk as one.
const PAGE: usize = 4 << 10;
/// More than any command on so small a store needs.
const ADDRESS_SPACE: u64 = 4 << 30;
const PATIENCE: Duration = Duration::from_secs(60);
/// On every so many of the stores that opened, a daemon is started too.
const SERVED: usize = 8;
/// So often a kill is tried that hits a write before anybody was answered.
const PATIENT_TRIES: u64 = 30;
/// Tries of one kind that are told in full where a test fails.
const TOLD: usize = 3;

/// A store as a kill left it.
struct Sample {
    folder: tempfile::TempDir,
    client: Client,
    /// The log when the last write had been acknowledged.
    acknowledged: Vec<u8>,
    /// The mark of the last commit at that time.
    mark: Vec<u8>,
    /// Audit lines at that time: where fewer are left, the store does not open.
    vouched: u64,
}

impl Sample {
    /// A store of some megabytes, with a snapshot of an earlier start, killed while it wrote what it had not
    /// acknowledged yet.
    fn new() -> Self {
        let (folder, dice) = (tempfile::tempdir().unwrap(), Dice::new(seed()));
        let place = Place::new(folder.path()).with_settings(SETTINGS);
        let daemon = place.start();
        let token = place.token(&["--scope", "admin"]);
        let mut client = Client::new(1, seed(), &token);
        client.write(&daemon.base(), 300);
        assert_eq!(daemon.end("-TERM").code(), Some(0));
        for number in 0..100 {
            let daemon = place.start();
            client.write(&daemon.base(), if number == 0 { 100 } else { 5 });
            let (acknowledged, mark) = (resting_log(folder.path()), fs::read(mark(folder.path())).unwrap());
            let others = (0..6).map(|other| Client::new(2 + 6 * number + other, seed(), &token));
            let answered = cut_off_one_write_each(daemon, others.collect(), dice.milliseconds(1..6 + number));
            // Best is a kill that nobody had an answer before; a fast machine may allow none.
            let cut_in_a_write = answered == 0 || number >= PATIENT_TRIES;
            if cut_in_a_write && fs::read(log(folder.path())).unwrap() != acknowledged {
                let mut sample = Self { folder, client, acknowledged, mark, vouched: 0 };
                let copy = sample.cut_off(&sample.acknowledged);
                let report = verified(&Place::new(copy.path()).with_settings(SETTINGS));
                sample.vouched = report["audit_lines"].as_u64().unwrap();
                return sample;
            }
        }
        panic!("no kill left anything in the log that was not there before");
    }

    fn length(&self) -> u64 {
        fs::metadata(log(self.folder.path())).unwrap().len()
    }

    /// A copy with this log, and the mark that a power cut would have left.
    fn cut_off(&self, image: &[u8]) -> tempfile::TempDir {
        let copy = copy(self.folder.path());
        fs::write(log(copy.path()), image).unwrap();
        fs::write(mark(copy.path()), &self.mark).unwrap();
        copy
    }

    /// What is in the store.
    fn report(&self) -> Value {
        let copy = copy(self.folder.path());
        verified(&Place::new(copy.path()))
    }
}

/// The log when nothing more is written to it: notes of activity are written without anybody waiting for them.
fn resting_log(folder: &Path) -> Vec<u8> {
    let mut bytes = fs::read(log(folder)).unwrap();
    loop {
        thread::sleep(Duration::from_millis(30));
        let now = fs::read(log(folder)).unwrap();
        if now == bytes {
            return bytes;
        }
        bytes = now;
    }
}

/// Kills the daemon while each client waits for an answer to a first write. Gives how many had one.
fn cut_off_one_write_each(daemon: Process, mut clients: Vec<Client>, after: Duration) -> u64 {
    let base = daemon.base();
    thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| client.write_one(&base));
        }
        thread::sleep(after);
        killed(daemon);
    });
    acknowledged(&clients)
}

fn log(folder: &Path) -> PathBuf {
    folder.join("data/store/db")
}

fn mark(folder: &Path) -> PathBuf {
    folder.join("data/store/committed")
}

/// The snapshots in a store.
fn snapshots(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder.join("data/store")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap.")).collect()
}

/// A copy of what a daemon kept, without its settings.
fn copy(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&folder.join("data"), &copy.path().join("data"));
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, target) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy_folder(&entry.path(), &target);
        } else if kind.is_file() {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn flip_bit(file: &Path, byte: u64, bit: u64) {
    let file = File::options().read(true).write(true).open(file).unwrap();
    let mut value = [0];
    file.read_exact_at(&mut value, byte).unwrap();
    file.write_all_at(&[value[0] ^ (1 << bit)], byte).unwrap();
}

fn truncate(file: &Path, length: u64) {
    File::options().write(true).open(file).unwrap().set_len(length).unwrap();
}

/// What may come of damage.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Outcome {
    /// It opened with everything.
    Whole,
    /// It opened with everything that was acknowledged, and not all of what was not.
    Earlier,
    /// It opened, and what does not hold together was named.
    Differences,
    /// It was refused in one line.
    Refused,
}

/// What came of all tries.
struct Tally {
    /// What `musterd verify` counts where nothing is damaged.
    whole: Value,
    /// Fewer audit lines are never there without a word.
    vouched: u64,
    outcomes: BTreeMap<Outcome, usize>,
    /// Fewest audit lines that were there after an opening.
    fewest: Option<u64>,
    /// What must not come of any damage, by its kind.
    faults: BTreeMap<&'static str, Vec<String>>,
}

impl Tally {
    fn of(sample: &Sample) -> Self {
        let (whole, vouched) = (sample.report(), sample.vouched);
        Self { whole, vouched, outcomes: BTreeMap::new(), fewest: None, faults: BTreeMap::new() }
    }

    /// Opens a damaged store twice, as what the first opening left must open again.
    fn try_out(&mut self, folder: &Path, damage: &str) -> Option<Outcome> {
        let first = self.outcome(folder);
        let again = first.clone().and_then(|_| self.outcome(folder));
        match (first, again) {
            (Ok((outcome, lines)), Ok((again, _))) if outcome == again => {
                let count = self.outcomes.entry(outcome).or_default();
                *count += 1;
                if outcome != Outcome::Refused && *count % SERVED == 1 {
                    self.serve(folder, damage);
                }
                self.fewest = self.fewest.into_iter().chain(lines).min();
                return Some(outcome);
            }
            (Ok(first), Ok(again)) => {
                self.fault("another opening was another", &format!("{damage}: {first:?}, {again:?}"))
            }
            (Err((kind, ended)), _) => self.fault(kind, &format!("{damage}: {ended}")),
            (_, Err((kind, ended))) => self.fault(kind, &format!("{damage}, opened again: {ended}")),
        }
        None
    }

    /// Looks at a store with `musterd verify`. Gives the number of audit lines too, where it opened.
    fn outcome(&self, folder: &Path) -> Result<(Outcome, Option<u64>), Fault> {
        let place = Place::new(folder).behind(&["prlimit".to_owned(), format!("--as={ADDRESS_SPACE}")]);
        let ended = place.run_within(&["verify", "--json"], PATIENCE).ok_or(("it hung", String::new()))?;
        let wrong = |kind| Err((kind, format!("{ended:?}")));
        if ended.signal().is_some() {
            return wrong("it died by a signal");
        }
        if ended.panicked() {
            return wrong("it showed a panic");
        }
        let report = serde_json::from_str::<Value>(&ended.stdout).ok();
        let lines = report.as_ref().and_then(|report| report["audit_lines"].as_u64());
        let outcome = match (ended.code(), report) {
            (Some(0), Some(report)) if report == self.whole => Outcome::Whole,
            (Some(0), Some(_)) if lines < Some(self.vouched) => {
                return wrong("it opened without a word about what was acknowledged and is gone");
            }
            (Some(0), Some(_)) => Outcome::Earlier,
            (Some(1), Some(report)) if report["differences"].as_array().is_some_and(|found| !found.is_empty()) => {
                Outcome::Differences
            }
            (Some(1), None) if is_refusal(&ended) => Outcome::Refused,
            _ => return wrong("it is neither a report nor a refusal in one line that names the place and the way out"),
        };
        Ok((outcome, lines))
    }

    /// A store that opened carries a daemon.
    fn serve(&mut self, folder: &Path, damage: &str) {
        let daemon = Place::new(folder).start();
        let ready = Caller::new(daemon.base(), None).get("/readyz");
        let ended = daemon.end("-TERM");
        if ready.status != 200 || ended.code() != Some(0) || ended.panicked() {
            self.fault("a daemon did not get along with it", &format!("{damage}: {ready:?}, {ended:?}"));
        }
    }

    fn fault(&mut self, kind: &'static str, shown: &str) {
        self.faults.entry(kind).or_default().push(shown.to_owned());
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.get(&outcome).copied().unwrap_or_default()
    }

    /// Prints the counts; fails where anything came of damage that must not.
    fn conclude(self, what: &str) {
        tell(&format!(
            "damage: {what}: {} opened whole, {} opened without what nobody was told, {} opened with differences named, {} \
             refused in one line, {} worse; at worst {:?} of {} audit lines were there (seed {})",
            self.count(Outcome::Whole),
            self.count(Outcome::Earlier),
            self.count(Outcome::Differences),
            self.count(Outcome::Refused),
            self.faults.values().map(Vec::len).sum::<usize>(),
            self.fewest,
            self.whole["audit_lines"],
            seed()
        ));
        let told = self.faults.iter().map(|(kind, shown)| {
            format!("{} times {kind}, such as:\n{}", shown.len(), shown[..shown.len().min(TOLD)].join("\n"))
        });
        let told: Vec<String> = told.collect();
        assert!(told.is_empty(), "{what}:\n{}", told.join("\n\n"));
    }
}

/// How a command ended as it must not: what is wrong, and all it printed.
type Fault = (&'static str, String);

/// One line that names the folder or a file in it, and the way out.
fn is_refusal(ended: &Ended) -> bool {
    ended.stdout.is_empty()
        && ended.stderr.lines().count() == 1
        && ended.stderr.contains("data/store")
        && ended.stderr.contains("restore")
}

#[test]
fn a_log_cut_off_anywhere_is_opened_or_refused_in_one_line() {
    let (sample, dice) = (Sample::new(), Dice::new(seed()));
    let mut tally = Tally::of(&sample);
    let length = sample.length();
    let borders = (0..=length / SEGMENT).flat_map(|segment| {
        let border = segment * SEGMENT;
        [border.saturating_sub(1), border, border + 1, border + 20]
    });
    let anywhere: Vec<u64> = (0..times(24)).map(|_| dice.number(0..length)).collect();
    let dense: Vec<u64> = (0..times(24)).map(|_| dice.number(length - (8 << 10)..length)).collect();
    let mut points: Vec<u64> = borders.chain(anywhere).chain(dense).filter(|point| *point < length).collect();
    points.sort_unstable();
    points.dedup();
    for point in &points {
        let copy = copy(sample.folder.path());
        truncate(&log(copy.path()), *point);
        tally.try_out(copy.path(), &format!("cut off at {point} of {length}"));
    }
    tally.conclude(&format!("a log of {length} bytes cut off at {} points", points.len()));
}

/// What the disk may hold after a power cut: all that was synced when the last write was acknowledged, and of what
/// was written since then any pages, up to any length.
fn after_a_power_cut(dice: &Dice, synced: &[u8], written: &[u8]) -> Vec<u8> {
    let length = usize::try_from(dice.number(size(synced)..size(written) + 1)).unwrap();
    let mut bytes = written[..length].to_vec();
    for start in (0..length).step_by(PAGE) {
        let end = length.min(start + PAGE);
        if dice.number(0..2) == 0 {
            let old = synced.get(start..end.min(synced.len())).unwrap_or_default();
            bytes[start..start + old.len()].copy_from_slice(old);
            bytes[start + old.len()..end].fill(0);
        }
    }
    bytes
}

fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap()
}

#[test]
fn a_power_cut_in_a_write_loses_nothing_that_was_acknowledged_before() {
    let (mut sample, dice) = (Sample::new(), Dice::new(seed()));
    let (written, cuts) = (fs::read(log(sample.folder.path())).unwrap(), times(12));
    let mut gone = Vec::new();
    for cut in 0..cuts {
        let image = match cut {
            0 => sample.acknowledged.clone(),
            1 => written[..sample.acknowledged.len()].to_vec(),
            _ => after_a_power_cut(&dice, &sample.acknowledged, &written),
        };
        let copy = sample.cut_off(&image);
        let place = Place::new(copy.path()).with_settings(SETTINGS);
        let daemon = place.start();
        gone.extend(lost(std::slice::from_mut(&mut sample.client), &daemon));
        killed(daemon);
        verified(&place);
    }
    tell(&format!(
        "damage: {cuts} power cuts in a write, {} acknowledged writes checked, {} lost (seed {})",
        sample.client.acknowledged,
        gone.len(),
        seed()
    ));
    assert!(gone.is_empty(), "{gone:#?}");
}

#[test]
fn a_flipped_bit_in_the_log_is_survived_or_told_in_one_line() {
    let (sample, dice) = (Sample::new(), Dice::new(seed()));
    let mut tally = Tally::of(&sample);
    let (length, tries) = (sample.length(), times(60));
    for number in 0..tries {
        let copy = copy(sample.folder.path());
        // Some of them in what a start reads first: the heads of the segments.
        let byte = match number % 4 {
            0 => (length - 1).min(dice.number(0..length.div_ceil(SEGMENT)) * SEGMENT + dice.number(0..64)),
            _ => dice.number(0..length),
        };
        let bit = dice.number(0..8);
        flip_bit(&log(copy.path()), byte, bit);
        tally.try_out(copy.path(), &format!("bit {bit} of byte {byte} flipped"));
    }
    tally.conclude(&format!("{tries} bits of the log flipped"));
}

#[test]
fn a_damaged_snapshot_loses_nothing() {
    let (sample, dice) = (Sample::new(), Dice::new(seed()));
    let mut tally = Tally::of(&sample);
    let tries = times(24);
    for number in 0..tries {
        let copy = copy(sample.folder.path());
        let snapshot = dice.pick(&snapshots(copy.path())).expect("a second start leaves a snapshot");
        let (length, name) = (fs::metadata(&snapshot).unwrap().len(), snapshot.file_name().unwrap().to_owned());
        let damage = if number % 4 == 0 {
            let point = dice.number(0..length);
            truncate(&snapshot, point);
            format!("{name:?} cut off at {point} of {length}")
        } else {
            let (byte, bit) = (dice.number(0..length), dice.number(0..8));
            flip_bit(&snapshot, byte, bit);
            format!("bit {bit} of byte {byte} of {length} of {name:?} flipped")
        };
        let outcome = tally.try_out(copy.path(), &damage);
        if outcome.is_some_and(|outcome| outcome != Outcome::Whole) {
            tally.fault("it opened otherwise although the log is whole", &format!("{damage}: {outcome:?}"));
        }
    }
    tally.conclude(&format!("{tries} damages of snapshots"));
}
