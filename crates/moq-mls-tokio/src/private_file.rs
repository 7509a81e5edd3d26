//! Files that only their owner can read, written whole or not at all.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Makes a folder that only its owner can enter, and those above it. One that is there stays as it is.
///
/// # Errors
/// Those of the file system.
pub fn make_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Replaces a file by one of these parts that only its owner can read. Durable when this returns; if it fails or the
/// machine dies, the file is the old one or the new one.
///
/// # Errors
/// Those of the file system.
pub fn write_private(path: &Path, parts: &[impl AsRef<[u8]>]) -> io::Result<()> {
    let new = beside(path, ".new");
    write_new(&new, parts)?;
    std::fs::rename(&new, path)?;
    sync_folder_of(path)
}

/// Makes such a file unless there is one. Returns whether it did.
pub(crate) fn create_private(path: &Path, content: &[u8]) -> io::Result<bool> {
    // Of two processes, each has a file of its own until one of them links it.
    let new = beside(path, &format!(".{}.new", std::process::id()));
    write_new(&new, &[content])?;
    let linked = std::fs::hard_link(&new, path);
    std::fs::remove_file(&new)?;
    match linked {
        Ok(()) => sync_folder_of(path).map(|()| true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads a file; `None` if there is none.
pub(crate) fn read_if_any(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the path with `ending` after its file name.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn write_new(path: &Path, parts: &[impl AsRef<[u8]>]) -> io::Result<()> {
    // The mode holds for a file that is made, and one may be left of a run that died.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    for part in parts {
        file.write_all(part.as_ref())?;
    }
    file.sync_all()
}

/// A rename is durable once the folder is.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        // Windows opens no folder as a file.
        Some(folder) if cfg!(unix) => {
            let here = folder.as_os_str().is_empty();
            File::open(if here { Path::new(".") } else { folder })?.sync_all()
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn files_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        make_private_folder(&inner).unwrap();
        assert_eq!(mode(&inner), 0o700);
        let path = inner.join("key");
        // What an earlier run left must not lend the new file its mode.
        std::fs::write(inner.join("key.new"), "old").unwrap();
        write_private(&path, &["se", "cret"]).unwrap();
        assert_eq!((mode(&path), std::fs::read(&path).unwrap()), (0o600, b"secret".to_vec()));
        assert!(!create_private(&path, b"other").unwrap());
        assert_eq!(read_if_any(&path).unwrap().unwrap(), b"secret");
        assert!(create_private(&inner.join("second"), b"one").unwrap());
        assert_eq!(mode(&inner.join("second")), 0o600);
        assert_eq!(std::fs::read_dir(&inner).unwrap().count(), 2);
    }
}
