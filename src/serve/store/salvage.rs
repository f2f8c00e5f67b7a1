//! Copies the readable part of a damaged store into a new file.

use std::fs;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{
    ConcurrencyMode, Database, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, WriteTransaction,
};
use serde::de::IgnoredAny;

use super::file::{self, StoreError, builder};
use super::{DEAD, DELIVERIES, META, NEXT_NUMBER, ORDERS, STATEMENTS};
use crate::file::{nameless, sync_folder};
use crate::outbox::Statement;

/// How often we halve a range of keys if we cannot read it from either end. Rows between two damaged pages may be readable.
const HALVINGS: u32 = 5;

/// Opens the store and verifies all of it. If it is damaged, replaces it by a new store with the readable rows. Also returns whether the
/// store was damaged.
pub(super) fn open_sound(path: &Path) -> Result<(Database, bool), StoreError> {
    finish(path).map_err(|error| StoreError::unusable(path, &error))?;
    match verified(path) {
        Err(damage @ StoreError::Damaged(..)) if has_mark(path) => {
            salvage(path, &damage)?;
            Ok((verified(path)?, true))
        }
        opened => Ok((opened?, false)),
    }
}

fn verified(path: &Path) -> Result<Database, StoreError> {
    let verified = || {
        let mut database = file::open(path)?;
        let is_whole = database.check_integrity().map_err(|error| StoreError::of(path, error.into()))?;
        if is_whole { Ok(database) } else { Err(StoreError::damaged(path, "its checksums do not match")) }
    };
    // redb panics on some damaged files.
    catch_unwind(verified).unwrap_or_else(|_| Err(StoreError::damaged(path, "reading it fails")))
}

/// Whether a file begins with the mark of every redb database. We must not move other files.
fn has_mark(path: &Path) -> bool {
    let mut mark = [0; 4];
    fs::File::open(path).and_then(|mut file| file.read_exact(&mut mark)).is_ok() && mark == *b"redb"
}

fn next_to(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn unfinished(path: &Path) -> PathBuf {
    next_to(path, ".salvage")
}

/// Finishes an earlier salvage if its process ended between the two renames. The new file was complete before the first rename.
fn finish(path: &Path) -> io::Result<()> {
    if path.exists() || !unfinished(path).exists() { Ok(()) } else { fs::rename(unfinished(path), path) }
}

/// Replaces a damaged store by a new store with the readable rows, and keeps the damaged file next to it. Logs which rows are lost.
///
/// # Errors
/// [`StoreError`] if we cannot create the new file. The damaged file then keeps its name.
fn salvage(path: &Path, damage: &StoreError) -> Result<(), StoreError> {
    let unusable = |error: io::Error| StoreError::unusable(path, &error);
    let old = opened_copy(path).map_err(unusable)?;

    let new_path = unfinished(path);
    fs::remove_file(&new_path).or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(unusable(error)) })?;
    let new = file::open(&new_path)?;
    let losses = export(old.as_ref(), &new).map_err(|error| StoreError::of(path, error))?;
    drop(new);
    // redb may panic while it closes a damaged file.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(old)));

    let kept = (1_u32..).map(|number| next_to(path, &format!(".damaged-{number}"))).find(|kept| !kept.exists()).unwrap_or_default();
    fs::rename(path, &kept).and_then(|()| fs::rename(&new_path, path)).and_then(|()| sync_folder(path)).map_err(unusable)?;
    tracing::error!(
        store.damage = %damage,
        store.kept = %kept.display(),
        "the store is damaged: a new file has what could be read, and the damaged one is kept under another name"
    );
    for Loss { table, read, lost, gaps } in losses {
        tracing::error!(store.table = table, store.read = read, store.lost = lost, store.gaps = %gaps.join(", "), "a part of the store is lost");
    }
    Ok(())
}

/// Opens a copy of the file. `None` if the copy is not readable.
fn opened_copy(path: &Path) -> io::Result<Option<ReadOnlyDatabase>> {
    let copy = readable_copy(path)?;
    // In this mode, redb does not need the list of free pages. A damaged file may have no such list, because redb writes the list only when
    // it closes the file.
    let opened =
        catch_unwind(|| builder().set_concurrency_mode(ConcurrencyMode::SingleWriter).open_read_only_with_backend(FileBackend::new(copy)?));
    Ok(opened.ok().and_then(Result::ok))
}

