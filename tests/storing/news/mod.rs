//! `digest` and `alert`: what changed, told once, to real programs and servers.

mod hostile;
mod open;
mod postfix;
mod reporters;
mod telling;
mod ways;
mod year;

use std::{
    fs,
    ops::RangeInclusive,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use email_report_processor::demo::Year;
use tempfile::TempDir;

use crate::support::program::{TestMaildir, run};

/// The mails about some days of a year.
fn deliver(maildir: &TestMaildir, year: Year, days: RangeInclusive<i64>) {
    let mails = days.flat_map(|day| year.mails_about(day));
    for (n, mail) in mails.enumerate() {
        let mail = mail.expect("a mail");
        maildir.deliver(&format!("{}.{n}.demo", mail.received), &mail.bytes);
    }
}

/// A program that keeps what it is given: its arguments, and its standard input. It ends with what
/// stands in the file `code`, if there is one.
struct Taker {
    folder: TempDir,
}

impl Taker {
    fn new() -> Taker {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path().display();
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$@\" > {at}/arguments\ncat > {at}/taken\n\
             echo again >> {at}/calls\ntest -e {at}/code || exit 0\n\
             echo 'I do not want it' >&2\nexit $(cat {at}/code)\n"
        );
        let taker = Taker { folder };
        fs::write(taker.program(), script).expect("written");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(taker.program(), mode).expect("a program");
        taker
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("program")
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    fn calls(&self) -> usize {
        self.file("calls").lines().count()
    }

    fn refuse(&self, code: &str) {
        fs::write(self.folder.path().join("code"), code).expect("written");
    }

    fn take_again(&self) {
        fs::remove_file(self.folder.path().join("code")).expect("removed");
    }
}

/// A mail as a mail program shows it: subject, text and page.
fn shown(mail: &[u8]) -> (String, String, String) {
    let mail = mail_parser::MessageParser::default().parse(mail).expect("a mail");
    (
        mail.subject().expect("a subject").to_owned(),
        mail.body_text(0).expect("a text").into_owned(),
        mail.body_html(0).expect("a page").into_owned(),
    )
}

/// The arguments of a flag with a path.
fn flag(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

/// Stores what is in a Maildir.
fn store(maildir: &TestMaildir, store: &Path) {
    let ended = run(["once", &flag("--store", store), maildir.path().to_str().expect("UTF-8")]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}
