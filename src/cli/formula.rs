//! Cells that a spreadsheet would take for a formula. A customer's name such as `=HYPERLINK(…)` must stay a name.

use std::borrow::Cow;

/// The cell with an apostrophe before it where a spreadsheet would calculate it (OWASP, "CSV Injection"): a cell that begins, after
/// white space, with `=`, `+`, `-`, `@`, or with a tab or a carriage return, and the full-width forms that spreadsheets take for these.
pub(super) fn harmless(cell: &str) -> Cow<'_, str> {
    let first = cell.trim_start_matches([' ', '\u{a0}', '\u{feff}']).chars().next();
    match first {
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠') => Cow::Owned(format!("'{cell}")),
        _ => Cow::Borrowed(cell),
    }
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn what_a_spreadsheet_would_calculate_gets_an_apostrophe_and_nothing_else_does() {
        for formula in ["=1+1", "+1", "-2", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1+1", "\u{feff}=1"] {
            assert_eq!(harmless(formula), format!("'{formula}"), "{formula:?}");
        }
        for text in ["", "Contoso GmbH", "a=b", "7-Eleven", "https://a.example/?x=1", "'=1"] {
            assert_eq!(harmless(text), text);
        }
    }
}
