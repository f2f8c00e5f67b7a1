//! Protects cells that a spreadsheet would treat as a formula. A customer's name such as `=HYPERLINK(…)` must stay a name.

use std::borrow::Cow;

/// Puts an apostrophe before characters that start a formula (OWASP, "CSV Injection") at the start of the cell: `=`, `+`, `-`, `@`, the
/// full-width forms that spreadsheets treat like these, and a tab or a line end.
///
/// A spreadsheet splits a table at its own locale's delimiter, even if the table uses another, and then ignores the quotes. So the same
/// characters get an apostrophe after a comma, a semicolon, a tab or a line end within the cell, even with white space and quotes between.
/// A second call changes nothing.
pub(super) fn safe_cell(cell: &str) -> Cow<'_, str> {
    guard(cell, true, true)
}

/// As [`safe_cell`], for a cell in the operator's own words. Others read that cell unchanged, so this protects only its start.
pub(super) fn safe_at_start(cell: &str) -> Cow<'_, str> {
    guard(cell, true, false)
}

/// As [`safe_cell`], for a customer's words in the middle of a cell. This protects only the text after a delimiter in these words.
pub(super) fn safe_within(words: &str) -> Cow<'_, str> {
    guard(words, false, true)
}

/// Removes the apostrophes that [`safe_cell`] adds.
pub(super) fn bare(cell: &str) -> Cow<'_, str> {
    if !cell.contains('\'') {
        return Cow::Borrowed(cell);
    }
    let (mut bare, mut at_start) = (String::with_capacity(cell.len()), true);
    let mut letters = cell.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_line_start = bare.is_empty() && letters.peek().is_some_and(|next| matches!(next, '\t' | '\r' | '\n'));
        let is_guard = letter == '\'' && at_start && (is_line_start || letters.peek().is_some_and(|next| FORMULA.contains(next)));
        at_start = matches!(letter, ',' | ';' | '\t' | '\r' | '\n') || at_start && is_gap(letter);
        if !is_guard {
            bare.push(letter);
        }
    }
    Cow::Owned(bare)
}

/// The characters that start a formula.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// Whether a formula may follow this character at the start of a cell.
fn is_gap(letter: char) -> bool {
    matches!(letter, ' ' | '"' | '\u{a0}' | '\u{feff}')
}

fn guard(cell: &str, start: bool, within: bool) -> Cow<'_, str> {
    // Nearly every cell, and each link of a large table.
    let has_delimiter = cell.bytes().any(|byte| matches!(byte, b',' | b';' | b'\t' | b'\r' | b'\n'));
    let may_start_formula = start && cell.trim_start_matches(is_gap).starts_with(FORMULA);
    if !(has_delimiter || may_start_formula) {
        return Cow::Borrowed(cell);
    }
    let mut guarded = String::new();
    let mut taken = 0;
    let mut at_start = start;
    if start && cell.starts_with(['\t', '\r', '\n']) {
        guarded.push('\'');
        at_start = false;
    }
    for (at, letter) in cell.char_indices() {
        match letter {
            ',' | ';' | '\t' | '\r' | '\n' => at_start = within,
            _ if is_gap(letter) => {}
            _ if at_start && FORMULA.contains(&letter) => {
                guarded.push_str(cell.get(taken..at).unwrap_or_default());
                guarded.push('\'');
                (taken, at_start) = (at, false);
            }
            _ => at_start = false,
        }
    }
    if guarded.is_empty() {
        return Cow::Borrowed(cell);
    }
    guarded.push_str(cell.get(taken..).unwrap_or_default());
    Cow::Owned(guarded)
}

#[cfg(test)]
mod tests {
    use super::{bare, safe_at_start, safe_cell, safe_within};

    #[test]
    fn what_a_spreadsheet_would_calculate_gets_an_apostrophe_and_nothing_else_does() {
        for formula in ["=1+1", "+1", "-2", "@SUM(A1)", "＝1+1"] {
            assert_eq!(safe_cell(formula), format!("'{formula}"), "{formula:?}");
            assert_eq!(bare(&format!("'{formula}")), formula);
        }
        for (cell, expected) in
            [("  =1", "  '=1"), ("\u{feff}=1", "\u{feff}'=1"), ("\"=1", "\"'=1"), ("\t=1", "'\t'=1"), ("\r=1", "'\r'=1"), ("\tx", "'\tx")]
        {
            assert_eq!(safe_cell(cell), expected);
            assert_eq!(bare(expected), cell);
        }
        for text in
            ["", "Contoso GmbH", "a=b", "7-Eleven", "https://a.example/?x=1;y=-2", "'=1", "Müller; Söhne, Köln", "x ; '=1", "a\nb - c"]
        {
            assert_eq!(safe_cell(text), text);
            assert!(text.contains("'=1") || bare(text) == text);
        }
    }

    #[test]
    fn a_formula_after_another_locales_delimiter_gets_one_too_and_only_one() {
        for (cell, expected) in [
            ("x;=cmd|'/C calc'!A0;y", "x;'=cmd|'/C calc'!A0;y"),
            ("x,=1,y", "x,'=1,y"),
            ("x\t@SUM(A1)", "x\t'@SUM(A1)"),
            ("x;  \"=1\"", "x;  \"'=1\""),
            ("two\n=1", "two\n'=1"),
            ("x;\u{a0}＋1;-2", "x;\u{a0}'＋1;'-2"),
            ("=1;=2", "'=1;'=2"),
        ] {
            assert_eq!(safe_cell(cell), expected);
            assert_eq!(safe_cell(expected), expected, "what was made safe once stays as it is");
            assert_eq!(bare(expected), cell);
        }
    }

    #[test]
    fn words_are_guarded_only_where_their_writer_is_not_trusted() {
        assert_eq!((safe_at_start("=1;=2"), safe_within("=1;=2")), ("'=1;=2".into(), "=1;'=2".into()));
        assert_eq!((safe_at_start(";=2"), safe_within("\t=2")), (";=2".into(), "\t'=2".into()));
    }
}
