//! A CSV table that grows row by row, and the rows from an earlier run. If a run is killed, its table lacks the rows since the last flush,
//! and may end with an incomplete row. A resumed run removes that row.

use std::fs::File;
use std::io::{self, Chain, Read as _, Seek as _, SeekFrom, Take, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::file;

/// The format that all rows of a table share.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Shape {
    pub(in crate::cli) header: Vec<String>,
    pub(in crate::cli) delimiter: u8,
    /// Whether the table begins with a byte order mark: in a file it does, because spreadsheets open files.
    pub(in crate::cli) marked: bool,
}

/// When the program passes rows to the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Flush {
    /// Each row immediately, because rows come slowly and each cost a request.
    EachRow,
    /// After 256 rows or a second.
    Often,
}

const FLUSHED: (u32, Duration) = (256, Duration::from_secs(1));
/// Excel needs a byte order mark to recognise UTF-8.
pub(in crate::cli) const MARK: &[u8] = "\u{feff}".as_bytes();

/// A table during writing.
pub(in crate::cli) struct Table {
    csv: csv::Writer<Box<dyn Write>>,
    flush: Flush,
    unflushed: u32,
    flushed: Instant,
}

impl Table {
    /// Starts a table.
    ///
    /// # Errors
    /// Those of the output.
    pub(in crate::cli) fn start(mut out: Box<dyn Write>, shape: &Shape, flush: Flush) -> io::Result<Self> {
        if shape.marked {
            out.write_all(MARK)?;
        }
        let mut table = Self::over(out, shape, flush);
        table.row(&shape.header)?;
        table.flush()?;
        Ok(table)
    }

    /// Starts a table in a file that must not exist yet.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`], and those of the file system.
    pub(in crate::cli) fn create(path: &Path, shape: &Shape, flush: Flush) -> io::Result<Self> {
        Self::start(Box::new(file::make(path, file::Readers::Owner)?), shape, flush)
    }

    /// Continues after the complete rows of an earlier run, or starts the table if there are no such rows.
    ///
    /// # Errors
    /// Those of the file system.
    pub(in crate::cli) fn resume(path: &Path, earlier: Option<&WrittenRows>, shape: &Shape, flush: Flush) -> io::Result<Self> {
        let mut file = file::open_or_make(path)?;
        file.set_len(earlier.map_or(0, |earlier| earlier.ends_at))?;
        file.seek(SeekFrom::End(0))?;
        if earlier.is_some() { Ok(Self::over(Box::new(file), shape, flush)) } else { Self::start(Box::new(file), shape, flush) }
    }

    fn over(out: Box<dyn Write>, shape: &Shape, flush: Flush) -> Self {
        Self { csv: csv::WriterBuilder::new().delimiter(shape.delimiter).from_writer(out), flush, unflushed: 0, flushed: Instant::now() }
    }

    /// Appends a row.
    ///
    /// # Errors
    /// Those of the output.
    pub(in crate::cli) fn row<C: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = C>) -> io::Result<()> {
        for cell in cells {
            self.csv.write_field(cell.as_ref())?;
        }
        self.csv.write_record(None::<&[u8]>)?;
        self.unflushed += 1;
        let is_due = self.flush == Flush::EachRow || self.unflushed >= FLUSHED.0 || self.flushed.elapsed() >= FLUSHED.1;
        if is_due { self.flush() } else { Ok(()) }
    }

    /// Passes all rows so far to the operating system.
    ///
    /// # Errors
    /// Those of the output.
    pub(in crate::cli) fn flush(&mut self) -> io::Result<()> {
        (self.unflushed, self.flushed) = (0, Instant::now());
        self.csv.flush()
    }
}

/// The rows of an earlier run: a header, and rows that are read one by one.
pub(in crate::cli) struct WrittenRows {
    rows: csv::StringRecordsIntoIter<Take<File>>,
    pub(in crate::cli) header: csv::ByteRecord,
    /// The start of an incomplete last row.
    pub(in crate::cli) torn: csv::ByteRecord,
    /// The end of the last complete row, in bytes.
    ends_at: u64,
}

impl WrittenRows {
    /// Opens an existing table. `None` if there is no file, or no complete row: a run may have been killed before it wrote its header.
    ///
    /// # Errors
    /// Those of the file.
    pub(in crate::cli) fn open(path: &Path, delimiter: u8) -> io::Result<Option<Self>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let (ends_at, torn) = whole_rows(&file, delimiter)?;
        if ends_at == 0 {
            return Ok(None);
        }
        file.rewind()?;
        let mut reader = csv::ReaderBuilder::new().flexible(true).delimiter(delimiter).from_reader(file.take(ends_at));
        let header = reader.byte_headers()?.clone();
        Ok(Some(Self { rows: reader.into_records(), header, torn, ends_at }))
    }
}