/// The last event about each subject, from a copy of the file, because a running `serve` has the store open. An event that is written
/// during the copy may be missing.
///
/// # Errors
/// [`StoreError`] if there is no store at this path, or its copy is not readable.
pub(crate) fn last_statements(path: &Path) -> Result<Vec<(String, Statement)>, StoreError> {
    let copy = opened_copy(path).map_err(|error| StoreError::unusable(path, &error))?;
    let read = || -> Result<Vec<_>, redb::Error> {
        let table = copy.as_ref().ok_or(redb::Error::DatabaseClosed)?.begin_read()?.open_table(STATEMENTS)?;
        let rows = table.iter()?.map(|row| {
            let (subject, last) = row?;
            Ok(serde_json::from_str(last.value()).ok().map(|last| (subject.value().to_owned(), last)))
        });
        rows.filter_map(Result::transpose).collect()
    };
    // redb panics on some files that changed during the copy.
    let read = catch_unwind(AssertUnwindSafe(read)).unwrap_or(Err(redb::Error::DatabaseClosed));
    read.map_err(|_| StoreError::damaged(path, "it changed while it was read, so try again"))
}

/// Copies the file, removes the marks that require a repair, and gives the copy the length from its header. redb cannot repair a damaged
/// file, and does not open a file that requires a repair or is too short. With the length from the header, we can read the pages of a
/// truncated file up to its end.
fn readable_copy(path: &Path) -> io::Result<fs::File> {
    // One mark says that the file was not closed. The other says that the last commit was not flushed.
    const AT: u64 = 9;
    const MARKS: u8 = 0b1010;
    let mut copy = nameless(path)?;
    io::copy(&mut fs::File::open(path)?, &mut copy)?;
    let mut marks = [0];
    copy.seek(SeekFrom::Start(AT))?;
    copy.read_exact(&mut marks)?;
    copy.seek(SeekFrom::Start(AT))?;
    copy.write_all(&marks.map(|byte| byte & !MARKS))?;
    if let Some(length) = length_of(&mut copy)?.filter(|length| copy.metadata().is_ok_and(|copy| copy.len() < *length)) {
        copy.set_len(length)?;
    }
    Ok(copy)
}

/// Returns the length of a database from its header. Returns `None` if the header is too short, or if the length is larger than any disk.
fn length_of(file: &mut fs::File) -> io::Result<Option<u64>> {
    // Five numbers of four bytes each: page size, header pages in a region, data pages in a region, full regions, data pages in the last
    // region.
    const SIZES_AT: u64 = 12;
    const MOST: u64 = 1 << 40;
    file.seek(SeekFrom::Start(SIZES_AT))?;
    let mut sizes = [0; 20];
    if file.read_exact(&mut sizes).is_err() {
        return Ok(None);
    }
    let (sizes, _) = sizes.as_chunks();
    let [page, header, data, full, last] = [0, 1, 2, 3, 4].map(|at| sizes.get(at).map_or(0, |size| u64::from(u32::from_le_bytes(*size))));
    let pages = (header + data).checked_mul(full).map(|pages| 1 + pages + if last > 0 { header + last } else { 0 });
    Ok(pages.and_then(|pages| pages.checked_mul(page)).filter(|length| *length <= MOST))
}

/// The rows of a table that we could not read.
struct Loss {
    table: &'static str,
    read: u64,
    /// `None` if we cannot read the number either.
    lost: Option<u64>,
    /// The ranges of the keys of lost rows.
    gaps: Vec<String>,
}

/// Converts one number to a key of a table of waiting items. The numbers and the keys have the same order.
fn waiting_key(key: u128) -> (u64, u64) {
    (u64::try_from(key >> 64).unwrap_or(u64::MAX), u64::try_from(key & u128::from(u64::MAX)).unwrap_or(u64::MAX))
}

fn number_of((due, number): (u64, u64)) -> u128 {
    (u128::from(due) << 64) | u128::from(number)
}

