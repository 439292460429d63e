//! Output: where an export is written to. A file appears under its name when it is complete and on
//! disk, never before.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// Standard output, a file, or a device or pipe that has a name.
pub(super) enum Output {
    Stream(Box<dyn Write>),
    File { temporary: NamedTempFile, path: PathBuf },
}

impl Output {
    pub(super) fn standard() -> Output {
        Output::Stream(Box::new(io::stdout().lock()))
    }

    /// What has this name: a device or pipe is written to, a file is replaced.
    pub(super) fn named(path: &Path) -> io::Result<Output> {
        let existing = match fs::metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if existing.as_ref().is_some_and(|metadata| !metadata.is_file()) {
            return Ok(Output::Stream(Box::new(OpenOptions::new().write(true).open(path)?)));
        }
        // A link stays one: the file that it leads to is replaced.
        let path = if existing.is_some() { fs::canonicalize(path)? } else { path.to_owned() };
        let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
        let mut prefix = std::ffi::OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        let temporary = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(".tmp")
            // As a shell's `>` would: what the umask leaves.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder(&path))?;
        if let Some(existing) = existing {
            temporary.as_file().set_permissions(Permissions::from_mode(existing.mode() & 0o777))?;
        }
        Ok(Output::File { temporary, path })
    }

    /// All is written: it is put on disk, and the file gets its name.
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Output::Stream(mut stream) => stream.flush(),
            Output::File { temporary, path } => {
                temporary.as_file().sync_all()?;
                temporary.persist(&path)?;
                File::open(folder(&path))?.sync_all()
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::Stream(stream) => stream.write(bytes),
            Output::File { temporary, .. } => temporary.as_file_mut().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Output::Stream(stream) => stream.flush(),
            Output::File { temporary, .. } => temporary.as_file_mut().flush(),
        }
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
