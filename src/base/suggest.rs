//! Which known word somebody may have meant.

/// The candidate that is nearest to a misspelt word, where one is near enough.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    let near = candidates.map(|candidate| (distance(word, candidate), candidate));
    near.filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, taken out or changed; case and `-` for `_` cost nothing.
fn distance(left: &str, right: &str) -> usize {
    let folded = |text: &str| text.to_ascii_lowercase().replace('-', "_");
    let (left, right) = (folded(left), folded(right));
    let mut above: Vec<usize> = (0..=right.chars().count()).collect();
    for (row, left) in left.chars().enumerate() {
        let mut before = row + 1;
        let mut current = vec![before];
        for (right, pair) in right.chars().zip(above.windows(2)) {
            let [diagonal, up] = pair else { continue };
            let change = diagonal + usize::from(left != right);
            before = change.min(up + 1).min(before + 1);
            current.push(before);
        }
        above = current;
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["listen", "public_url", "drain", "deadline"];
        let find = |word| nearest(word, known.into_iter());
        assert_eq!(find("lisen"), Some("listen"));
        assert_eq!(find("Public-URL"), Some("public_url"));
        assert_eq!(find("dedline"), Some("deadline"));
        assert_eq!(find("threshold"), None);
        assert_eq!(find(""), None);
    }
}
