//! Files that only their owner can read, written whole or not at all.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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

/// Makes such a folder, and refuses one that others may enter, or a link to one.
///
/// # Errors
/// Those of the file system, and [`ErrorKind::PermissionDenied`] with a text for the user.
pub(crate) fn open_private_folder(path: &Path) -> io::Result<()> {
    make_private_folder(path)?;
    let found = refuse_link(path)?;
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o077 != 0 {
        return Err(denied(path, "is open to other users: chmod 700 it"));
    }
    if found.is_dir() { Ok(()) } else { Err(denied(path, "is no folder")) }
}

/// Says what is at `path`, and refuses a link: what it leads to may be another's.
///
/// # Errors
/// Those of the file system, and [`ErrorKind::PermissionDenied`] with a text for the user.
pub(crate) fn refuse_link(path: &Path) -> io::Result<Metadata> {
    let found = std::fs::symlink_metadata(path)?;
    if found.is_symlink() { Err(denied(path, "is a link: name what it leads to")) } else { Ok(found) }
}

fn denied(path: &Path, why: &str) -> io::Error {
    io::Error::new(ErrorKind::PermissionDenied, format!("{} {why}", path.display()))
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

/// Makes such a file unless there is one, and returns whether it did. Of several that make it at the same time, one does,
/// and the others find its file whole.
///
/// # Errors
/// Those of the file system.
pub fn create_private(path: &Path, content: &[u8]) -> io::Result<bool> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    // Each process, and each thread of it, has a file of its own until one of them links it.
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let new = beside(path, &format!(".{}-{number}.new", std::process::id()));
    write_new(&new, &[content])?;
    let linked = std::fs::hard_link(&new, path);
    std::fs::remove_file(&new)?;
    match linked {
        Ok(()) => sync_folder_of(path).map(|()| true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads a file; `None` if there is none. A link is refused.
pub(crate) fn read_if_any(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match refuse_link(path).and_then(|_| std::fs::read(path)) {
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

    #[test]
    fn of_many_that_make_one_file_all_find_that_of_one() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..20_u8 {
            let path = folder.path().join(format!("key {round}"));
            let start = std::sync::Barrier::new(8);
            let made: Vec<_> = std::thread::scope(|scope| {
                let threads = (0..8_u8).map(|number| {
                    let (start, path) = (&start, &path);
                    scope.spawn(move || {
                        start.wait();
                        let is_mine = create_private(path, &[number; 4096]).unwrap();
                        (is_mine.then_some(number), read_if_any(path).unwrap().unwrap())
                    })
                });
                threads.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let winners: Vec<_> = made.iter().filter_map(|(winner, _)| *winner).collect();
            let [winner] = winners[..] else { panic!("{winners:?}") };
            assert!(made.iter().all(|(_, found)| *found == [winner; 4096]));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 20);
    }

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

    #[cfg(unix)]
    #[test]
    fn links_and_open_folders_are_refused() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (mine, link) = (folder.path().join("mine"), folder.path().join("link"));
        open_private_folder(&mine).unwrap();
        symlink(&mine, &link).unwrap();
        let refused = |path: &Path| open_private_folder(path).unwrap_err().to_string();
        assert!(refused(&link).contains("is a link"), "{}", refused(&link));
        std::fs::set_permissions(&mine, std::fs::Permissions::from_mode(0o750)).unwrap();
        assert!(refused(&mine).contains("chmod 700"), "{}", refused(&mine));
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "of another").unwrap();
        symlink(&secret, mine.join("key")).unwrap();
        assert_eq!(read_if_any(&mine.join("key")).unwrap_err().kind(), ErrorKind::PermissionDenied);
    }
}
