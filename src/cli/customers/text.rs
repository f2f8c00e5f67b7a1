//! The bytes of a table as UTF-8 with line feeds, whatever the spreadsheet wrote: a byte order mark, UTF-16 (Excel's "Unicode Text"),
//! CRLF or the lone CR of old.

use std::io::{self, Read};

/// Bytes read at a time.
const CHUNK: usize = 16 * 1024;

const UTF8_MARK: &[u8] = &[0xef, 0xbb, 0xbf];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// Passed on as it is; whether it is UTF-8 is judged row by row.
    Utf8,
    Utf16 {
        big_endian: bool,
    },
}

/// Reads a text piece by piece. Never holds more than a few chunks.
pub(super) struct Text<R> {
    source: R,
    encoding: Option<Encoding>,
    marked: bool,
    raw: Vec<u8>,
    piece: Vec<u8>,
    /// The last unit was a CR, so that a LF after it belongs to it.
    after_cr: bool,
    /// A first half of a UTF-16 pair that waits for its second.
    half: Option<u16>,
    begun: bool,
    ends_with_line: bool,
    /// The source has ended.
    over: bool,
}

impl<R: Read> Text<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            encoding: None,
            marked: false,
            raw: Vec::with_capacity(CHUNK),
            piece: Vec::with_capacity(CHUNK),
            after_cr: false,
            half: None,
            begun: false,
            ends_with_line: false,
            over: false,
        }
    }

    /// Whether it began with a byte order mark. Known after the first piece.
    pub(super) fn marked(&self) -> bool {
        self.marked
    }

    /// Appends the next piece to `to`. False at the end.
    ///
    /// # Errors
    /// Those of the source.
    pub(super) fn more(&mut self, to: &mut Vec<u8>) -> io::Result<bool> {
        self.piece.clear();
        while self.piece.is_empty() && !self.over {
            self.fill()?;
            let encoding = match self.encoding {
                Some(encoding) => encoding,
                // A mark has up to three bytes.
                None if self.raw.len() < UTF8_MARK.len() && !self.over => continue,
                None => self.detect(),
            };
            match encoding {
                Encoding::Utf8 => self.pass_on(),
                Encoding::Utf16 { big_endian } => self.decode(big_endian),
            }
        }
        if let Some(last) = self.piece.last() {
            self.begun = true;
            self.ends_with_line = *last == b'\n';
        }
        if self.over && self.begun && !self.ends_with_line {
            self.piece.push(b'\n');
            self.ends_with_line = true;
        }
        to.extend_from_slice(&self.piece);
        Ok(!self.piece.is_empty())
    }

    fn fill(&mut self) -> io::Result<()> {
        let kept = self.raw.len();
        self.raw.resize(kept + CHUNK, 0);
        let read = loop {
            match self.source.read(self.raw.get_mut(kept..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.raw.truncate(kept + read.as_ref().copied().unwrap_or(0));
        self.over = matches!(read, Ok(0));
        read.map(drop)
    }

    fn detect(&mut self) -> Encoding {
        let (encoding, mark) = match self.raw.as_slice() {
            [0xef, 0xbb, 0xbf, ..] => (Encoding::Utf8, 3),
            [0xff, 0xfe, ..] => (Encoding::Utf16 { big_endian: false }, 2),
            [0xfe, 0xff, ..] => (Encoding::Utf16 { big_endian: true }, 2),
            _ => (Encoding::Utf8, 0),
        };
        self.raw.drain(..mark);
        self.marked = mark > 0;
        self.encoding = Some(encoding);
        encoding
    }

    fn pass_on(&mut self) {
        if !self.after_cr && !self.raw.contains(&b'\r') {
            std::mem::swap(&mut self.piece, &mut self.raw);
        } else {
            for byte in &self.raw {
                if let Some(byte) = line_feeds_only(*byte, &mut self.after_cr) {
                    self.piece.push(byte);
                }
            }
        }
        self.raw.clear();
    }

    fn decode(&mut self, big_endian: bool) {
        let mut pairs = self.raw.chunks_exact(2);
        let units = pairs.by_ref().filter_map(|pair| {
            let pair = <[u8; 2]>::try_from(pair).ok()?;
            Some(if big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) })
        });
        let mut units: Vec<u16> = self.half.take().into_iter().chain(units).collect();
        let odd = pairs.remainder().to_vec();
        if !self.over && units.last().is_some_and(|last| (0xd800..0xdc00).contains(last)) {
            self.half = units.pop();
        }
        for c in char::decode_utf16(units) {
            let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
            match u8::try_from(c) {
                Ok(byte) if byte.is_ascii() => self.piece.extend(line_feeds_only(byte, &mut self.after_cr)),
                _ => {
                    self.after_cr = false;
                    self.piece.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
        }
        self.raw = odd;
    }
}

fn line_feeds_only(byte: u8, after_cr: &mut bool) -> Option<u8> {
    let follows_cr = std::mem::replace(after_cr, byte == b'\r');
    match byte {
        b'\n' if follows_cr => None,
        b'\r' => Some(b'\n'),
        byte => Some(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out one byte at a time: no seam between two pieces may show.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let taken = self.0.len().min(1).min(to.len());
            to[..taken].copy_from_slice(&self.0[..taken]);
            self.0 = &self.0[taken..];
            Ok(taken)
        }
    }

    fn all(source: impl Read) -> (Vec<u8>, bool) {
        let (mut text, mut out) = (Text::new(source), Vec::new());
        while text.more(&mut out).unwrap() {}
        assert!(!text.more(&mut out).unwrap(), "the end stays the end");
        (out, text.marked())
    }

    fn utf16(text: &str, big_endian: bool) -> Vec<u8> {
        let units = std::iter::once('\u{feff}').chain(text.chars()).collect::<String>();
        units.encode_utf16().flat_map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    #[test]
    fn every_encoding_and_line_end_of_a_spreadsheet_becomes_utf_8_with_line_feeds() {
        let text = "tenant\tlabel\r\nmünchen.example\t𝔐 & Söhne\rx\n\r\n\ny\r\n";
        let plain = "tenant\tlabel\nmünchen.example\t𝔐 & Söhne\nx\n\n\ny\n";
        let marked = [UTF8_MARK, text.as_bytes()].concat();
        for (bytes, mark) in [(text.as_bytes().to_vec(), false), (marked, true), (utf16(text, false), true), (utf16(text, true), true)] {
            let expected = (plain.as_bytes().to_vec(), mark);
            assert_eq!(all(bytes.as_slice()), expected);
            assert_eq!(all(Drops(&bytes)), expected, "in drops");
        }
    }

    #[test]
    fn a_last_line_without_an_end_gets_one() {
        assert_eq!(all("a\nb".as_bytes()), (b"a\nb\n".to_vec(), false));
        assert_eq!(all(Drops(b"a\nb")), (b"a\nb\n".to_vec(), false));
        assert_eq!(all("".as_bytes()), (Vec::new(), false));
        assert_eq!(all(UTF8_MARK), (Vec::new(), true));
    }

    #[test]
    fn half_a_character_at_the_end_does_not_stop_the_rest() {
        let mut bytes = utf16("a\u{1d510}", false);
        bytes.truncate(bytes.len() - 2);
        assert_eq!(all(bytes.as_slice()).0, "a\u{fffd}\n".as_bytes());
        bytes.pop();
        assert_eq!(all(bytes.as_slice()).0, b"a\n");
    }
}
