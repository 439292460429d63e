//! README.md shows what the program prints, and commands that it takes.

use std::{fs, path::PathBuf};

use email_report_processor::cli;

use crate::support::program::{TestMaildir, program, run, run_command};

fn project(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn readme() -> String {
    fs::read_to_string(project("README.md")).expect("README.md")
}

/// The indented lines that follow this one.
fn block(after: &str) -> String {
    let readme = readme();
    let (_, rest) = readme.split_once(&format!("\n{after}\n\n")).expect(after);
    let lines = rest.lines().take_while(|line| line.starts_with("    "));
    lines.flat_map(|line| [&line[4..], "\n"]).collect()
}

#[test]
fn the_output_shown_is_what_the_program_prints() {
    let maildir = TestMaildir::new();
    for mail in fs::read_dir(project("contrib/demo/mails")).expect("mails") {
        let mail = mail.expect("a mail");
        let name = mail.file_name().into_string().expect("UTF-8");
        maildir.deliver(&name, &fs::read(mail.path()).expect("read"));
    }
    let store = maildir.path().join("reports.sqlite");
    let (store, path) = (store.to_str().expect("UTF-8"), maildir.path().to_str().expect("UTF-8"));
    assert_eq!(run(["once", "--store", store, path]).code, Some(0));
    let period = ["--since", "2026-09", "--until", "2026-10"];
    let asked = ["report", "--store", store, "--domain", "shop.example.com"];
    let mut report = program(asked.iter().chain(&period));
    report.env("LC_ALL", "C.UTF-8");
    let printed = run_command(report).stdout;
    let shown = block("What it looks like:");
    assert!(
        shown.lines().count() >= 6 && printed.contains(&shown),
        "README shows\n{shown}\nof\n{printed}"
    );
}

#[test]
fn the_program_takes_every_command_shown() {
    let mut commands = 0;
    for line in readme().lines() {
        let Some((before, command)) = line.split_once("email-report-processor ") else { continue };
        let before = before.trim_end_matches("sudo ");
        let is_code =
            line.starts_with("    ") || before.ends_with('`') || before.ends_with("/bin/");
        if !is_code {
            continue;
        }
        let command = command.split(['>', '`', '"']).next().unwrap_or_default();
        let words = ["email-report-processor"].into_iter().chain(command.split_whitespace());
        if let Err(error) = cli::command().try_get_matches_from(words) {
            panic!("{line}: {error}");
        }
        commands += 1;
    }
    assert!(commands >= 8, "only {commands} commands are shown");
}
