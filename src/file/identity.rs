//! Identity: by what a file is known again. Its name is not enough: another may be renamed onto it,
//! and whoever writes it in place may go on.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, SystemTime},
};

/// Device and inode of what a name leads to, links followed: the same under every name.
///
/// # Errors
/// It can't be looked at.
pub fn device_and_inode(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|file| FileIdentity::from(&file).file())
}

/// What a file was when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
    /// Size and time of the last change of a regular file: inodes are used again.
    content: Option<(u64, i64, i64)>,
}

impl FileIdentity {
    /// What lies there now, a link itself; nothing if nothing does.
    ///
    /// # Errors
    /// It can't be looked at.
    pub fn of(path: &Path) -> io::Result<Option<FileIdentity>> {
        match fs::symlink_metadata(path) {
            Ok(file) => Ok(Some(FileIdentity::from(&file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Device and inode, which a file keeps when it is renamed or written.
    pub fn file(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// How long ago its content was last changed, by the clock; nothing where that is later than
    /// now, or no file.
    pub fn unchanged_for(&self) -> Option<Duration> {
        let (_, seconds, nanoseconds) = self.content?;
        let changed = Duration::new(seconds.try_into().ok()?, nanoseconds.try_into().ok()?);
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + changed).ok()
    }

    /// Whether it is a regular file.
    pub fn is_regular(&self) -> bool {
        self.content.is_some()
    }
}

impl From<&Metadata> for FileIdentity {
    fn from(file: &Metadata) -> FileIdentity {
        let content = file.is_file().then(|| (file.len(), file.mtime(), file.mtime_nsec()));
        FileIdentity { device: file.dev(), inode: file.ino(), content }
    }
}
