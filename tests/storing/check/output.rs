//! What is shown, and where settings come from.

use std::{collections::BTreeSet, fs};

use super::check;
use crate::support::program::{program, run, run_command};

#[test]
fn settings_come_from_file_flags_and_environment() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = |name: &str| folder.path().join(name).display().to_string();
    let file = name("settings.toml");
    fs::write(&file, format!("store = {:?}", name("by-file"))).expect("written");
    let about = |found: &super::Found| found.only("store.rights", "").1.clone();
    let found = check(["--config", &file]);
    assert!(found.only("settings", &file).1.ends_with("by-file"));
    assert!(!about(&found).is_empty());
    found.of("store.rights", "by-file").pop().expect("of the file");
    let found = check(["--config", &file, "--store", &name("by-flag")]);
    found.of("store.rights", "by-flag").pop().expect("of the flag");
    let mut command = program(["check", "--json"]);
    command.env("ERP_STORE", name("by-variable"));
    let found = super::Found::from(run_command(command));
    found.of("store.rights", "by-variable").pop().expect("of the variable");

    fs::write(&file, "stroe = 'x'").expect("written");
    let found = check(["--config", &file]);
    found.has("settings", "wrong", &["line 1", "did you mean \"store\"?"]);
    assert_eq!(found.code, Some(1));
}

#[test]
fn lines_are_one_each_where_they_are_piped() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("x.sqlite").display().to_string();
    let mut command = program(["check", "--store", &store, "/nonexistent"]);
    command.env("CLICOLOR_FORCE", "1").env("COLUMNS", "40");
    let ended = run_command(command);
    assert_eq!(ended.code, Some(1));
    assert!(!ended.stdout.contains('\u{1b}'), "{}", ended.stdout);
    let wrong: Vec<&str> = ended.stdout.lines().filter(|line| line.starts_with("wrong ")).collect();
    assert_eq!(wrong.len(), 1, "{}", ended.stdout);
    assert!(wrong[0].starts_with("wrong    /nonexistent: "), "{}", wrong[0]);
    assert!(ended.stdout.ends_with(", 1 wrong\n"), "{}", ended.stdout);
}

/// util-linux's `script` is a terminal of this size.
#[test]
fn on_a_terminal_lines_are_broken_and_coloured() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("a-store-with-a-name-of-some-length.sqlite");
    for (columns, variable) in [(80, None), (200, None), (80, Some("1"))] {
        let inner = program(["check", "--store", store.to_str().expect("UTF-8"), "/nonexistent"]);
        let words: Vec<_> = std::iter::once(inner.get_program())
            .chain(inner.get_args())
            .map(|word| format!("'{}'", word.to_str().expect("UTF-8")))
            .collect();
        let line = format!("stty cols {columns}; {}", words.join(" "));
        let mut outer = std::process::Command::new("script");
        outer
            .args(["-qec", &line, "/dev/null"])
            .env("ERP_CONFIG", "/dev/null")
            .env("TERM", "xterm");
        outer.env_remove("NO_COLOR");
        if let Some(variable) = variable {
            outer.env("NO_COLOR", variable);
        }
        let Ok(output) = outer.stdin(std::process::Stdio::null()).output() else {
            crate::support::server::skip("there is no script (util-linux)");
            return;
        };
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stdout).expect("UTF-8").replace('\r', "");
        assert_eq!(text.contains('\u{1b}'), variable.is_none(), "{text:?}");
        let plain = console::strip_ansi_codes(&text).into_owned();
        let longest = plain.lines().map(|line| line.chars().count()).max().expect("lines");
        let path = store.display().to_string().len() + 10;
        assert!(longest <= columns.max(path), "{columns}: {plain}");
        assert_eq!(
            plain.lines().any(|line| line.starts_with("         ")),
            columns == 80,
            "{plain}"
        );
    }
}

#[test]
fn help_names_what_is_used() {
    let ended = run(["check", "--help"]);
    for words in ["--dns", "--address", "--dns-server", "--json", "1 something is"] {
        assert!(ended.stdout.contains(words), "{words}: {}", ended.stdout);
    }
}

/// The names are a promise.
#[test]
fn the_guide_names_every_check_and_no_others() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(root.join("contrib/guide/checking.md")).expect("the page");
    let (_, table) = guide.split_once("\n| check |").expect("the table");
    let listed: BTreeSet<&str> =
        table.lines().skip(2).filter_map(|l| l.split('`').nth(1)).collect();
    let sources = walkdir::WalkDir::new(root.join("src/mode/check")).into_iter();
    let files = sources.map(|file| file.expect("readable")).filter(|f| f.file_type().is_file());
    let source: String =
        files.map(|file| fs::read_to_string(file.path()).expect("UTF-8")).collect();
    let is_name = |text: &&str| {
        let areas = ["maildir.", "store.", "dns."];
        let alone = ["settings", "user", "events", "disk"];
        alone.contains(text)
            || areas.iter().any(|area| text.strip_prefix(area).is_some_and(|rest| !rest.is_empty()))
                && text.chars().all(|c| c.is_ascii_lowercase() || c == '.')
    };
    let used: BTreeSet<&str> = source.split('"').filter(is_name).collect();
    assert_eq!(used, listed);
}
