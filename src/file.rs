//! Writes files without losing any: a new file never replaces another one, and a file that replaces another is complete at every moment.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// The users who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// Only the file's owner.
    Owner,
    /// All users that the process's umask allows.
    Usual,
}

/// Creates a file whose path must not exist yet, not even as a symbolic link.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`], and those of the file system.
pub(super) fn make(path: &Path, readers: Readers) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    if readers == Readers::Owner {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = readers;
    options.open(path).map_err(|error| match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => io::Error::other("it is a symbolic link"),
        _ => error,
    })
}

/// Opens a file from an earlier run, or creates it for its owner only. Follows no symbolic link.
///
/// # Errors
/// Those of the file system, and one for a symbolic link.
pub(super) fn open_or_make(path: &Path) -> io::Result<File> {
    match make(path, Readers::Owner) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => OpenOptions::new().read(true).write(true).open(path),
        made => made,
    }
}

/// Creates a file with a random name in the folder of `path`. Dropping it deletes it.
///
/// # Errors
/// Those of the file system.
pub(super) fn unfinished(path: &Path, readers: Readers) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().make_in(folder(path), |path| make(path, readers))
}

/// Creates an unnamed file in the folder of `path`, because the disk of that folder has room for it.
///
/// # Errors
/// Those of the file system.
pub(super) fn nameless(path: &Path) -> io::Result<File> {
    tempfile::tempfile_in(folder(path))
}

/// Writes a file that must not exist yet.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`], and those of the file system. After an error, no part of the file remains.
pub(super) fn create(path: &Path, text: &str, readers: Readers) -> io::Result<()> {
    let mut file = unfinished(path, readers)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    Ok(())
}

/// Renames a complete file to its path, and replaces an existing file.
///
/// # Errors
/// Those of the file system.
pub(super) fn finish(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_folder(path)
}

/// Replaces a file whose text was `before`, and keeps its mode and owner. Another process sees the old text or the new one, never a part.
///
/// # Errors
/// Those of the file system, and one if the file has changed since it was read. Then nothing was written.
pub(super) fn replace(path: &Path, before: &str, text: &str) -> io::Result<()> {
    // A symbolic link stays, and its target is replaced.
    let path = fs::canonicalize(path)?;
    let mut file = unfinished(&path, Readers::Owner)?;
    file.write_all(text.as_bytes())?;
    adopt(file.path(), &fs::metadata(&path)?)?;
    if fs::read_to_string(&path)? != before {
        return Err(io::Error::other("another program has changed it meanwhile"));
    }
    finish(file, &path)
}

/// The path with an ending appended, for a file that grows until it is complete.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Moves a complete file to its final path, and replaces an existing file.
///
/// # Errors
/// Those of the file system.
pub(super) fn put_in_place(unfinished: &Path, whole: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).open(unfinished)?.sync_all()?;
    fs::rename(unfinished, whole)?;
    sync_folder(whole)
}

#[cfg(unix)]
fn adopt(new: &Path, old: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let mine = fs::metadata(new)?;
    if (mine.uid(), mine.gid()) != (old.uid(), old.gid()) {
        // A service that owns the file must be able to read it afterwards.
        chown(new, Some(old.uid()), Some(old.gid()))?;
    }
    fs::set_permissions(new, old.permissions())
}

#[cfg(not(unix))]
fn adopt(new: &Path, old: &fs::Metadata) -> io::Result<()> {
    fs::set_permissions(new, old.permissions())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a new name survive a power failure: the name is on disk only after its folder is.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        File::open(folder(path))?.sync_all()
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        Ok(())
    }
}

/// Whether users other than its owner may read a file. `false` if the system has no such modes.
pub(super) fn is_readable_by_others(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        // PostgreSQL and libpq have the same rule: root may let the group of a service read its file.
        let allowed = |metadata: &fs::Metadata| if metadata.uid() == 0 { 0o740 } else { 0o700 };
        fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o777 & !allowed(&metadata) != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}
