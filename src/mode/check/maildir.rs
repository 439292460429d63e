//! Maildir: the folders that mail is taken from, and `.failed`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use rustix::{
    fs::{Access, AtFlags, CWD, StatxFlags, statx},
    io::Errno,
};

use super::{age, counted, events, finding::Findings, space};
use crate::{
    config::Config,
    maildir::{Folder, LockState, Maildir, WAITS_LONG},
    mode::{elsewhere::quoted, maildirs},
    moment::DAY,
};

/// Mails in `new/` of which is seen whether they can be read.
const LOOKED_AT: usize = 1000;

/// So long no mail means that somebody should look: seconds. Most reporters send daily.
const SILENCE: i64 = 7 * DAY;

const FOLDER_RIGHTS: Access = Access::READ_OK.union(Access::WRITE_OK).union(Access::EXEC_OK);

/// Looks at all of them.
pub(super) fn check_all(paths: &[PathBuf], config: Option<&Config>, findings: &mut Findings) {
    let mut watched = Vec::new();
    for path in paths {
        let about = path.display().to_string();
        if let Some(maildir) = open(path, &about, findings) {
            let is_usable = rights(&maildir, &about, findings);
            device(&maildir, &about, findings);
            failed(&maildir, &about, findings);
            if is_usable {
                mails(&maildir, &about, findings);
                contents(&maildir, config, &about, findings);
            }
            space::note_root(path, &about, findings);
            space::check(path, &about, findings);
            watched.push((about, path.join("new")));
        }
    }
    events::check(&watched, findings);
}

fn open(path: &Path, about: &str, findings: &mut Findings) -> Option<Arc<Maildir>> {
    const CHECK: &str = "maildir.folders";
    let maildir = match (maildirs::open(path), path.join("new").is_dir(), path.join("cur").is_dir())
    {
        (Ok(maildir), ..) => maildir,
        (Err(_), true, false) => {
            let found = "there is no folder cur, to which mails that are stored are moved";
            findings.wrong(CHECK, about, found, make(&path.join("cur"), "new"));
            return None;
        }
        (Err(_), false, true) => {
            let found = "there is no folder new, to which mails are delivered";
            findings.wrong(CHECK, about, found, make(&path.join("new"), "cur"));
            return None;
        }
        (Err(error), ..) => {
            // It begins with the name, which stands in front already.
            let error = error.to_string();
            let found = error.strip_prefix(about).unwrap_or(&error);
            let fix = "Name the folder with new, cur and tmp in it; watch waits for one that the \
                       first mail will make";
            findings.wrong(CHECK, about, found.trim_start_matches([':', ' ']), fix);
            return None;
        }
    };
    if path.join("tmp").is_dir() {
        findings.ok(CHECK, about, "new, cur and tmp are there");
    } else {
        let fix = make(&path.join("tmp"), "new");
        let found = "there is no folder tmp, through which mail servers deliver";
        findings.warning(CHECK, about, found, fix);
    }
    Some(maildir)
}

/// How to make a folder that is missing.
fn make(folder: &Path, beside: &str) -> String {
    let folder = folder.display().to_string();
    format!("Make it, with the owner and the rights of {beside}: mkdir {}", quoted(&folder))
}

/// True if mails can be listed.
fn rights(maildir: &Maildir, about: &str, findings: &mut Findings) -> bool {
    let mut is_usable = true;
    let mut all = true;
    for name in ["new", "cur"] {
        let folder = maildir.path().join(name);
        if let Err(error) = space::may(&folder, FOLDER_RIGHTS) {
            let what = format!("{name}/ can't be read and written");
            let (found, fix) = space::refused(&what, &folder, error);
            findings.wrong("maildir.rights", about, found, fix);
            is_usable &= space::may(&folder, Access::READ_OK | Access::EXEC_OK).is_ok();
            all = false;
        }
    }
    if all {
        findings.ok("maildir.rights", about, "new and cur can be read and written");
    }
    is_usable
}

/// A mail is renamed from `new/` to `cur/`, which can't be done from one mount to another.
fn device(maildir: &Maildir, about: &str, findings: &mut Findings) {
    let fix = "Mount the Maildir as a whole: a mail is renamed from one to the other";
    let same = |folder: &Path, first: &str, second: &str| {
        mount(&folder.join(first)) == mount(&folder.join(second))
    };
    if !same(maildir.path(), "new", "cur") {
        findings.wrong("maildir.device", about, "new and cur are on different mounts", fix);
    } else if maildir.failed().is_dir() && !same(maildir.failed(), "tmp", "new") {
        let found = "new and tmp of .failed are on different mounts";
        findings.wrong("maildir.device", about, found, fix);
    } else {
        findings.ok("maildir.device", about, "new and cur are on one device");
    }
}

/// Device and mount: the same device may be mounted twice.
fn mount(folder: &Path) -> Option<(u32, u32, Option<u64>)> {
    let found = statx(CWD, folder, AtFlags::empty(), StatxFlags::MNT_ID).ok()?;
    // Older kernels do not tell.
    let told = found.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    Some((found.stx_dev_major, found.stx_dev_minor, told.then_some(found.stx_mnt_id)))
}