fn export(old: Option<&ReadOnlyDatabase>, new: &Database) -> Result<Vec<Loss>, redb::Error> {
    let (write, mut losses, mut next_number) = (new.begin_write()?, Vec::new(), 1);
    let reading = || old.ok_or(redb::Error::DatabaseClosed)?.begin_read().map_err(redb::Error::from);
    for (definition, name) in [(ORDERS, "orders"), (DELIVERIES, "deliveries")] {
        let mut to = write.open_table(definition)?;
        let length = catch_unwind(AssertUnwindSafe(|| Ok::<_, redb::Error>(reading()?.open_table(definition)?.len()?)));
        let gaps = gaps(&length, number_of((u64::MAX, u64::MAX)), |range, is_backward, seen| {
            let rows = reading()?.open_table(definition)?.range(waiting_key(*range.start())..=waiting_key(*range.end()))?;
            let rows: Box<dyn Iterator<Item = _>> = if is_backward { Box::new(rows.rev()) } else { Box::new(rows) };
            for row in rows {
                let (key, value) = row?;
                // A damaged body can still be text. We find a damaged order by its signature, and a damaged delivery here.
                if name == "deliveries" && serde_json::from_str::<IgnoredAny>(value.value().1).is_err() {
                    return Err(redb::Error::Corrupted("a body is no JSON".to_owned()));
                }
                to.insert(key.value(), value.value())?;
                next_number = next_number.max(key.value().1.saturating_add(1));
                seen(number_of(key.value()));
            }
            Ok(())
        });
        losses.extend(Loss::of(name, to.len()?, length, gaps, |key| format!("due {} no. {}", waiting_key(key).0, waiting_key(key).1)));
    }
    let mut to = write.open_table(DEAD)?;
    let length = catch_unwind(AssertUnwindSafe(|| Ok::<_, redb::Error>(reading()?.open_table(DEAD)?.len()?)));
    let gaps = gaps(&length, u128::from(u64::MAX), |range, is_backward, seen| {
        let (from, until) = (waiting_key(*range.start()).1, waiting_key(*range.end()).1);
        let rows = reading()?.open_table(DEAD)?.range(from..=until)?;
        let rows: Box<dyn Iterator<Item = _>> = if is_backward { Box::new(rows.rev()) } else { Box::new(rows) };
        for row in rows {
            let (key, value) = row?;
            to.insert(key.value(), value.value())?;
            next_number = next_number.max(key.value().saturating_add(1));
            seen(u128::from(key.value()));
        }
        Ok(())
    });
    losses.extend(Loss::of("dead_letters", to.len()?, length, gaps, |key| format!("no. {key}")));
    drop(to);
    losses.extend(export_statements(reading, &write)?);
    let last = catch_unwind(AssertUnwindSafe(|| {
        Ok::<_, redb::Error>(reading()?.open_table(META)?.get(NEXT_NUMBER)?.map_or(0, |number| number.value()))
    }));
    write.open_table(META)?.insert(NEXT_NUMBER, next_number.max(last.ok().and_then(Result::ok).unwrap_or(0)))?;
    write.commit()?;
    Ok(losses)
}

/// Copies the last statements, but not those between two damaged pages. Losing a statement only means that an event may be repeated.
fn export_statements(
    reading: impl Fn() -> Result<ReadTransaction, redb::Error>,
    write: &WriteTransaction,
) -> Result<Option<Loss>, redb::Error> {
    let mut to = write.open_table(STATEMENTS)?;
    let length = catch_unwind(AssertUnwindSafe(|| Ok::<_, redb::Error>(reading()?.open_table(STATEMENTS)?.len()?)));
    for is_backward in [false, true] {
        let read = catch_unwind(AssertUnwindSafe(|| {
            let table = reading()?.open_table(STATEMENTS)?;
            let rows = table.iter()?;
            let rows: Box<dyn Iterator<Item = _>> = if is_backward { Box::new(rows.rev()) } else { Box::new(rows) };
            for row in rows {
                let (subject, statement) = row?;
                if serde_json::from_str::<Statement>(statement.value()).is_err() {
                    return Err(redb::Error::Corrupted("a statement is no JSON".to_owned()));
                }
                to.insert(subject.value(), statement.value())?;
            }
            Ok(())
        }));
        // The stores of earlier versions have no table of statements.
        if matches!(read, Ok(Ok(()) | Err(redb::Error::TableDoesNotExist(_)))) {
            return Ok(None);
        }
    }
    let (read, lost) = (to.len()?, length.ok().and_then(Result::ok));
    Ok(Some(Loss { table: "statements", read, lost: lost.map(|length| length.saturating_sub(read)), gaps: Vec::new() }))
}

