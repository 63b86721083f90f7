//! How long somebody would guess at a password, as zxcvbn estimates it: 0, at once, to 4, for ever.

use zxcvbn::zxcvbn;

/// What is estimated of a password: the time grows faster than the length, and what is strong so far is strong.
const CHARACTERS: usize = 100;
/// Words of its owner that are looked for, each so long at most.
const WORDS: usize = 64;

/// The estimate. `words` are what whoever guesses knows of its owner.
#[must_use]
pub(super) fn estimate(password: &str, words: &[&str]) -> u8 {
    let cut = |text: &str| text.chars().take(CHARACTERS).collect::<String>();
    let words: Vec<String> = words.iter().take(WORDS).map(|word| cut(word)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    zxcvbn(&cut(password), &words).score().into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::clock::Stopwatch;

    #[test]
    fn a_guess_of_ten_thousand_tries_is_weak_and_a_sentence_is_strong() {
        assert_eq!(estimate("password123", &[]), 0);
        assert!(estimate("Tr0ub4dour&3", &[]) < 4);
        assert_eq!(estimate("trajectories by hand", &[]), 4);
        assert_eq!(estimate("", &[]), 0);
    }

    #[test]
    fn words_of_its_owner_make_it_weak() {
        let words = ["quibbleforth", "zanzibarian"];
        let (known, unknown) = (estimate("quibbleforth1", &words), estimate("quibbleforth1", &[]));
        assert!(known < unknown, "{known} {unknown}");
    }

    #[test]
    fn a_kilobyte_of_password_takes_no_time_to_speak_of() {
        let watch = Stopwatch::start();
        for password in ["a1!".repeat(341), "password".repeat(128), "é😀".repeat(170), "1/2-2026 ".repeat(113)] {
            assert!(estimate(&password, &["x".repeat(10_000).as_str(); 100]) <= 4);
        }
        assert!(watch.elapsed() < Duration::from_secs(5), "{:?}", watch.elapsed());
    }
}
