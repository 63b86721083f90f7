//! Sets of breached passwords: good ones in every form, and what is none.

use std::fs;

use super::*;

fn hash(password: &str) -> String {
    HEXUPPER.encode(&Sha1::digest(password.as_bytes()))
}

fn secret(text: &str) -> Secret {
    Secret::new(text)
}

/// The hashes of `leaked 0`, `leaked 1` …, in their order.
fn leaked(count: usize) -> Vec<String> {
    let mut hashes: Vec<_> = (0..count).map(|n| hash(&format!("leaked {n}"))).collect();
    hashes.sort();
    hashes
}

fn written(folder: &Path, text: impl AsRef<[u8]>) -> PathBuf {
    let file = folder.join("breached.txt");
    fs::write(&file, text).unwrap();
    file
}

fn open(path: &Path) -> BreachedSet {
    let set = BreachedSet::new(path.to_owned());
    set.check().unwrap_or_else(|error| panic!("{error}"));
    set
}

fn refusal(path: &Path) -> String {
    BreachedSet::new(path.to_owned()).check().unwrap_err().to_string()
}

#[test]
fn every_line_of_a_file_is_found_whatever_its_case_and_its_ends() {
    let folder = tempfile::tempdir().unwrap();
    for count in [1, 2, 3, 1_000] {
        let lines: Vec<_> = (1..).zip(leaked(count)).map(|(n, hash)| format!("{hash}:{n}")).collect();
        let plain: Vec<_> = leaked(count);
        for text in
            [lines.join("\r\n") + "\r\n", lines.join("\n") + "\n", lines.join("\n").to_lowercase(), plain.join("\n")]
        {
            let set = open(&written(folder.path(), text));
            assert!((0..count).all(|n| set.holds(&secret(&format!("leaked {n}")))), "{count}");
            assert!((0..100).all(|n| !set.holds(&secret(&format!("secret {n}")))), "{count}");
        }
    }
}

#[test]
fn the_typed_and_the_normal_form_are_looked_for_and_what_nobody_saw_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let set = |text: String| open(&written(folder.path(), text));
    assert!(set(hash("caf\u{e9}")).holds(&secret("cafe\u{301}")));
    assert!(set(hash("cafe\u{301}")).holds(&secret("cafe\u{301}")));
    let padded = set(format!("{}:0\n", hash("padding")));
    assert!(!padded.holds(&secret("padding")));
}

#[test]
fn a_folder_has_a_file_for_each_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let one = hash("leaked 1");
    for (name, line) in
        [(format!("{}.txt", &one[..5]), one[5..].to_owned()), (one[..5].to_lowercase(), one[5..].to_lowercase())]
    {
        let inner = folder.path().join(&name).with_extension("set");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("README"), "about this set").unwrap();
        assert!(refusal(&inner).contains("no file that is named"));
        fs::write(inner.join(&name), format!("{line}:7\r\n{}:1\r\n", "F".repeat(35))).unwrap();
        let set = open(&inner);
        assert!(set.holds(&secret("leaked 1")) && !set.holds(&secret("leaked 2")), "{name}");
    }
}

#[test]
fn what_is_no_set_is_told_before_the_daemon_starts() {
    let folder = tempfile::tempdir().unwrap();
    assert!(refusal(&folder.path().join("missing")).contains("cannot be read"));
    assert!(refusal(folder.path()).contains("no file that is named"));
    let hashes = leaked(1_000);
    let backwards: Vec<_> = hashes.iter().rev().cloned().collect();
    let mut swapped = hashes.clone();
    swapped.swap(0, 999);
    for (text, word) in [
        (String::new(), "is empty"),
        (backwards.join("\n"), "not ordered"),
        (swapped.join("\n"), "not ordered"),
        ("password\n123456\n".to_owned(), "no line of 40 hexadecimal"),
        (hashes.iter().map(|hash| format!("{}:1\n", &hash[..39])).collect(), "no line of 40 hexadecimal"),
        (hashes.iter().map(|hash| format!("{hash}0:1\n")).collect(), "no line of 40 hexadecimal"),
        (hashes.iter().map(|hash| format!("{hash}:many\n")).collect(), "no line of 40 hexadecimal"),
        ("A".repeat(1 << 20), "no line of 40 hexadecimal"),
        ("\n".repeat(1_000), "no line of 40 hexadecimal"),
    ] {
        let told = refusal(&written(folder.path(), text));
        assert!(told.contains(word), "{told} instead of {word}");
    }
    let inner = folder.path().join("ranges");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("21BD1.txt"), format!("{}:1\n", "0".repeat(40))).unwrap();
    assert!(refusal(&inner).contains("holds 21BD1.txt, which is not in the form"), "{}", refusal(&inner));
}

#[test]
fn p_06_a_set_that_vanished_or_was_spoilt_keeps_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), leaked(9).join("\n"));
    let set = open(&file);
    assert!(set.holds(&secret("leaked 1")));
    fs::write(&file, "spoilt").unwrap();
    assert!(!set.holds(&secret("leaked 1")) && set.told.load(Memory::Relaxed));
    fs::remove_file(&file).unwrap();
    assert!(!set.holds(&secret("leaked 1")) && set.told.load(Memory::Relaxed));
    fs::write(&file, leaked(9).join("\n")).unwrap();
    assert!(!set.holds(&secret("another")) && !set.told.load(Memory::Relaxed), "and it is told again the next time");
    assert!(set.holds(&secret("leaked 1")));
}
