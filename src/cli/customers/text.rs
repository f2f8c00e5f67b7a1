//! The lines of a table as UTF-8 with line feeds: from UTF-8 or UTF-16 (Excel's "Unicode Text"), with CRLF or a lone CR.

use std::io::{self, BufRead as _, BufReader, Chain, Cursor, Read};

use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};

/// UTF-8 text from two inputs: the bytes already read to find the mark, then the source.
type Decoded<R> = DecodeReaderBytes<Chain<Cursor<Vec<u8>>, R>, Vec<u8>>;

/// Passes a CSV parser at most one line for each call, so that the parser never reads beyond its row. If a row is too long, this type ends
/// it for the parser and skips the rest.
pub(super) struct Lines<R> {
    source: BufReader<Decoded<R>>,
    /// Most bytes in a row.
    most: usize,
    /// A line that was read ahead and that the parser does not have yet.
    ahead: Cursor<Vec<u8>>,
    after_cr: bool,
    number: u64,
    consumed: u64,
    row: LinesOfRow,
}

/// The part of a row that was read.
#[derive(Debug, Default)]
pub(super) struct LinesOfRow {
    bytes: usize,
    /// The number of quotes is odd.
    quoted: bool,
    /// Bytes follow the last line feed.
    is_within_line: bool,
    /// The row is too long, so it was ended early.
    pub(super) is_cut: bool,
    /// The table ended, and the parser asked for more.
    pub(super) is_over: bool,
}

impl<R: Read> Lines<R> {
    /// # Errors
    /// Those of the source.
    pub(super) fn new(mut source: R, most: usize) -> io::Result<Self> {
        let mut mark = Vec::new();
        source.by_ref().take(3).read_to_end(&mut mark)?;
        // Bytes without a mark pass unchanged. Another check finds rows that are not UTF-8.
        let decoded = DecodeReaderBytesBuilder::new().utf8_passthru(true).strip_bom(true).build(Cursor::new(mark).chain(source));
        Ok(Self {
            source: BufReader::new(decoded),
            most,
            ahead: Cursor::default(),
            after_cr: false,
            number: 0,
            consumed: 0,
            row: LinesOfRow::default(),
        })
    }

    /// Reads the first line that is not blank, without its line end. The parser still gets it.
    ///
    /// # Errors
    /// Those of the source.
    pub(super) fn first_line(&mut self) -> io::Result<Vec<u8>> {
        let (mut line, mut piece) = (Vec::new(), [0; 4096]);
        while !line.ends_with(b"\n") {
            let read = self.piece(&mut piece)?;
            line.extend_from_slice(piece.get(..read).unwrap_or_default());
            if read == 0 {
                break;
            }
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line).to_vec();
        self.ahead = Cursor::new(line);
        Ok(text)
    }

    /// Drops the first line, so that the parser does not get it. `number` is the number of that line in a spreadsheet.
    pub(super) fn drop_first_line(&mut self, number: u64) {
        (self.ahead, self.row, self.number) = (Cursor::default(), LinesOfRow::default(), number);
    }

    /// The number that the next row will have.
    pub(super) fn next_number(&self) -> u64 {
        self.number + 1
    }

    /// Changes the maximum for all rows that are not read yet.
    pub(super) fn set_most(&mut self, most: usize) {
        self.most = most;
    }

    /// Ends a row that the parser has read. Returns its lines, its number and its end.
    pub(super) fn end_row(&mut self) -> (LinesOfRow, u64, u64) {
        self.number += 1;
        (std::mem::take(&mut self.row), self.number, self.consumed)
    }

