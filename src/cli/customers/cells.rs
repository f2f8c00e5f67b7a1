//! What exports and spreadsheets do to single cells.

use std::borrow::Cow;

use crate::consent::text::is_steering;

/// Whether a character takes no room, such as a zero-width space or a byte order mark. Control characters are not among them: a label with
/// a line break is an error that the operator should see.
fn is_invisible(letter: char) -> bool {
    is_steering(letter) && !letter.is_control() && !matches!(letter, '\u{2028}' | '\u{2029}')
}

/// Removes the invisible characters of a cell, white space around it, no-break spaces included, and the formula `="…"`, by which exports keep
/// a spreadsheet from changing a text.
pub(super) fn visible(cell: &str) -> Cow<'_, str> {
    let cell = cell.trim().strip_prefix("=\"").and_then(|text| text.strip_suffix('"')).unwrap_or(cell);
    if cell.contains(is_invisible) {
        return Cow::Owned(cell.replace(is_invisible, "").trim().to_owned());
    }
    Cow::Borrowed(cell.trim())
}

/// Whether a cell has no visible character.
pub(super) fn is_blank(cell: &[u8]) -> bool {
    cell.trim_ascii().is_empty() || str::from_utf8(cell).is_ok_and(|cell| visible(cell).is_empty())
}

/// Removes the braces and quotes around an id, as in `{aaaabbbb-…}`.
pub(super) fn without_braces(cell: &str) -> &str {
    let inner = cell.trim_matches(['"', '\'']).trim();
    inner.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).map_or(inner, str::trim)
}

/// Finds references that a spreadsheet has taken for numbers, dates or formulas.
#[derive(Debug, Default)]
pub(super) struct SpoiltReferences {
    /// The length of the longest reference so far that is a number with a leading zero.
    padded: usize,
}

impl SpoiltReferences {
    /// Learns that references of this table may have leading zeros.
    pub(super) fn learn(&mut self, reference: &str) {
        if reference.starts_with('0') && is_number(reference) {
            self.padded = self.padded.max(reference.len());
        }
    }

    /// What the spreadsheet has probably done to the reference.
    pub(super) fn damage(&self, reference: &str) -> Option<&'static str> {
        let is_rounded = || reference.len() > 15 && is_number(reference) && reference.trim_end_matches('0').len() <= 15;
        if is_scientific(reference) || is_rounded() {
            Some("a spreadsheet has rounded it as a number")
        } else if is_number(reference) && !reference.starts_with('0') && reference.len() < self.padded {
            Some("others have leading zeros, and a spreadsheet has probably removed those of this one")
        } else if ERRORS.contains(&reference) || reference.starts_with("###") {
            Some("a spreadsheet has put an error value here")
        } else if is_date(reference) {
            Some("a spreadsheet has made a date of it")
        } else {
            None
        }
    }
}

/// The error values of spreadsheets.
const ERRORS: [&str; 7] = ["#NAME?", "#REF!", "#VALUE!", "#N/A", "#NULL!", "#DIV/0!", "#NUM!"];
/// Months as English and German spreadsheets abbreviate them.
const MONTHS: [&str; 17] =
    ["jan", "feb", "mar", "mrz", "mär", "apr", "may", "mai", "jun", "jul", "aug", "sep", "oct", "okt", "nov", "dec", "dez"];

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number such as `1.00E+05`, with either decimal sign.
fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else { return false };
    let is_mantissa = mantissa.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b'-'));
    exponent.strip_prefix(['+', '-']).is_some_and(is_number) && is_mantissa && mantissa.contains(|c: char| c.is_ascii_digit())
}

/// A day or year and a month, such as `4-Jan` or `Mrz 26`.
fn is_date(text: &str) -> bool {
    let is_month = |word: &str| MONTHS.contains(&word.to_lowercase().as_str());
    let words: Vec<&str> = text.split(['-', '.', ' ']).filter(|word| !word.is_empty()).collect();
    matches!(words.as_slice(), [one, other] if is_number(one) && is_month(other) || is_month(one) && is_number(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_that_a_spreadsheet_ruined_are_recognised() {
        let mut spoilt = SpoiltReferences::default();
        assert_eq!(spoilt.damage("7"), None);
        ["T-0012", "0007", "00x", ""].into_iter().for_each(|reference| spoilt.learn(reference));
        for reference in ["1.00E+05", "1,2E-3", "4E+11", "7", "123", "12345678901234500000", "#N/A", "#####", "4-Jan", "04. Dez", "Mrz 26"]
        {
            assert!(spoilt.damage(reference).is_some(), "{reference}");
        }
        for reference in ["", "T-4711", "1234", "0007", "12345", "E+5", "1E5", "1.5", "#12", "2026-03-01", "May", "Jan-Peter", "4-5", "-12"]
        {
            assert_eq!(spoilt.damage(reference), None, "{reference}");
        }
    }

    #[test]
    fn invisible_characters_and_braces_come_off_and_others_stay() {
        for (cell, visible_cell) in [
            ("\u{feff}a\u{200b}b\u{a0}", "ab"),
            ("=\"007\"", "007"),
            ("=\"", "=\""),
            ("\u{202e}x", "x"),
            ("a\u{a0}b", "a\u{a0}b"),
            ("a\nb", "a\nb"),
            ("\u{a0}\u{200b}", ""),
        ] {
            assert_eq!(visible(cell), visible_cell);
            assert_eq!(is_blank(cell.as_bytes()), visible_cell.is_empty());
        }
        for (cell, inner) in [("{x}", "x"), ("\"{ x }\"", "x"), ("{x", "{x"), ("x", "x"), ("{}", ""), ("'x'", "x")] {
            assert_eq!(without_braces(cell), inner);
        }
    }
}
