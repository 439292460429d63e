//! Failed: mails that can't be used are delivered to the folder `.failed`, each with the reason in
//! a header on top.

use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File},
    io,
    os::unix::fs::{DirEntryExt, MetadataExt},
    path::Path,
    thread,
};

use rustix::{
    fs::{Access, access},
    io::Errno,
};

use super::{
    Entry, Settled,
    copy::{Copy, create_folder},
    leftovers,
    lock::Lock,
};
use crate::file::identity::FileIdentity;

/// Delivers mails to the folders `.failed` of their Maildirs, each with the reason in a header on
/// top. The originals are removed only when the copies and their names are on disk, which many
/// mails together cost hardly more than one.
///
/// A crash between the steps leaves both; the next run finds the copy, byte for byte the same, and
/// removes the original.
///
/// # Errors
/// For each mail: its copy could not be written; the mail is where it was.
pub fn settle_failed(mails: &[(&Entry, &str)]) -> Vec<io::Result<Settled>> {
    let mut maildirs: BTreeMap<&Path, Vec<usize>> = BTreeMap::new();
    let is_there = |mail: &Entry| !matches!(FileIdentity::of(&mail.path()), Ok(None));
    for (n, (mail, _)) in mails.iter().enumerate().filter(|(_, (mail, _))| is_there(mail)) {
        maildirs.entry(mail.maildir.failed()).or_default().push(n);
    }
    let mut settled: Vec<io::Result<Settled>> = mails.iter().map(|_| Ok(Settled::Gone)).collect();
    for (folder, numbers) in maildirs {
        let mails: Vec<_> = numbers.iter().map(|n| mails[*n]).collect();
        for (n, result) in numbers.into_iter().zip(settle_in(folder, &mails)) {
            settled[n] = result;
        }
    }
    settled
}

/// The same for mails of one Maildir. Locks are held one at a time: two processes that waited for
/// each other's would wait for ever.
fn settle_in(folder: &Path, mails: &[(&Entry, &str)]) -> Vec<io::Result<Settled>> {
    let maildir = mails[0].0.maildir.path();
    // Without locks `retry` moves nothing.
    let lock = may_remove(mails[0].0)
        .and_then(|()| create_folder(folder, maildir))
        .and_then(|()| Lock::of(folder));
    let _lock = match lock {
        Ok(lock) => lock,
        Err(error) => return mails.iter().map(|_| Err(again(&error))).collect(),
    };
    let copies: Vec<Copied> =
        mails.iter().map(|(mail, reason)| Copy::write(mail, reason)).collect();
    synchronise(&copies);
    let mut given = HashSet::new();
    let deliver = |copied: Copied| match copied? {
        Ok(mut copy) => copy.deliver(&mut given).map(|()| Ok(copy)),
        settled => Ok(settled),
    };
    let copies: Vec<Copied> = copies.into_iter().map(deliver).collect();
    leftovers::clear(&folder.join("tmp"));
    let synchronised = File::open(folder.join("new")).and_then(|new| new.sync_all());
    let mut gone = Vec::new();
    let finish = |(copied, (mail, _)): (Copied, &(&Entry, &str))| {
        let copy = match copied? {
            Ok(copy) => copy,
            Err(settled) => return Ok(settled),
        };
        synchronised.as_ref().map_err(again)?;
        let settled = copy.remove_original(mail)?;
        if settled == Settled::Gone {
            gone.push(copy);
        }
        Ok(settled)
    };
    let settled = copies.into_iter().zip(mails).map(finish).collect();
    take_back(&gone, &maildir.join("cur"));
    settled
}

/// Where an original would have to stay, a copy would be one too many.
fn may_remove(mail: &Entry) -> io::Result<()> {
    let path = mail.path();
    let folder = path.parent().unwrap_or(&path);
    match access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        Err(error) if error != Errno::NOENT => Err(error.into()),
        _ => Ok(()),
    }
}

/// A mail that was copied; or where it is, if there is nothing to copy.
type Copied = io::Result<Result<Copy, Settled>>;

/// Takes back the copies of mails that a mail reader has moved to `cur/` meanwhile.
fn take_back(gone: &[Copy], cur: &Path) {
    if gone.is_empty() {
        return;
    }
    let in_cur: HashSet<u64> =
        fs::read_dir(cur).into_iter().flatten().flatten().map(|file| file.ino()).collect();
    let device = fs::metadata(cur).map(|cur| cur.dev()).ok();
    for copy in gone {
        let (its_device, inode) = copy.original();
        if Some(its_device) == device && in_cur.contains(&inode) {
            copy.take_back();
        }
    }
}