impl Iterator for WrittenRows {
    type Item = csv::Result<csv::StringRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rows.next()
    }
}

/// Finds the end of the complete rows of a table, and the incomplete row after them.
fn whole_rows(file: &File, delimiter: u8) -> io::Result<(u64, csv::ByteRecord)> {
    // This byte follows the last byte of the file. If the last row is complete, the byte forms a row of its own; otherwise it ends the
    // incomplete row.
    const END: &[u8] = b"\0";
    let all: Chain<&File, &[u8]> = file.chain(END);
    let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).delimiter(delimiter).from_reader(all);
    let (mut last, mut next) = (csv::ByteRecord::new(), csv::ByteRecord::new());
    while reader.read_byte_record(&mut next)? {
        std::mem::swap(&mut last, &mut next);
    }
    let starts_at = last.position().map_or(0, csv::Position::byte);
    // A complete table does not always end at `starts_at`, because csv counts the line feed after a carriage return as part of the next
    // row.
    let is_whole = last.len() == 1 && last.get(0) == Some(END);
    Ok(if is_whole { (file.metadata()?.len(), csv::ByteRecord::new()) } else { (starts_at, last) })
}

/// A file that has another name until it is complete.
#[derive(Debug)]
pub(in crate::cli) struct Unfinished {
    pub(in crate::cli) whole: PathBuf,
    pub(in crate::cli) part: PathBuf,
}

impl Unfinished {
    pub(in crate::cli) fn new(whole: &Path) -> Self {
        Self { whole: whole.to_owned(), part: file::with_ending(whole, ".part") }
    }

    /// The first of the file's two names that exists.
    pub(in crate::cli) fn existing(&self) -> Option<&Path> {
        [&*self.whole, &*self.part].into_iter().find(|path| path.exists())
    }

    /// Removes the incomplete file.
    ///
    /// # Errors
    /// Those of the file system.
    pub(in crate::cli) fn discard(&self) -> io::Result<()> {
        std::fs::remove_file(&self.part).or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
    }

    /// Renames the file to its final name, and replaces an existing file.
    ///
    /// # Errors
    /// Those of the file system.
    pub(in crate::cli) fn put_in_place(&self) -> io::Result<()> {
        file::put_in_place(&self.part, &self.whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        Shape { header: vec!["a".to_owned(), "b".to_owned()], delimiter: b';', marked: true }
    }

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("entra-consent-table-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn file(&self) -> PathBuf {
            self.0.join("table.csv")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn rows(earlier: Option<WrittenRows>) -> Vec<Vec<String>> {
        earlier.into_iter().flatten().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn a_torn_last_row_is_cut_and_whole_rows_are_kept() {
        let folder = Folder::new("torn");
        let path = folder.file();
        let mut table = Table::create(&path, &shape(), Flush::EachRow).unwrap();
        table.row(["1", "two\nlines; and \"quotes\""]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for torn in ["", "2", "2;", "2;x", "\"2", "2;\"x\n", "\"2\"", "2;\"two\nlines\""] {
            std::fs::write(&path, [&whole, torn.as_bytes()].concat()).unwrap();
            let earlier = WrittenRows::open(&path, b';').unwrap().unwrap();
            assert!(earlier.header == shape().header);
            assert_eq!(earlier.torn.is_empty(), torn.is_empty(), "{torn:?}");
            let mut table = Table::resume(&path, Some(&earlier), &shape(), Flush::EachRow).unwrap();
            table.row(["2", "x"]).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), [&whole, "2;x\n".as_bytes()].concat(), "{torn:?}");
            assert_eq!(rows(Some(earlier)), [["1", "two\nlines; and \"quotes\""]], "{torn:?}");
        }
    }

    #[test]
    fn a_table_whose_lines_end_as_on_windows_is_not_cut() {
        let folder = Folder::new("windows");
        let path = folder.file();
        std::fs::write(&path, "a;b\r\n1;x\r\n").unwrap();
        let earlier = WrittenRows::open(&path, b';').unwrap().unwrap();
        Table::resume(&path, Some(&earlier), &shape(), Flush::EachRow).unwrap().row(["2", "x"]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a;b\r\n1;x\r\n2;x\n");
    }

    #[test]
    fn a_file_without_a_whole_row_is_started_over() {
        let folder = Folder::new("empty");
        let path = folder.file();
        for text in [None, Some(""), Some("\u{feff}a;")] {
            if let Some(text) = text {
                std::fs::write(&path, text).unwrap();
            }
            let earlier = WrittenRows::open(&path, b';').unwrap();
            assert!(earlier.is_none());
            drop(Table::resume(&path, None, &shape(), Flush::Often).unwrap());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "\u{feff}a;b\n");
            std::fs::remove_file(&path).unwrap();
        }
    }
}