/// Rights on `.failed`, its lock, and what lies in it.
fn failed(maildir: &Maildir, about: &str, findings: &mut Findings) {
    let folder = maildir.failed();
    let shown = folder.display();
    let parts = ["", "new", "cur", "tmp"].map(|name| folder.join(name));
    let mut refused = parts.iter().filter(|part| part.exists()).filter_map(|part| {
        let error = space::may(part, FOLDER_RIGHTS).err()?;
        Some(space::refused(&format!("{} can't be written", part.display()), part, error))
    });
    if let Some((found, fix)) = refused.next() {
        findings.wrong("maildir.failed", about, found, fix);
    } else if let Some((found, fix)) =
        (!folder.exists()).then(|| space::not_writable(&folder.join("new"), false)).flatten()
    {
        let found = format!("{shown} can't be made, for mails that can't be used: {found}");
        findings.wrong("maildir.failed", about, found, fix);
    } else {
        match waiting(folder) {
            0 => findings.ok("maildir.failed", about, "no failed mail lies in .failed"),
            number => findings.warning(
                "maildir.failed",
                about,
                format!("{} in {shown}", counted(number, "failed mail")),
                format!(
                    "The reason is on top of each, in X-Email-Report-Processor-Error. When it is \
                     mended: email-report-processor retry {}",
                    quoted(about)
                ),
            ),
        }
    }
    match maildir.lock_state() {
        LockState::Free => {}
        LockState::Held => findings.warning(
            "maildir.lock",
            about,
            "another process holds the lock of .failed for seconds: mails that fail stay in new/",
            "See whether it is stopped: fuser on maildirfolder in .failed tells its number",
        ),
        LockState::Unsupported => findings.warning(
            "maildir.lock",
            about,
            "the file system has no locks",
            "Do not run retry beside watch, and one process only for this Maildir",
        ),
    }
}

/// Mails that lie in a folder `.failed`.
fn waiting(folder: &Path) -> u64 {
    let listed = ["new", "cur"].into_iter().filter_map(|name| fs::read_dir(folder.join(name)).ok());
    listed
        .flatten()
        .flatten()
        .filter(|file| !file.file_name().as_encoded_bytes().starts_with(b"."))
        .count() as u64
}

/// What lies in `new/` and `cur/`.
struct Mails {
    /// When the newest came; nothing if there is none.
    newest: Option<i64>,
    /// In `new/`, and when the oldest of them came.
    waiting: u64,
    oldest: i64,
    /// Those of the first [`LOOKED_AT`] in `new/` that can't be read.
    unreadable: Vec<PathBuf>,
}

impl Mails {
    fn look(maildir: &Arc<Maildir>) -> Mails {
        let mut mails =
            Mails { newest: None, waiting: 0, oldest: i64::MAX, unreadable: Vec::new() };
        for folder in [Folder::New, Folder::Cur] {
            for entry in maildir.entries(folder).into_iter().flatten().flatten() {
                let Some(came) = entry.came() else { continue };
                mails.newest = mails.newest.max(Some(came));
                if folder == Folder::New {
                    mails.add_waiting(entry.path(), came);
                }
            }
        }
        mails
    }

    fn add_waiting(&mut self, path: PathBuf, came: i64) {
        if self.waiting < LOOKED_AT as u64 {
            match space::may(&path, Access::READ_OK) {
                Ok(()) => {}
                // A watcher has taken it up meanwhile.
                Err(Errno::NOENT) => return,
                Err(_) => self.unreadable.push(path),
            }
        }
        self.waiting += 1;
        self.oldest = self.oldest.min(came);
    }
}

/// What waits, what can't be read, and when the newest came.
fn mails(maildir: &Arc<Maildir>, about: &str, findings: &mut Findings) {
    let mails = Mails::look(maildir);
    let now = Timestamp::now();
    let is_older = |came: i64, seconds: i64| now.as_second().saturating_sub(came) > seconds;
    if let Some(first) = mails.unreadable.first() {
        let number = counted(mails.unreadable.len() as u64, "mail");
        let what = format!("{number} in new/ can't be read, as {}", first.display());
        let (found, fix) = space::refused(&what, first, Errno::ACCESS);
        findings.wrong("maildir.mails", about, found, fix);
    }
    let waiting = counted(mails.waiting, "mail");
    if mails.waiting > 0 && is_older(mails.oldest, WAITS_LONG) {
        let oldest = age(mails.oldest, now);
        let found = format!("{waiting} in new/ not taken up, the oldest came {oldest}");
        let fix = "Is watch running, or once in a timer? Its log says why it leaves them";
        findings.warning("maildir.waiting", about, found, fix);
    } else {
        findings.ok("maildir.waiting", about, format!("{waiting} in new/"));
    }
    let Some(newest) = mails.newest else {
        findings.ok("maildir.newest", about, "no mail has come yet");
        return;
    };
    let found = format!("the newest mail came {}", age(newest, now));
    if is_older(newest, SILENCE) {
        let fix = "Most reporters send daily: look at the DNS records with --dns, and \
                   whether mail to the address is delivered here";
        findings.warning("maildir.newest", about, found, fix);
    } else {
        findings.ok("maildir.newest", about, found);
    }
}

/// `watch` and `once` refuse what looks like a person's inbox.
fn contents(maildir: &Arc<Maildir>, config: Option<&Config>, about: &str, findings: &mut Findings) {
    let Some(config) = config else { return };
    if let Err(refusal) = maildirs::refuse_inboxes([maildir], config) {
        let fix = "watch and once refuse to start like this";
        findings.wrong("maildir.contents", about, refusal.to_string(), fix);
    }
}
