//! The operator's look: a logo and a colour, checked when the configuration is read, so that no page has to doubt them.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use toml::de::DeValue;

use super::reader::{Reader, Section, ValueFault, read_small};

/// Largest logo in bytes: every page contains it.
const LARGEST_LOGO: u64 = 4 * 1024;
/// Most pixels of a side, far more than a page shows.
const LARGEST_SIDE: u32 = 2_048;

/// The logo and the colour of every page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Look {
    /// A PNG or WebP image as a `data:` address.
    pub(crate) logo: Option<Box<str>>,
    /// A stylesheet that follows the one of every page and sets its brand colours.
    pub(crate) colours: Option<Box<str>>,
}

pub(super) fn look<'t>(reader: &mut Reader<'t>, site: &Section<'t>) -> Option<Look> {
    let logo = match site.get("logo") {
        Some(item) => {
            // A path, or an inline image of 4 KiB in base64.
            let text = reader.text(&item, 8 * 1024)?;
            let logo = read_logo(&reader.resolve(text), text);
            Some(reader.accept(&item.at, logo)?)
        }
        None => None,
    };
    let colours = match site.get("colour") {
        Some(item) => {
            let remedy = "write it as six hexadecimal digits: \"#0f5c8c\"";
            let colour = match item.value {
                DeValue::String(text) => Colour::parse(text),
                _ => None,
            };
            Some(colour.or_else(|| reader.fail(&item.at, "it is no colour", remedy))?.stylesheet())
        }
        None => None,
    };
    Some(Look { logo, colours: colours.map(Into::into) })
}

/// The image as a `data:` address. `text` is such an address already, or the path of a file.
fn read_logo(path: &Path, text: &str) -> Result<Box<str>, ValueFault> {
    let inline = ["data:image/png;base64,", "data:image/webp;base64,"].iter().find_map(|start| text.strip_prefix(start));
    let image = match inline {
        Some(image) => STANDARD.decode(image).map_err(|_| ("its base64 cannot be read", LOGO_REMEDY))?,
        None => read_small(path, LARGEST_LOGO).map_err(|_| ("the file cannot be read, or is larger than 4 KiB", LOGO_REMEDY))?,
    };
    if u64::try_from(image.len()).is_ok_and(|length| length > LARGEST_LOGO) {
        return Err(("it is larger than 4 KiB", LOGO_REMEDY));
    }
    let (kind, size) = match png_size(&image) {
        Some(size) => ("png", Some(size)),
        None => ("webp", webp_size(&image)),
    };
    let (width, height) = size.ok_or(("it is no whole PNG or WebP image", LOGO_REMEDY))?;
    if [width, height].iter().any(|side| !(1..=LARGEST_SIDE).contains(side)) {
        return Err(("a side of it has no pixel or more than 2048", LOGO_REMEDY));
    }
    Ok(format!("data:image/{kind};base64,{}", STANDARD.encode(&image)).into())
}

const LOGO_REMEDY: &str = "write the path of a PNG or WebP image of at most 4 KiB, or the image as data:image/png;base64,...";

