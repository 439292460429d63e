//! What is typed, and what is said of it when it is wrong.

mod readme;
mod told;

use std::fs;

use crate::support::program::{program, run, run_command};

/// The message of a run that could not begin, and its exit code.
fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let ended = run(arguments);
    assert_eq!(ended.stdout, "");
    (ended.code, ended.log)
}

#[test]
fn a_misspelt_command_is_no_missing_file() {
    let (code, log) = refused(&["oncee"]);
    assert_eq!(code, Some(64));
    assert!(log.contains(r#"no command or file "oncee"; did you mean "once"?"#), "{log}");
    let (code, log) = refused(&["mail.eml"]);
    assert_eq!(code, Some(64));
    assert!(log.contains("mail.eml: ") && !log.contains("did you mean"), "{log}");
}

#[test]
fn an_mbox_is_no_maildir() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("demo.mbox");
    fs::write(&file, "From a@example.org Thu Jan  1 00:00:00 1970\n\n").expect("written");
    let file = file.to_str().expect("UTF-8");
    for arguments in [&["once", file][..], &["watch", file], &["-d", file]] {
        let (code, log) = refused(arguments);
        assert_eq!(code, Some(64), "{log}");
        assert!(
            log.contains(&format!(
                "{file} is a file; mbox files, archives and single mails are for import"
            )),
            "{log}"
        );
    }
}

#[test]
fn a_flag_that_a_command_has_no_use_for_is_refused_and_not_in_its_help() {
    for arguments in [["report", "--bulk-bytes=1MiB"], ["--bulk-bytes=1MiB", "report"]] {
        let (code, log) = refused(&arguments);
        assert_eq!(code, Some(64));
        assert!(log.contains("report has no use for --bulk-bytes"), "{log}");
    }
    let help = run(["report", "--help"]).stdout;
    assert!(help.contains("--store") && !help.contains("--bulk-bytes"), "{help}");
}

#[test]
fn the_short_help_fits_a_screen_and_the_long_one_has_every_flag() {
    for command in ["once", "watch", "import", "report", "export"] {
        let short = run([command, "-h"]).stdout;
        assert!(short.lines().count() <= 30, "{command}: {} lines", short.lines().count());
        assert_eq!(run(["help", command]).code, Some(0));
    }
    let import = run(["import", "--help"]).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        import.contains("65 something can't be read, or nothing was found; 75 stopped"),
        "{import}"
    );
    let long = run(["once", "--help"]).stdout;
    for flag in ["--bulk-bytes", "--limit-records", "--unrecognized", "Exit codes:"] {
        assert!(long.contains(flag), "{flag} is missing in {long}");
    }
}

#[test]
fn the_help_shows_no_password() {
    let mut command = program(["once", "--help"]);
    command
        .env("ERP_OPENSEARCH", "https://user:secret@h:9200")
        .env("ERP_AUTHSERV_ID", "hidden.example");
    let help = run_command(command).stdout;
    assert!(
        help.contains("ERP_OPENSEARCH")
            && !help.contains("secret")
            && !help.contains("hidden.example"),
        "{help}"
    );
}

#[test]
fn wrong_values_are_told_in_plain_words() {
    for (flag, expected) in [
        ("--give-up-after=5", "5 needs a unit, such as 5s"),
        ("--give-up-after=soon", "expected a time such as 30s, 10m or 2h"),
        ("--bulk-bytes=5x", "expected a size such as 500kB or 64MiB"),
        ("--limit-records=-", "expected a whole number"),
        ("--opensearch=localhost:9200", "did you mean http://localhost:9200?"),
        ("--opensearch=http://localhost:99999", "there is no such port"),
        ("--opensearch=http://a:sec/ret@localhost:9", "no user and password in the URL, please"),
        ("--opensearch=http://a:sec?ret@localhost", "no user and password in the URL, please"),
        ("--dmarc-index=a%41", "\"a%41\" can't be the name of an index"),
        ("--opensearch-password-file=/nosuch", "opensearch-password-file /nosuch: No such file"),
    ] {
        let log = run(["--opensearch=http://127.0.0.1:9", flag, "once", "x"]
            .iter()
            .skip(usize::from(flag.starts_with("--opensearch="))))
        .log;
        assert!(log.contains(expected) && !log.contains("ret@"), "{flag}: {log}");
    }
}

#[test]
fn a_password_that_is_missing_is_asked_for_on_a_terminal_only() {
    let (code, log) = refused(&["--url=http://127.0.0.1:9", "-uname", "once", "x"]);
    assert_eq!(code, Some(78));
    assert!(log.contains("no terminal to ask for one; see --opensearch-password-file"), "{log}");
    let (code, log) = refused(&["--url=http://127.0.0.1:9", "-kuname:", "once", "x"]);
    assert_eq!(code, Some(78));
    assert!(log.contains("opensearch-user's password: it is empty"), "{log}");
}

#[test]
fn an_address_needs_a_port() {
    let (code, log) = refused(&["watch", "--metrics=9187", "x"]);
    assert_eq!(code, Some(64));
    assert!(log.contains("expected an address with a port, such as 127.0.0.1:9187"), "{log}");
}

#[test]
fn mistakes_in_the_settings_file_are_told_with_the_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("settings.toml");
    fs::write(&file, "threads = 2\nunrecognised = 'keep'\n").expect("written");
    let file = file.to_str().expect("UTF-8");
    let (code, log) = refused(&["--config", file, "once", "x"]);
    assert_eq!(code, Some(78));
    assert!(
        log.contains("settings.toml, line 2: there is no setting \"unrecognised\"; did you mean \"unrecognized\"?"),
        "{log}"
    );
    assert_eq!(log.lines().count(), 1, "{log}");
}
