//! A link as a QR code in a terminal: two modules in each character, one above the other.

use qrcode::{Color, EcLevel, QrCode};

/// The usual width of a terminal, in columns. The side margins shrink if the code would not fit: a cut code is unreadable.
const WINDOW: usize = 80;
/// The margin that the standard requires (ISO/IEC 18004), in modules.
const MARGIN: usize = 4;

/// A drawn code.
pub(super) struct Drawn {
    /// The lines from top to bottom.
    pub(super) lines: Vec<String>,
    /// The width of each line, in columns.
    pub(super) width: usize,
}

/// Draws the code with the margin that readers need. With `colours`, the code is dark on light in any terminal. Without, it is correct on a
/// dark background. On a light background it is inverse, which most readers accept too. `None` if the link does not fit into a code.
pub(super) fn draw(link: &str, colours: bool) -> Option<Drawn> {
    // The lowest error correction: a screen has no stains, and every column counts.
    let code = QrCode::with_error_correction_level(link, EcLevel::L).ok()?;
    let modules = code.to_colors();
    let at_the_side = (WINDOW.saturating_sub(code.width()) / 2).clamp(1, MARGIN);
    let width = code.width() + 2 * at_the_side;

    let margin = || std::iter::repeat_n(vec![false; width], MARGIN);
    let is_dark = modules.chunks(code.width()).map(|row| {
        let side = || std::iter::repeat_n(false, at_the_side);
        side().chain(row.iter().map(|module| *module == Color::Dark)).chain(side()).collect()
    });
    let rows: Vec<Vec<bool>> = margin().chain(is_dark).chain(margin()).collect();

    let empty = vec![false; width];
    let line = |pair: &[Vec<bool>]| {
        let (upper, lower) = (pair.first().unwrap_or(&empty), pair.get(1).unwrap_or(&empty));
        let halves = upper.iter().zip(lower).map(|(upper, lower)| match (*upper == colours, *lower == colours) {
            (false, false) => ' ',
            (true, false) => '\u{2580}',
            (false, true) => '\u{2584}',
            (true, true) => '\u{2588}',
        });
        let halves: String = halves.collect();
        if colours { format!("\x1b[30;107m{halves}\x1b[0m") } else { halves }
    };
    Some(Drawn { lines: rows.chunks(2).map(line).collect(), width })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a camera sees: true for dark.
    fn seen(drawn: &Drawn, colours: bool) -> Vec<Vec<bool>> {
        let mut rows = Vec::new();
        for line in &drawn.lines {
            let line = if colours { line.strip_prefix("\x1b[30;107m").unwrap().strip_suffix("\x1b[0m").unwrap() } else { line };
            let inked: Vec<(bool, bool)> = line
                .chars()
                .map(|c| match c {
                    ' ' => (false, false),
                    '\u{2580}' => (true, false),
                    '\u{2584}' => (false, true),
                    '\u{2588}' => (true, true),
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(inked.len(), drawn.width);
            rows.push(inked.iter().map(|(upper, _)| *upper == colours).collect());
            rows.push(inked.iter().map(|(_, lower)| *lower == colours).collect());
        }
        rows
    }

    #[test]
    fn every_module_of_the_code_is_shown_within_a_light_margin() {
        for (length, side) in [(80, 4), (480, 1)] {
            let link = "https://consent.northwind.example/i/".chars().chain(std::iter::repeat('x')).take(length).collect::<String>();
            let code = QrCode::with_error_correction_level(&link, EcLevel::L).unwrap();
            let (width, modules) = (code.width(), code.to_colors());
            for colours in [true, false] {
                let drawn = draw(&link, colours).unwrap();
                assert!(drawn.width == width + 2 * side && drawn.width <= WINDOW, "{length}: {}", drawn.width);
                for (y, row) in seen(&drawn, colours).iter().enumerate() {
                    for (x, dark) in row.iter().enumerate() {
                        let inside = (side..width + side).contains(&x) && (MARGIN..width + MARGIN).contains(&y);
                        let expected = inside && modules[(y - MARGIN) * width + x - side] == Color::Dark;
                        assert_eq!(*dark, expected, "at {x}, {y}, colours {colours}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_into_any_code_is_none() {
        assert!(draw(&"x".repeat(3_000), true).is_none());
    }
}
