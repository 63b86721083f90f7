//! Tables for people: columns as wide as what stands in them, and nothing in them that a terminal would obey.

use unicode_width::UnicodeWidthStr;

/// What does not stand for itself: control characters, and those that hide text or turn its direction.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Text from elsewhere, with escapes for what a terminal would obey.
pub(super) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_obeyed(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// The lines of a table; the title of a column is as wide as any cell.
pub(super) fn lines(titles: Option<&[&str]>, rows: &[Vec<String>]) -> Vec<String> {
    let titles: Option<Vec<String>> = titles.map(|titles| titles.iter().map(|title| (*title).to_owned()).collect());
    let all: Vec<&Vec<String>> = titles.iter().chain(rows).collect();
    let columns = all.iter().map(|row| row.len()).max().unwrap_or(0);
    let width =
        |column: usize| all.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &&Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let padding = width.saturating_sub(cell.width());
            format!("{cell}{}", " ".repeat(padding))
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: [&str; 2]) -> Vec<String> {
        cells.map(escaped).to_vec()
    }

    #[test]
    fn columns_are_as_wide_as_they_look() {
        let rows = [row(["李明", "x"]), row(["José", "y"]), row(["Jose\u{301}", "z"]), row(["-", ""])];
        let expected = ["NAME  WHAT", "李明  x", "José  y", "Jose\u{301}  z", "-"];
        assert_eq!(lines(Some(&["NAME", "WHAT"]), &rows), expected);
        assert_eq!(lines(None, &rows[..2]), expected[1..3]);
        assert!(lines(None, &[]).is_empty());
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        let shown = escaped("a\u{1b}[31m\n\u{202e}cod.exe\u{7f}\u{9b}2J\u{200b}é");
        assert_eq!(shown, "a\\u{1b}[31m\\n\\u{202e}cod.exe\\u{7f}\\u{9b}2J\\u{200b}é");
    }
}