/// Width and height of a PNG image whose chunks fill the file (PNG specification §5): nothing may follow its end.
fn png_size(image: &[u8]) -> Option<(u32, u32)> {
    let mut rest = image.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    let mut size = None;
    loop {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (kind, after) = after.split_first_chunk::<4>()?;
        let (content, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        let (_checksum, after) = after.split_first_chunk::<4>()?;
        match (kind, size) {
            (b"IHDR", None) => {
                let (width, content) = content.split_first_chunk::<4>()?;
                size = Some((u32::from_be_bytes(*width), u32::from_be_bytes(*content.first_chunk::<4>()?)));
            }
            (_, None) => return None,
            (b"IEND", _) => return size.filter(|_| after.is_empty()),
            (kind, _) if kind.iter().all(u8::is_ascii_alphabetic) => {}
            _ => return None,
        }
        rest = after;
    }
}

/// Width and height of a WebP image whose first chunk has them and whose length fills the file (RFC 9649 §2.3 to §2.7).
fn webp_size(image: &[u8]) -> Option<(u32, u32)> {
    let (length, rest) = image.strip_prefix(b"RIFF")?.split_first_chunk::<4>()?;
    let whole = usize::try_from(u32::from_le_bytes(*length)).ok()? == rest.len();
    let (kind, chunk) = rest.strip_prefix(b"WEBP").filter(|_| whole)?.split_first_chunk::<4>()?;
    let (_length, content) = chunk.split_first_chunk::<4>()?;
    let three = |bytes: &[u8]| Some(u32::from_le_bytes([*bytes.first()?, *bytes.get(1)?, *bytes.get(2)?, 0]) + 1);
    match kind {
        b"VP8 " => {
            let sides = content.get(3..)?.strip_prefix(b"\x9d\x01\x2a")?;
            let side = |at: usize| Some(u32::from(u16::from_le_bytes([*sides.get(at)?, *sides.get(at + 1)?]) & 0x3fff));
            Some((side(0)?, side(2)?))
        }
        b"VP8L" => {
            let bits = u32::from_le_bytes(*content.strip_prefix(b"\x2f")?.first_chunk::<4>()?);
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        b"VP8X" => Some((three(content.get(4..)?)?, three(content.get(7..)?)?)),
        _ => None,
    }
}

/// A colour in sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Colour([u8; 3]);

/// The least contrast of a text (WCAG 2.2, success criterion 1.4.3).
const LEAST_CONTRAST: f64 = 4.5;

impl Colour {
    const WHITE: Self = Self([0xff; 3]);
    const INK: Self = Self([0x0b, 0x0e, 0x13]);
    /// The ground of the pages in the dark, `--card` of the stylesheet. In the light, it is white.
    const DARK_CARD: Self = Self([0x18, 0x1c, 0x22]);

    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
        Some(Self([red, green, blue]))
    }

    /// Relative luminance (WCAG 2.2).
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// The colour, moved towards `end` until its contrast to `ground` is enough for a text.
    fn legible(self, end: Self, ground: Self) -> Self {
        const STEPS: u16 = 32;
        let towards = |step: u16| {
            let mixed = |from: u8, to: u8| {
                let sum = u16::from(from) * (STEPS - step) + u16::from(to) * step;
                u8::try_from(sum / STEPS).unwrap_or(to)
            };
            let [red, green, blue] = self.0;
            let [to_red, to_green, to_blue] = end.0;
            Self([mixed(red, to_red), mixed(green, to_green), mixed(blue, to_blue)])
        };
        (0..STEPS).map(towards).find(|colour| colour.contrast(ground) >= LEAST_CONTRAST).unwrap_or(end)
    }

    /// White on the colour in the light, ink on it in the dark. Each is also legible as a text on the ground of its scheme.
    fn stylesheet(self) -> String {
        let light = self.legible(Self::INK, Self::WHITE);
        let dark = self.legible(Self::WHITE, Self::DARK_CARD);
        let (on_light, on_dark) = (Self::WHITE, Self::INK);
        format!(
            ":root{{--brand:{light};--on-brand:{on_light}}}@media screen and (prefers-color-scheme:dark){{:root{{--brand:{dark};--on-brand:{on_dark}}}}}"
        )
    }
}

impl std::fmt::Display for Colour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One transparent pixel.
    const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
    const WEBP: &str = "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==";

    fn logo(text: &str) -> Result<Box<str>, &'static str> {
        read_logo(Path::new("/nowhere"), text).map_err(|(what, _)| what)
    }

    #[test]
    fn a_colour_is_legible_in_both_schemes() {
        for text in ["#000000", "#ffffff", "#ffff00", "#0f5c8c", "#FF0000", "#7f7f7f", "#00ff88", "#1a1a2e"] {
            let colour = Colour::parse(text).unwrap();
            let light = colour.legible(Colour::INK, Colour::WHITE);
            let dark = colour.legible(Colour::WHITE, Colour::DARK_CARD);
            for (one, other) in [(light, Colour::WHITE), (dark, Colour::DARK_CARD), (dark, Colour::INK)] {
                assert!(one.contrast(other) >= LEAST_CONTRAST, "{text}: {one} on {other}");
            }
        }
        let kept = Colour::parse("#0f5c8c").unwrap();
        assert_eq!(kept.legible(Colour::INK, Colour::WHITE), kept, "a legible colour stays as it is");
        for wrong in ["", "#fff", "0f5c8c", "#0f5c8", "#0f5c8cff", "#+f5c8c", "red", "#0f5c8g"] {
            assert_eq!(Colour::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn contrast_is_that_of_the_guideline() {
        assert!((Colour::WHITE.contrast(Colour([0; 3])) - 21.0).abs() < 0.01);
        // A pair that the guideline's own calculators give as 4.54 to 1.
        assert!((Colour::WHITE.contrast(Colour([0x76; 3])) - 4.54).abs() < 0.01);
    }

    #[test]
    fn a_png_and_a_webp_are_taken_whole() {
        assert_eq!(&*logo(&format!("data:image/png;base64,{PNG}")).unwrap(), format!("data:image/png;base64,{PNG}"));
        assert_eq!(&*logo(&format!("data:image/webp;base64,{WEBP}")).unwrap(), format!("data:image/webp;base64,{WEBP}"));
        // The content decides the type.
        assert!(logo(&format!("data:image/webp;base64,{PNG}")).unwrap().starts_with("data:image/png;"));
    }

    #[test]
    fn what_is_no_small_whole_image_is_refused() {
        let inline = |bytes: &[u8]| logo(&format!("data:image/png;base64,{}", STANDARD.encode(bytes)));
        let png = STANDARD.decode(PNG).unwrap();
        let webp = STANDARD.decode(WEBP).unwrap();
        for image in [&png, &webp] {
            for length in 0..image.len() {
                assert!(inline(image.get(..length).unwrap()).is_err(), "cut to {length}");
            }
            assert!(inline(&[image.as_slice(), b"<script>"].concat()).is_err(), "something follows the image");
        }
        assert!(inline(b"<svg xmlns='http://www.w3.org/2000/svg'/>").is_err());
        assert!(inline(&[png.as_slice(), &[0; 5_000]].concat()).is_err());
        let mut wide = png;
        wide.splice(16..20, 70_000_u32.to_be_bytes());
        assert_eq!(inline(&wide), Err("a side of it has no pixel or more than 2048"));
        assert_eq!(logo("missing.png"), Err("the file cannot be read, or is larger than 4 KiB"));
        assert!(logo("data:image/png;base64,???").is_err());
        assert!(logo("data:image/svg+xml;base64,PHN2Zy8+").is_err());
    }
}
