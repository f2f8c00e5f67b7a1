//! Writing files so that nobody loses one: a new file never takes the place of another, and a file that is replaced is whole at every
//! moment.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::world::Entropy;

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// Its owner alone.
    Owner,
    /// Whomever the process's umask lets.
    Usual,
}

/// Writes a file that must not be there yet.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`], and those of the file system. What was written in part is taken away again.
pub(super) fn create(path: &Path, text: &str, readers: Readers) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if readers == Readers::Owner {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = readers;
    let mut file = options.open(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        drop(file);
        // The error that matters is the first one.
        let _ = fs::remove_file(path);
    }
    written
}

/// Replaces a file whose text was `before`, keeping its mode and owner. Another process sees the old text or the new one, never a part.
///
/// # Errors
/// Those of the file system, and one where the file has changed since it was read: then nothing was written.
pub(super) fn replace(path: &Path, before: &str, text: &str) -> io::Result<()> {
    // A link stays a link; what it leads to is replaced.
    let path = fs::canonicalize(path)?;
    let metadata = fs::metadata(&path)?;
    let beside = beside(&path);
    create(&beside, text, Readers::Owner)?;
    let replaced = adopt(&beside, &metadata)
        .and_then(|()| {
            if fs::read_to_string(&path)? == before { Ok(()) } else { Err(io::Error::other("somebody else has changed it meanwhile")) }
        })
        .and_then(|()| fs::rename(&beside, &path));
    if replaced.is_err() {
        let _ = fs::remove_file(&beside);
    }
    replaced?;
    sync_folder(&path)
}

/// The same name with an ending after its own: where a file grows until it is whole.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Puts a file that is whole now in its place, over what stood there.
///
/// # Errors
/// Those of the file system.
pub(super) fn put_in_place(unfinished: &Path, whole: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).open(unfinished)?.sync_all()?;
    fs::rename(unfinished, whole)?;
    sync_folder(whole)
}

/// A name beside the file that nobody else uses.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let random = u128::from_be_bytes(Entropy::system().bytes());
    path.with_file_name(format!(".{name}.{random:032x}"))
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

/// Makes a new name last through a power cut: it is on disk only when its folder is.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(folder)?.sync_all()
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        Ok(())
    }
}

/// Whether others than its owner may read a file. `false` where the system has no such modes.
pub(super) fn is_readable_by_others(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}
