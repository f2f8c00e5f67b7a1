//! A link as a QR code in a terminal: two modules a character, one above the other.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// A drawn code.
pub(super) struct Drawn {
    /// Its lines, from above.
    pub(super) lines: Vec<String>,
    /// How many columns each takes.
    pub(super) width: usize,
}

/// The code with the margin that readers need. `colours`: dark on light whatever the terminal's own colours are;
/// without, it is right on a dark background, and most readers take the reverse too.
pub(super) fn draw(link: &str, colours: bool) -> Option<Drawn> {
    // The lowest level: a screen has no stains, and every column counts.
    let code = QrCode::with_error_correction_level(link, EcLevel::L).ok()?;
    let mut picture = code.render::<Dense1x2>();
    if !colours {
        picture.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark);
    }
    let picture = picture.build();
    let line = |line: &str| if colours { format!("\x1b[30;107m{line}\x1b[0m") } else { line.to_owned() };
    let width = picture.lines().next().map_or(0, |line| line.chars().count());
    Some(Drawn { lines: picture.lines().map(line).collect(), width })
}

#[cfg(test)]
mod tests {
    use qrcode::Color;

    use super::*;

    const LINK: &str = "https://consent.northwind.example/i/eyJ0eXAiOiJlYy1pbnZpdGF0aW9uK2p3dCJ9.eyJpc3MiOiJo.c2ln";

    #[test]
    fn every_module_of_the_code_is_shown_with_its_margin() {
        let code = QrCode::with_error_correction_level(LINK, EcLevel::L).unwrap();
        let (width, modules) = (code.width(), code.to_colors());
        for colours in [true, false] {
            let drawn = draw(LINK, colours).unwrap();
            assert_eq!(drawn.width, width + 8);
            let mut shown = Vec::new();
            for line in &drawn.lines {
                let line = if colours { line.strip_prefix("\x1b[30;107m").unwrap().strip_suffix("\x1b[0m").unwrap() } else { line };
                let halves: Vec<(bool, bool)> = line
                    .chars()
                    .map(|c| match c {
                        ' ' => (false, false),
                        '\u{2580}' => (true, false),
                        '\u{2584}' => (false, true),
                        '\u{2588}' => (true, true),
                        other => panic!("{other:?}"),
                    })
                    .collect();
                shown.push(halves.iter().map(|(upper, _)| *upper == colours).collect::<Vec<_>>());
                shown.push(halves.iter().map(|(_, lower)| *lower == colours).collect());
            }
            let margin = 4;
            for (y, row) in shown.iter().take(width + 2 * margin).enumerate() {
                assert_eq!(row.len(), width + 2 * margin);
                for (x, dark) in row.iter().enumerate() {
                    let inside = (margin..width + margin).contains(&x) && (margin..width + margin).contains(&y);
                    let expected = inside && modules[(y - margin) * width + x - margin] == Color::Dark;
                    assert_eq!(*dark, expected, "at {x}, {y}, colours {colours}");
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_into_any_code_is_none() {
        assert!(draw(&"x".repeat(3_000), true).is_none());
    }
}