impl Loss {
    fn of(table: &'static str, read: u64, length: Length, gaps: Vec<Range>, key: impl Fn(u128) -> String) -> Option<Self> {
        let lost = length.ok().and_then(Result::ok).map(|length| length.saturating_sub(read));
        let gaps: Vec<_> = gaps.iter().map(|gap| format!("{} to {}", key(*gap.start()), key(*gap.end()))).collect();
        (!gaps.is_empty()).then_some(Self { table, read, lost, gaps })
    }
}

type Range = std::ops::RangeInclusive<u128>;
/// The result of reading the number of a table's rows. Reading this number may fail or panic.
type Length = std::thread::Result<Result<u64, redb::Error>>;

/// Reads all rows with keys from 0 to `last`, and returns the ranges of keys that we cannot read. We read a range from both ends, and then
/// halve the rest. The number of rows is next to the address of the table's pages. If we cannot read the number, we cannot read any row.
fn gaps(length: &Length, last: u128, mut read: impl FnMut(Range, bool, &mut dyn FnMut(u128)) -> Result<(), redb::Error>) -> Vec<Range> {
    if !matches!(length, Ok(Ok(_))) {
        return vec![0..=last];
    }
    let (mut gaps, mut ranges) = (Vec::<Range>::new(), vec![(0..=last, HALVINGS)]);
    while let Some((range, halvings)) = ranges.pop() {
        let (mut from, mut until, mut is_read) = (*range.start(), *range.end(), false);
        for is_backward in [false, true] {
            let mut seen = None;
            let part = from..=until;
            let reading = catch_unwind(AssertUnwindSafe(|| read(part, is_backward, &mut |key| seen = Some(key))));
            is_read |= matches!(reading, Ok(Ok(())));
            match (seen, is_backward) {
                (Some(key), false) => from = key.saturating_add(1),
                (Some(key), true) => until = key.saturating_sub(1),
                (None, _) => {}
            }
            if is_read || from > until {
                break;
            }
        }
        if is_read || from > until {
            continue;
        }
        let middle = from + (until - from) / 2;
        let has_progress = from > *range.start() || until < *range.end();
        match (if has_progress { HALVINGS } else { halvings }).checked_sub(1) {
            Some(left) if from < until => ranges.extend([(middle + 1..=until, left), (from..=middle, left)]),
            _ => match gaps.last_mut() {
                Some(gap) if *gap.end() + 1 == from => *gap = *gap.start()..=until,
                _ => gaps.push(from..=until),
            },
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_between_damaged_pages_are_read() {
        let is_damaged = |key: u128| (30..33).contains(&key) || (70..75).contains(&key);
        let mut rows = std::collections::BTreeSet::new();
        let unread = gaps(&Ok(Ok(94)), 99, |range, is_backward, seen| {
            let keys: Vec<_> = if is_backward { range.rev().collect() } else { range.collect() };
            for key in keys {
                if is_damaged(key) {
                    return Err(redb::Error::DatabaseClosed);
                }
                rows.insert(key);
                seen(key);
            }
            Ok(())
        });
        assert!((0..100).all(|key| rows.contains(&key) != is_damaged(key)), "{rows:?}");
        assert_eq!(unread, [30..=32, 70..=74]);
    }

    #[test]
    fn a_table_of_which_nothing_is_readable_is_one_gap() {
        let mut tries = 0;
        let mut read = |length| {
            gaps(&length, u128::MAX - 1, |_, _, _| {
                tries += 1;
                panic!("a damaged page")
            })
        };
        let whole = vec![0..=u128::MAX - 1];
        assert_eq!((read(Ok(Ok(9))), read(Ok(Err(redb::Error::DatabaseClosed)))), (whole.clone(), whole));
        assert_eq!(tries, 2 * 63, "none without a length");
    }
}
