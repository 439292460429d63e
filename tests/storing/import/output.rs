//! `import` and an output that is not there or full.

use std::{fs, process::Command};

use super::{Place, text};
use crate::support::program::{TestMaildir, below, program, run_command};

#[test]
fn a_list_of_errors_that_can_not_be_written_hides_no_summary() {
    let place = Place::new();
    let file = place.path("letter.eml");
    fs::write(&file, "From: a@example.org\nSubject: x\n\nno report\n").expect("written");
    let ended = place.import(&["--errors", "/dev/full", text(&file)]);
    assert_eq!(ended.code, Some(75), "{}", ended.log);
    assert!(ended.summary().contains(" 1 mail: "), "{}", ended.log);
    assert!(ended.log.contains("/dev/full: "), "{}", ended.log);
}

/// The list is written anew.
#[test]
fn a_list_of_errors_in_place_of_a_store_or_a_source_is_refused() {
    let place = Place::new();
    let mail = place.path("mail.eml");
    fs::copy("tests/fixtures/dmarc/rfc7489.xml", &mail).expect("copied");
    assert_eq!(place.import(&[text(&mail)]).code, Some(0));
    let link = place.path("link");
    std::os::unix::fs::symlink(&mail, &link).expect("a link");
    let store = place.path("store");
    for arguments in [
        vec!["--errors", text(&mail), text(&mail)],
        vec!["--errors", text(&link), text(&mail)],
        vec!["--errors", text(&store), text(&mail)],
        vec!["--errors", text(&store), "--dry-run", text(&mail)],
    ] {
        let ended = place.import(&arguments);
        assert_eq!(ended.code, Some(64), "{arguments:?}: {}", ended.log);
        assert!(ended.log.contains("this file is read, or is a store"), "{}", ended.log);
    }
    assert!(fs::metadata(&mail).expect("a file").len() > 0);
    assert!(fs::metadata(&store).expect("a file").len() > 0);
}

/// The runtime puts /dev/null where standard output was closed, and all lines would go there.
#[test]
fn lines_for_a_closed_standard_output_are_not_lost() {
    let run = |redirection: &str| {
        let maildir = TestMaildir::new();
        maildir.deliver("a", &fs::read("tests/fixtures/dmarc/rfc7489.xml").expect("a report"));
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("exec \"$0\" \"$@\" {redirection}"));
        let inner = program(["once", "--ndjson", "-", text(maildir.path())]);
        let ended = run_command(below(shell, &inner));
        (ended.code, maildir.count("new"), ended.log)
    };
    let (code, new, log) = run(">&-");
    assert_eq!((code, new), (Some(75), 1), "{log}");
    assert!(log.contains("standard output is closed"), "{log}");
    let (code, new, log) = run(">/dev/null");
    assert_eq!((code, new), (Some(0), 0), "on purpose: {log}");
}