/// The same error for another mail.
fn again(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

/// Puts copies on disk, several at a time, so that the file system writes its journal once for
/// many.
fn synchronise(copies: &[Copied]) {
    const AT_A_TIME: usize = 8;
    let copies: Vec<&Copy> =
        copies.iter().filter_map(|copied| copied.as_ref().ok()?.as_ref().ok()).collect();
    let sync = |copy: &Copy| *copy.synchronised.lock() = copy.file.sync_all();
    if let [only] = copies.as_slice() {
        return sync(only);
    }
    thread::scope(|scope| {
        for copies in copies.chunks(copies.len().div_ceil(AT_A_TIME).max(1)) {
            scope.spawn(move || copies.iter().for_each(|copy| sync(copy)));
        }
    });
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs as unix_fs, slice, time::Duration};

    use super::{
        super::{
            Folder,
            retry::retry,
            tests::{deliver, files, maildir},
        },
        *,
    };

    fn fail(mail: &Entry, reason: &str) -> bool {
        settle_failed(&[(mail, reason)]).remove(0).expect("delivered") == Settled::Moved
    }

    #[test]
    fn a_failed_mail_says_why() {
        let (folder, maildir) = maildir();
        let mail = deliver(&maildir, "1.M1P1.mx,S=5,W=6", "Subject: x\r\n\r\nbody");
        assert!(fail(&mail, "bad\nnews"));
        let content = "X-Email-Report-Processor-Error: bad?news\r\nSubject: x\r\n\r\nbody";
        let name = format!("1.M1P1.mx,S={}", content.len());
        assert_eq!(files(folder.path().join(".failed/new")), [name.as_str()]);
        assert_eq!(
            fs::read_to_string(folder.path().join(".failed/new").join(name)).expect("read"),
            content
        );
        assert!(
            files(folder.path().join("new")).is_empty()
                && files(folder.path().join(".failed/tmp")).is_empty()
        );
        assert!(folder.path().join(".failed/maildirfolder").exists());
    }

    #[test]
    fn a_crash_between_delivery_and_removal_leaves_one_copy() {
        let (folder, maildir) = maildir();
        let mail = deliver(&maildir, "1.mx", "body");
        fail(&mail, "why");
        let again = deliver(&maildir, "1.mx", "body");
        assert!(fail(&again, "why"));
        assert_eq!(files(folder.path().join(".failed/new")).len(), 1);
        assert!(files(folder.path().join("new")).is_empty());
    }

    /// What another process does between delivery and removal is not taken for what a crash left.
    #[test]
    fn a_mail_that_goes_back_at_this_moment_stays_in_one_place() {
        let (folder, maildir) = maildir();
        fail(&deliver(&maildir, "1.mx", "body"), "why");
        let copies = folder.path().join(".failed/new");
        let held = Lock::of(maildir.failed()).expect("locked");
        let again = deliver(&maildir, "1.mx", "body");
        thread::scope(|scope| {
            let failing = scope.spawn(|| fail(&again, "why"));
            thread::sleep(Duration::from_millis(100));
            fs::remove_file(copies.join(&files(&copies)[0])).expect("the mail went back");
            drop(held);
            assert!(failing.join().expect("settled"));
        });
        assert_eq!(files(&copies).len(), 1, "the mail is nowhere");
    }

    /// The other way round: a mail that has just failed goes back.
    #[test]
    fn a_mail_that_fails_at_this_moment_stays_in_one_place() {
        let (folder, maildir) = maildir();
        fail(&deliver(&maildir, "1.mx", "body"), "why");
        let held = Lock::of(maildir.failed()).expect("locked");
        let original = deliver(&maildir, "1.mx", "body").path();
        thread::scope(|scope| {
            let back = scope.spawn(|| retry(&maildir, &mut |_, error| panic!("{error}")));
            thread::sleep(Duration::from_millis(100));
            fs::remove_file(&original).expect("it has failed");
            drop(held);
            assert_eq!(back.join().expect("ended").expect("read").mails, 1);
        });
        assert_eq!(files(folder.path().join("new")), ["1.mx"], "the mail is nowhere");
    }

    #[test]
    fn a_mail_that_a_reader_took_at_this_moment_leaves_no_copy() {
        let (folder, maildir) = maildir();
        let mail = deliver(&maildir, "1.mx", "body");
        create_folder(maildir.failed(), maildir.path()).expect("made");
        let mut copy = Copy::write(&mail, "why").expect("written").expect("a copy");
        *copy.synchronised.lock() = Ok(());
        copy.deliver(&mut HashSet::new()).expect("delivered");
        let cur = folder.path().join("cur");
        fs::rename(mail.path(), cur.join("1.mx:2,")).expect("renamed");
        assert_eq!(copy.remove_original(&mail).expect("no error"), Settled::Gone);
        let copies = folder.path().join(".failed/new");
        // Removed by a second watcher it would be nowhere else.
        take_back(slice::from_ref(&copy), &folder.path().join("tmp"));
        assert_eq!(files(&copies).len(), 1);
        take_back(&[copy], &cur);
        assert!(files(&copies).is_empty());
    }

    /// The system does not let anybody remove this one.
    #[test]
    fn a_mail_that_can_not_be_removed_leaves_no_copy() {
        let (folder, maildir) = maildir();
        fs::remove_dir(folder.path().join("new")).expect("removed");
        unix_fs::symlink("/proc", folder.path().join("new")).expect("linked");
        let mail = maildir.entry(Folder::New, "version".into()).expect("a mail");
        let error = settle_failed(&[(&mail, "why")]).remove(0).expect_err("it stays");
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        let left = [".failed/new", ".failed/tmp"].map(|part| folder.path().join(part));
        assert!(left.iter().all(|part| !part.exists() || files(part).is_empty()));
    }

    #[test]
    fn a_mail_that_is_gone_makes_no_folder() {
        let (folder, maildir) = maildir();
        let mail = deliver(&maildir, "1.mx", "body");
        fs::remove_file(mail.path()).expect("removed");
        assert!(!fail(&mail, "why") && !folder.path().join(".failed").exists());
        folder.close().expect("removed");
        assert!(!fail(&mail, "why"), "it is no error");
    }

    #[test]
    fn two_mails_of_the_same_bytes_have_two_copies() {
        let (folder, maildir) = maildir();
        let copies = folder.path().join(".failed/new");
        // The second time it is as if a crash had left the copies.
        for _ in 0..2 {
            let (one, other) =
                (deliver(&maildir, "1.mx", "body"), deliver(&maildir, "1.mx,S=4", "body"));
            let settled = settle_failed(&[(&one, "why"), (&other, "why")]);
            assert!(settled.into_iter().all(|settled| settled.is_ok()));
            assert_eq!(files(&copies).len(), 2);
            assert!(files(folder.path().join("new")).is_empty());
        }
    }

    #[test]
    fn names_that_look_alike_lose_no_mail() {
        let (folder, maildir) = maildir();
        let names = [
            "Report: a.eml",
            "Report: b.eml",
            "10:00:01.eml",
            "10:30:00.eml",
            "a,b",
            "a,c",
            "a,S=4",
            "a,S=x",
            "a",
        ];
        let mails: Vec<Entry> = names
            .iter()
            .map(|name| deliver(&maildir, name, &format!("{name}.").repeat(3)))
            .collect();
        let settled = settle_failed(&mails.iter().map(|mail| (mail, "why")).collect::<Vec<_>>());
        let moved = |settled: io::Result<Settled>| settled.expect("delivered") == Settled::Moved;
        assert!(settled.into_iter().all(moved));
        let copies = files(folder.path().join(".failed/new"));
        assert_eq!(copies.len(), names.len(), "{copies:?}");
        let mut bodies: Vec<String> = copies
            .iter()
            .map(|name| {
                fs::read_to_string(folder.path().join(".failed/new").join(name)).expect("read")
            })
            .map(|text| text.split_once('\n').expect("a header").1.to_owned())
            .collect();
        bodies.sort();
        let mut expected: Vec<String> =
            names.iter().map(|name| format!("{name}.").repeat(3)).collect();
        expected.sort();
        assert_eq!(bodies, expected);
    }

    #[test]
    fn other_mail_of_the_same_name_and_size_is_no_copy() {
        let (folder, maildir) = maildir();
        for n in 0..150 {
            let mail = deliver(&maildir, "1.mx", &format!("{n:05}"));
            assert!(fail(&mail, "why"));
            let mail = deliver(&maildir, "2.mx", &format!("{n:05}"));
            assert_eq!(mail.settle_stored().expect("moved"), Settled::Moved);
        }
        assert_eq!(files(folder.path().join(".failed/new")).len(), 150);
        assert_eq!(files(folder.path().join("cur")).len(), 150);
        assert!(
            files(folder.path().join("new")).is_empty()
                && files(folder.path().join(".failed/tmp")).is_empty()
        );
    }

    #[test]
    fn a_name_of_255_bytes_can_be_settled() {
        let (folder, maildir) = maildir();
        let name = "x".repeat(255);
        let stored = deliver(&maildir, &name, "a").settle_stored();
        assert_eq!(stored.expect("moved"), Settled::Moved);
        assert!(fail(&deliver(&maildir, &name, "b"), "why"));
        assert_eq!(
            (
                files(folder.path().join("cur")).len(),
                files(folder.path().join(".failed/new")).len()
            ),
            (1, 1)
        );
    }
}
