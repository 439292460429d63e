//! By what it is told: a command, mail to each of several; each is told each thing once, whatever
//! becomes of the others.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Stdio};

use rusqlite::Connection;

use super::{flag, open::Story, telling::SERVER};
use crate::support::program::{Ended, program, run_command};

/// The day on which it is told that a sender fails.
const DAY: i64 = 42;

/// Programs that note by what way they were called, last word first; a file of the way's name in
/// `refuses` or `kills` has them refuse the message, or kill who hands it over.
struct Ways {
    story: Story,
}

impl Ways {
    /// With a sender that begins to fail.
    fn new() -> Ways {
        let story = Story::new();
        story.reported(0..40, "a.example", "example.org", &[("192.0.2.7", 50, true)]);
        story.reported(40..42, "a.example", "example.org", &[("192.0.2.7", 50, false)]);
        let ways = Ways { story };
        for name in ["refuses", "kills"] {
            fs::create_dir(ways.path(name)).expect("a folder");
        }
        let at = ways.path("").display().to_string();
        let script = format!(
            "#!/bin/sh\nway=command\nfor word; do way=$word; done\ncat > /dev/null\n\
             test ! -e {at}/slow || sleep 1\ntest ! -e {at}/refuses/$way || exit 67\n\
             echo $way >> {at}/told\ntest ! -e {at}/kills/$way || kill -9 $PPID\n"
        );
        fs::write(ways.path("way"), script).expect("written");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(ways.path("way"), mode).expect("a program");
        ways
    }

    fn path(&self, name: &str) -> PathBuf {
        self.story.path(name)
    }

    fn set(&self, what: &str) {
        fs::write(self.path(what), "").expect("written");
    }

    fn unset(&self, what: &str) {
        fs::remove_file(self.path(what)).expect("removed");
    }

    /// By the command and by mail to one and other.
    fn alert(&self, n: i64) -> Ended {
        self.alert_by(n, &["command", "one@example.org", "other@example.org"])
    }

    fn alert_by(&self, n: i64, ways: &[&str]) -> Ended {
        let way = self.path("way");
        let mut flags = vec![flag("--sendmail", &way)];
        flags.extend(ways.iter().map(|name| match *name {
            "command" => flag("--alert-command", &way),
            to => format!("--mail-to={to}"),
        }));
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        self.story.alert(n, &flags)
    }

    /// Who was told since the last look.
    fn told(&self) -> Vec<String> {
        let told = fs::read_to_string(self.path("told")).unwrap_or_default();
        let _ = fs::remove_file(self.path("told"));
        told.lines().map(str::to_owned).collect()
    }
}

#[test]
fn one_that_is_refused_keeps_nothing_from_the_others() {
    let ways = Ways::new();
    ways.set("refuses/one@example.org");
    let ended = ways.alert(DAY);
    assert_eq!(ended.code, Some(75), "{}", ended.log);
    assert!(ended.log.contains("mail one@example.org: ") && ended.log.contains("ended with 67"));
    assert!(ended.log.contains("1 alert told"), "{}", ended.log);
    assert_eq!(ways.told(), ["command", "other@example.org"]);
    assert_eq!(ways.alert(DAY).code, Some(75));
    assert_eq!(ways.told(), [""; 0], "they have it");
    ways.unset("refuses/one@example.org");
    assert_eq!(ways.alert(DAY).code, Some(0));
    assert_eq!(ways.told(), ["one@example.org"]);
    assert_eq!(ways.alert(DAY).code, Some(0));
    assert_eq!(ways.told(), [""; 0]);
}

#[test]
fn a_kill_after_the_telling_tells_that_way_again_and_no_other() {
    let ways = Ways::new();
    ways.set("kills/one@example.org");
    let ended = ways.alert(DAY);
    assert_eq!(ended.code, None, "it was killed: {}", ended.log);
    assert_eq!(ways.told(), ["command", "one@example.org"]);
    ways.unset("kills/one@example.org");
    assert_eq!(ways.alert(DAY).code, Some(0));
    assert_eq!(ways.told(), ["one@example.org", "other@example.org"], "at least once");
    assert_eq!(ways.alert(DAY).code, Some(0));
    assert_eq!(ways.told(), [""; 0]);
}

#[test]
fn who_comes_later_is_told_what_is_open() {
    let ways = Ways::new();
    assert_eq!(ways.alert_by(DAY, &["command"]).code, Some(0));
    assert_eq!(ways.told(), ["command"]);
    assert_eq!(ways.alert_by(DAY, &["command", "one@example.org"]).code, Some(0));
    assert_eq!(ways.told(), ["one@example.org"]);
    // The same one, spelled otherwise.
    assert_eq!(ways.alert_by(DAY, &["One@Example.ORG"]).code, Some(0));
    assert_eq!(ways.told(), [""; 0]);
}

#[test]
fn what_a_store_of_an_older_version_was_told_is_told_no_more() {
    let ways = Ways::new();
    assert_eq!(ways.alert_by(DAY, &["command"]).code, Some(0));
    assert_eq!(ways.told(), ["command"]);
    // As version 7 had it: by all ways that there were.
    let store = Connection::open(ways.path("reports.sqlite")).expect("the store");
    let back = "CREATE TABLE before (kind TEXT NOT NULL, domain TEXT NOT NULL, who TEXT NOT NULL,
            opened INTEGER NOT NULL, found INTEGER NOT NULL, grade INTEGER NOT NULL,
            text TEXT NOT NULL, PRIMARY KEY (kind, domain, who)) STRICT, WITHOUT ROWID;
        INSERT INTO before SELECT kind, domain, who, opened, found, grade, text FROM situations;
        DROP TABLE situations;
        ALTER TABLE before RENAME TO situations;
        PRAGMA user_version = 7";
    store.execute_batch(back).expect("version 7");
    drop(store);
    assert_eq!(ways.alert(DAY).code, Some(0));
    assert_eq!(ways.told(), [""; 0]);
    // It is over, for each of them.
    ways.story.reported(42..50, "a.example", "example.org", &[("192.0.2.7", 50, true)]);
    for n in DAY..50 {
        assert_eq!(ways.alert(n).code, Some(0));
    }
    assert_eq!(ways.told(), ["command", "one@example.org", "other@example.org"]);
}

/// Two at once, each with a state folder of its own.
fn only_one_tells(ways: &Ways, store: &[String]) {
    ways.set("slow");
    let both: Vec<_> = ["a", "b"]
        .map(|state| {
            let way = flag("--alert-command", &ways.path("way"));
            let at = format!("--at={}", super::open::day(DAY));
            let mut alert = program(["alert", &way, &at]);
            alert.args(store).env("STATE_DIRECTORY", ways.path(state));
            alert.stderr(Stdio::null()).spawn().expect("it runs")
        })
        .into();
    for mut one in both {
        assert_eq!(one.wait().expect("its end").code(), Some(0));
    }
    assert_eq!(ways.told(), ["command"]);
}

#[test]
fn two_at_once_tell_once() {
    let ways = Ways::new();
    only_one_tells(&ways, &[ways.story.store()]);
}

#[test]
fn two_at_once_tell_once_of_a_cluster() {
    let Some(server) = SERVER.as_ref() else { return };
    let ways = Ways::new();
    let names = ["dmarc", "tlsrpt", "failures"].map(|kind| format!("--{kind}-index=ways-{kind}"));
    let store: Vec<String> =
        [format!("--opensearch={}", server.url)].into_iter().chain(names).collect();
    let mut import = program(["import"]);
    import.args(&store).arg(ways.path("reports.sqlite"));
    let ended = run_command(import);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    only_one_tells(&ways, &store);
}
