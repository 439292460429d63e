//! Events: whether `watch` would hear of deliveries at once (inotify(7)).

use std::{
    fs,
    path::{Path, PathBuf},
};

use notify::ErrorKind;
use rustix::fs::statfs;

use super::finding::Findings;
use crate::source::folder_watch::FolderWatch;

/// File systems where other machines deliver, of which inotify says nothing: NFS, CIFS, SMB2, FUSE,
/// Ceph, 9P (statfs(2)).
const REMOTE: [(u64, &str); 6] = [
    (0x6969, "NFS"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x00C3_6400, "Ceph"),
    (0x0102_1997, "9P"),
];

/// Looks at all folders `new/`, with one watch as `watch` has it, which ends with this.
pub(super) fn check(folders: &[(String, PathBuf)], findings: &mut Findings) {
    for (about, folder) in folders {
        if let Some(kind) = remote(folder) {
            let found = format!("it lies on {kind}, where deliveries by other machines go unheard");
            let fix = "Start watch with --poll; without it, mail is found every three minutes";
            findings.warning("events", about, found, fix);
        }
    }
    if folders.is_empty() {
        return;
    }
    let mut watch = match FolderWatch::new() {
        Ok(watch) => watch,
        Err(error) => return refused(&folders[0].0, &error, findings),
    };
    for (about, folder) in folders {
        match watch.watch(folder) {
            Ok(()) => findings.ok("events", about, "deliveries are heard of at once (inotify)"),
            Err(error) => return refused(about, &error, findings),
        }
    }
}

fn remote(folder: &Path) -> Option<&'static str> {
    // As the kernel has it: 32 bits, whatever the type of the field.
    let kind = statfs(folder).ok()?.f_type.cast_unsigned() & 0xFFFF_FFFF;
    REMOTE.into_iter().find(|(magic, _)| *magic == kind).map(|(_, name)| name)
}

fn refused(about: &str, error: &notify::Error, findings: &mut Findings) {
    let limit = |name| {
        let value = fs::read_to_string(format!("/proc/sys/fs/inotify/{name}"));
        format!("fs.inotify.{name} = {}", value.as_deref().map_or("?", str::trim))
    };
    let (instances, watches) = (limit("max_user_instances"), limit("max_user_watches"));
    let reason = match &error.kind {
        ErrorKind::Io(error) => error.to_string(),
        ErrorKind::MaxFilesWatch => "no watch is left".into(),
        _ => error.to_string(),
    };
    findings.warning(
        "events",
        about,
        format!(
            "inotify is refused ({reason}; {instances}, {watches}): watch would read the folder \
             every five seconds"
        ),
        "It works all the same; for events raise the limit with sysctl, and in /etc/sysctl.d",
    );
}