    /// Reads the next piece of a line. Empty at the end of the text.
    fn piece(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.next_byte()? {
                Some(b'\n') if self.after_cr => self.skip(false),
                // A blank row.
                Some(end @ (b'\n' | b'\r')) if self.row.bytes == 0 => {
                    self.number += 1;
                    self.skip(end == b'\r');
                }
                Some(_) if self.row.bytes >= self.most => return self.cut(to),
                Some(_) => {
                    let room = to.len().min(self.most - self.row.bytes);
                    return Ok(self.take(to.get_mut(..room).unwrap_or_default()));
                }
                None if self.row.is_within_line => {
                    self.row.is_within_line = false;
                    return (&b"\n"[..]).read(to);
                }
                None => {
                    self.row.is_over = self.row.bytes > 0;
                    return Ok(0);
                }
            }
        }
    }

    fn next_byte(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.source.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                input => return Ok(input?.first().copied()),
            }
        }
    }

    /// Consumes one byte of a line's end.
    fn skip(&mut self, is_cr: bool) {
        self.after_cr = is_cr;
        self.source.consume(1);
        self.consumed += 1;
    }

    /// Consumes as much of the line as exists and fits. A CR or CRLF at its end becomes a line feed.
    fn take(&mut self, to: &mut [u8]) -> usize {
        let mut taken = 0;
        for (byte, to) in self.source.buffer().iter().zip(to) {
            taken += 1;
            self.after_cr = *byte == b'\r';
            self.row.quoted ^= *byte == b'"';
            self.row.is_within_line = !matches!(byte, b'\n' | b'\r');
            *to = if self.after_cr { b'\n' } else { *byte };
            if !self.row.is_within_line {
                break;
            }
        }
        self.row.bytes += taken;
        self.source.consume(taken);
        self.consumed += u64::try_from(taken).unwrap_or(u64::MAX);
        taken
    }

    /// Ends the row for the parser, and skips the rest of it.
    fn cut(&mut self, to: &mut [u8]) -> io::Result<usize> {
        // If the parser asks again, it is inside a quoted cell although the number of quotes is even, as in `5",`.
        let is_again = std::mem::replace(&mut self.row.is_cut, true);
        let mut end: &[u8] = if is_again || self.row.quoted { b"\"\n" } else { b"\n" };
        while !is_again && (self.row.is_within_line || self.row.quoted) {
            if self.next_byte()?.is_none() {
                break;
            }
            self.take(&mut [0; 1024]);
        }
        end.read(to)
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self.ahead.read(to)? {
            0 => self.piece(to),
            read => Ok(read),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UTF8_MARK: &[u8] = &[0xef, 0xbb, 0xbf];

    /// Returns one byte at a time, to test every boundary between two pieces.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let taken = self.0.len().min(1).min(to.len());
            to[..taken].copy_from_slice(&self.0[..taken]);
            self.0 = &self.0[taken..];
            Ok(taken)
        }
    }

    fn all(source: impl Read) -> Vec<u8> {
        let (mut lines, mut out) = (Lines::new(source, usize::MAX).unwrap(), Vec::new());
        lines.read_to_end(&mut out).unwrap();
        assert_eq!(lines.read(&mut [0]).unwrap(), 0, "the end stays the end");
        out
    }

    fn utf16(text: &str, big_endian: bool) -> Vec<u8> {
        let units = std::iter::once('\u{feff}').chain(text.chars()).collect::<String>();
        units.encode_utf16().flat_map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    #[test]
    fn every_encoding_and_line_end_becomes_utf_8_with_line_feeds() {
        let text = "tenant\tlabel\r\nmünchen.example\t𝔐 & Söhne\rx\n\r\n\ny\r\n";
        let plain = "tenant\tlabel\nmünchen.example\t𝔐 & Söhne\nx\n\n\ny\n";
        let marked = [UTF8_MARK, text.as_bytes()].concat();
        for bytes in [text.as_bytes().to_vec(), marked, utf16(text, false), utf16(text, true)] {
            assert_eq!(all(bytes.as_slice()), plain.as_bytes());
            assert_eq!(all(Drops(&bytes)), plain.as_bytes(), "in drops");
        }
    }

    #[test]
    fn a_last_line_without_an_end_gets_one() {
        assert_eq!(all("a\nb".as_bytes()), b"a\nb\n");
        assert_eq!(all(Drops(b"a\nb")), b"a\nb\n");
        assert_eq!(all("".as_bytes()), b"");
        assert_eq!(all(UTF8_MARK), b"");
    }

    #[test]
    fn half_a_character_at_the_end_does_not_stop_the_rest() {
        let mut bytes = utf16("a\u{1d510}", false);
        bytes.truncate(bytes.len() - 2);
        assert_eq!(all(bytes.as_slice()), "a\u{fffd}\n".as_bytes());
        bytes.pop();
        assert_eq!(all(bytes.as_slice()), "a\u{fffd}\n".as_bytes());
    }
}
