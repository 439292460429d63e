//! Space: rights on files and folders, and room on the disk they are on.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, absolute},
};

use bytesize::ByteSize;
use rustix::{
    fs::{Access, AtFlags, CWD, StatVfs, accessat, statvfs},
    io::Errno,
    process::geteuid,
};

use super::finding::Findings;

/// With less, the next batch may not fit: the SQLite store's log grows to 16 MiB before it is
/// copied.
const TOO_LITTLE: u64 = 16 << 20;

/// With less, somebody should make room.
const LITTLE: u64 = 256 << 20;

/// True if this user may do this with a file or folder.
pub(super) fn may(path: &Path, what: Access) -> Result<(), Errno> {
    accessat(CWD, path, what, AtFlags::EACCESS)
}

/// Why a file can't be written or made, and what to do; nothing if it can be. `with_folder`: files
/// beside it are made, too.
pub(super) fn not_writable(file: &Path, with_folder: bool) -> Option<(String, String)> {
    let file = absolute(file).unwrap_or_else(|_| file.into());
    let folder_rights = Access::WRITE_OK | Access::EXEC_OK;
    if file.exists() {
        if let Err(error) = may(&file, Access::READ_OK | Access::WRITE_OK) {
            return Some(refused("it can't be written", &file, error));
        }
        if !with_folder {
            return None;
        }
    }
    let folder = existing(file.parent()?);
    let error = may(folder, folder_rights).err()?;
    Some(refused(&format!("files can't be made in {}", folder.display()), folder, error))
}

/// What is wrong with rights, and what to do.
pub(super) fn refused(what: &str, path: &Path, error: Errno) -> (String, String) {
    let found = format!("{what} ({})", reason(error));
    let fix = match error {
        Errno::ROFS => "Mount it for writing, or choose another place".into(),
        Errno::ACCESS | Errno::PERM => allow(path),
        _ => "See whether the path is right".into(),
    };
    (found, fix)
}

/// What the system says, without its number.
pub(super) fn reason(error: Errno) -> String {
    let text = std::io::Error::from(error).to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// How to come to a right on this file or folder.
fn allow(path: &Path) -> String {
    let me = geteuid().as_raw();
    match fs::metadata(path) {
        Ok(found) if found.uid() != me => format!(
            "It belongs to the user with the id {}, and this is {me}: run this as its owner (sudo \
             -u '#{}' …), or give this user the right",
            found.uid(),
            found.uid()
        ),
        Ok(_) => format!(
            "It is yours: chmod u+rwX {}",
            crate::mode::elsewhere::quoted(&path.display().to_string())
        ),
        Err(_) => "Give this user the right to enter the folders above it".into(),
    }
}

/// Root may do everything, which says nothing of the user of the service.
pub(super) fn note_root(path: &Path, about: &str, findings: &mut Findings) {
    let owner = fs::metadata(path).map_or(0, |found| found.uid());
    if geteuid().is_root() && owner != 0 {
        findings.warning(
            "user",
            about,
            "this was checked as root, who may do everything",
            format!(
                "Check it as the user of the service; the owner is one with: sudo -u '#{owner}' \
                 email-report-processor check …"
            ),
        );
    }
}

/// The folder, or the nearest one above it that is there.
pub(super) fn existing(folder: &Path) -> &Path {
    folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"))
}

/// Room for a file that may not be there yet.
pub(super) fn check(file: &Path, about: &str, findings: &mut Findings) {
    let path = absolute(file).unwrap_or_else(|_| file.into());
    let Ok(disk) = statvfs(existing(&path)) else { return };
    // Some file systems make room for files as they need it, and count none.
    if disk.f_files > 0 && disk.f_favail == 0 {
        let fix = "Delete files there, or choose another disk";
        return findings.wrong("disk", about, "its disk has no room for another file", fix);
    }
    let StatVfs { f_bavail, f_frsize, .. } = disk;
    let free = f_bavail.saturating_mul(f_frsize);
    let found = format!("{} free on its disk", ByteSize::b(free));
    let fix = "Make room; mails wait meanwhile, nothing is lost";
    match free {
        ..TOO_LITTLE => findings.wrong("disk", about, format!("only {found}"), fix),
        TOO_LITTLE..LITTLE => findings.warning("disk", about, format!("only {found}"), fix),
        _ => findings.ok("disk", about, found),
    }
}
