//! Opens or creates the store's file, and refuses files that are not a store.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek};
use std::path::Path;

use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, StorageBackend};

use super::{BOUNDS, DEAD, DELIVERIES, META, ORDERS, STATEMENTS};
use crate::file::sync_folder;

/// The version of the tables' format.
const SCHEMA: u64 = 1;
const SCHEMA_KEY: &str = "schema";
/// The size of redb's cache in bytes. Without this setting, redb would use a gigabyte.
const CACHE: usize = 16 * 1024 * 1024;
/// The size in bytes up to which a file may be one that redb has not finished creating. redb creates files of about 4 MB.
const LARGEST_NEW: u64 = 64 * 1024 * 1024;
/// Length in bytes of the first page, which contains the header.
const FIRST_PAGE: usize = 4096;

/// Length in bytes of the mark at the beginning of every redb file.
const MARK: u64 = 9;

/// Why the store could not be opened, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process has the store open. Contains the path.
    #[error(
        "the store {0} is in use by another process. Only one `serve` can have it: stop the other one, or give this one a store.path of its own"
    )]
    InUse(Box<str>),
    /// The file is damaged, or not a store. Contains the path and the fault.
    #[error(
        "the store {0} is damaged or is no store of entra-consent ({1}). Put back a copy, or move the file away: the next start makes a new \
         one. Without it, outcomes that were waiting to be looked at again are looked at when their pages are visited, and events that were \
         waiting are not posted; the records have all of them"
    )]
    Damaged(Box<str>, Box<str>),
    /// The file is the database of another program. Contains the path and the evidence.
    #[error("the store {0} is no store of entra-consent ({1}). Give this `serve` a store.path of its own, or move the file away")]
    Foreign(Box<str>, Box<str>),
    /// A later version of this program created the store. Contains the path.
    #[error("the store {0} was made by a later version of entra-consent. Start that version, or give this one a store.path of its own")]
    Later(Box<str>),
    /// The operating system refuses access. Contains the path and the message of the operating system.
    #[error("the store {0} cannot be opened or made: {1}. Make its folder, let this user write there, or change store.path")]
    Unusable(Box<str>, Box<str>),
}

fn shown(path: &Path) -> Box<str> {
    path.display().to_string().into()
}

impl StoreError {
    pub(super) fn damaged(path: &Path, what: &str) -> Self {
        Self::Damaged(shown(path), what.into())
    }

    fn foreign(path: &Path, what: &str) -> Self {
        Self::Foreign(shown(path), what.into())
    }

    pub(super) fn unusable(path: &Path, error: &std::io::Error) -> Self {
        Self::Unusable(shown(path), error.to_string().into())
    }

    pub(super) fn of(path: &Path, error: redb::Error) -> Self {
        match error {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Self::InUse(shown(path)),
            redb::Error::UpgradeRequired(_) => Self::foreign(path, "its format is older than any that was ever used here"),
            redb::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => Self::damaged(path, &error.to_string()),
            redb::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Self::damaged(path, "it ends too early"),
            redb::Error::Io(error) => Self::unusable(path, &error),
            other => Self::damaged(path, &other.to_string()),
        }
    }
}

/// Opens the store on a backend, or creates one there.
pub(super) fn on(backend: impl StorageBackend, path: &Path) -> Result<Database, StoreError> {
    let of = |error: DatabaseError| StoreError::of(path, error.into());
    let database = builder().create_with_backend(backend).map_err(of)?;
    prepare(&database, path)?;
    Ok(database)
}

pub(super) fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    builder
}

pub(super) fn open(path: &Path) -> Result<Database, StoreError> {
    let unusable = |error: std::io::Error| StoreError::unusable(path, &error);
    let is_new = !path.exists();
    let mut file = open_or_make(path).map_err(unusable)?;
    if was_never_finished(&mut file).map_err(unusable)? {
        match file.try_lock() {
            Ok(()) => file.set_len(0).and_then(|()| file.unlock()).map_err(unusable)?,
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(shown(path))),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
    }
    let backend = FileBackend::new(file).map_err(|error| StoreError::of(path, error.into()))?;
    let database = on(backend, path)?;
    if is_new {
        sync_folder(path).map_err(unusable)?;
    }
    Ok(database)
}

fn open_or_make(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(std::io::Error::other("it is not a regular file")) }
}

/// Whether a process ended while it created the file. redb writes its mark last, so such a file has no mark. Returns `true` only if the
/// file is also empty after the first page, so that we never delete stored data.
fn was_never_finished(file: &mut File) -> std::io::Result<bool> {
    let length = file.metadata()?.len();
    let mut mark = Vec::new();
    file.take(MARK).read_to_end(&mut mark)?;
    file.rewind()?;
    if length == 0 || length > LARGEST_NEW || mark.iter().any(|byte| *byte != 0) {
        return Ok(false);
    }
    let mut content = Vec::new();
    file.take(LARGEST_NEW).read_to_end(&mut content)?;
    file.rewind()?;
    Ok(content.iter().skip(FIRST_PAGE).all(|byte| *byte == 0))
}

/// Creates the tables in a new file. In an existing file, checks that the tables are ours.
fn prepare(database: &Database, path: &Path) -> Result<(), StoreError> {
    let tables = || -> Result<Option<u64>, redb::Error> {
        let write = database.begin_write()?;
        let is_empty = write.list_tables()?.next().is_none();
        let schema = {
            let mut meta = write.open_table(META)?;
            let schema = redb::ReadableTable::get(&meta, SCHEMA_KEY)?.map(|schema| schema.value());
            if is_empty {
                meta.insert(SCHEMA_KEY, SCHEMA)?;
            }
            if is_empty { Some(SCHEMA) } else { schema }
        };
        if schema != Some(SCHEMA) {
            write.abort()?;
            return Ok(schema);
        }
        write.open_table(ORDERS)?;
        write.open_table(DELIVERIES)?;
        write.open_table(DEAD)?;
        write.open_table(STATEMENTS)?;
        write.open_table(BOUNDS)?;
        write.commit()?;
        Ok(schema)
    };
    match tables() {
        Ok(Some(SCHEMA)) => Ok(()),
        Ok(Some(_)) => Err(StoreError::Later(shown(path))),
        Ok(None) => Err(StoreError::foreign(path, "it is a database of another program")),
        Err(redb::Error::TableTypeMismatch { table, .. }) => {
            Err(StoreError::foreign(path, &format!("its table {table} is of another program")))
        }
        Err(error) => Err(StoreError::of(path, error)),
    }
}
