//! Man pages, completions and the reference of settings, as the program makes them.

use std::{fs, path::Path, process::Command};

use email_report_processor::cli::{self, Settings};

use crate::support::program::{run, run_command};

/// What `generate` prints.
fn generated(arguments: &[&str]) -> String {
    let ended = run(["generate"].iter().chain(arguments));
    assert_eq!((ended.code, ended.log.as_str()), (Some(0), ""), "{arguments:?}");
    ended.stdout
}

/// The names that a command line which ends with `--` is completed to by bash.
fn completed(words: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("completions");
    fs::write(&script, generated(&["completions", "bash"])).expect("written");
    let ask = r#"source "$1"; shift
        COMP_WORDS=(email-report-processor "$@") COMP_CWORD=$#
        [[ $(complete -p email-report-processor) =~ -F\ ([^ ]+) ]]
        "${BASH_REMATCH[1]}" email-report-processor "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let mut bash = Command::new("bash");
    bash.args(["-c", ask, "bash"]).arg(&script).args(words);
    run_command(bash).stdout.lines().map(str::to_owned).collect()
}

#[test]
fn the_reference_in_contrib_is_what_generate_prints() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/email-report-processor.toml");
    let kept = fs::read_to_string(file).expect("readable");
    let command = "email-report-processor generate settings > contrib/email-report-processor.toml";
    assert!(
        kept == generated(&["settings"]),
        "the flags have changed since it was made; make it anew: {command}"
    );
}

#[test]
fn the_reference_without_comment_signs_sets_every_setting() {
    let is_setting =
        |line: &&str| line.starts_with('#') && !line.starts_with("# ") && !line.starts_with("##");
    let reference = generated(&["settings"]);
    let settings: Vec<&str> = reference
        .lines()
        .filter(is_setting)
        .map(|line| &line[1..])
        .filter(|l| !l.is_empty())
        .collect();
    let names: Vec<String> = Settings::NAMES.iter().map(|name| name.replace('_', "-")).collect();
    assert_eq!(
        settings.iter().filter_map(|line| line.split(" = ").next()).collect::<Vec<_>>(),
        names
    );
    toml::from_str::<Settings>(&settings.join("\n")).expect("settings");
    // As it is, it sets nothing.
    assert!(toml::from_str::<toml::Table>(&reference).expect("TOML").is_empty());
}

#[test]
fn man_pages_are_there_for_the_program_and_each_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("man1");
    generated(&["man", "--out", out.to_str().expect("UTF-8")]);
    let mut names: Vec<String> = fs::read_dir(&out)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    let commands = cli::command();
    let shown = commands.get_subcommands().filter(|command| !command.is_hide_set());
    let mut expected: Vec<String> = shown
        .flat_map(|command| {
            let name = format!("email-report-processor-{}", command.get_name());
            let inner =
                command.get_subcommands().map(|inner| format!("{name}-{}", inner.get_name()));
            inner.chain([name.clone()]).collect::<Vec<_>>()
        })
        .map(|name| format!("{name}.1"))
        .collect();
    expected.push("email-report-processor.1".into());
    expected.sort();
    assert_eq!(names, expected);
    let page = fs::read_to_string(out.join("email-report-processor-watch.1")).expect("readable");
    for text in [
        "NFS",
        r"\-\-bulk\-bytes",
        "Size of a bulk request",
        "ERP_BULK_BYTES",
        "75 store unreachable",
    ] {
        assert!(page.contains(text), "{text:?} is missing in {page}");
    }
    assert!(generated(&["man"]).contains(&page));
    let page = fs::read_to_string(out.join("email-report-processor-dashboards-install.1"));
    let page = page.expect("readable");
    assert!(page.contains(r"\-\-dashboards\-url") && page.contains(r"\-\-ca\-file"), "{page}");
    assert!(!page.contains(r"\-\-bulk\-bytes"), "{page}");
}

#[test]
fn bash_completes_the_flags_that_a_command_uses() {
    let words = completed(&["watch", "--"]);
    for flag in ["--metrics", "--opensearch", "--limit-records", "--quiet", "--help"] {
        assert!(words.iter().any(|word| word == flag), "{flag} is missing in {words:?}");
    }
    let words = completed(&["export", "--"]);
    assert!(
        words.contains(&"--store".into()) && !words.contains(&"--opensearch".into()),
        "{words:?}"
    );
    let words = completed(&["w"]);
    assert_eq!(words, ["watch"]);
}

#[test]
fn what_is_hidden_stays_hidden() {
    let command = cli::command();
    let hidden: Vec<&str> = command
        .get_arguments()
        .filter(|arg| arg.is_hide_set())
        .filter_map(|arg| arg.get_long())
        .collect();
    assert!(hidden.contains(&"dedup-since"), "{hidden:?}");
    for arguments in
        [&["man"][..], &["completions", "bash"], &["completions", "fish"], &["completions", "zsh"]]
    {
        // In man pages a hyphen is written with a backslash.
        let text = generated(arguments).replace('\\', "");
        assert!(text.contains("dmarc-index"));
        for word in hidden.iter().copied().chain(["generate"]) {
            assert!(!text.contains(word), "{word} in {arguments:?}");
        }
    }
    assert_eq!(
        run(["--dedup-since=1d", "/nosuch"]).code,
        Some(64),
        "it is accepted, the file is what is wrong"
    );
}

#[test]
fn the_mails_of_a_year_are_all_stored() {
    let folder = tempfile::tempdir().expect("a folder");
    let (maildir, store) = (folder.path().join("Maildir"), folder.path().join("reports.sqlite"));
    let path = maildir.to_str().expect("UTF-8");
    let told = generated(&["year", path, "--end", "2026-09-30"]);
    let silent =
        "2026-07-28 to 2026-09-30, example.com: a reporter falls silent (University of Example)\n";
    assert!(told.contains(silent), "{told}");
    let mails = fs::read_dir(maildir.join("new")).expect("a folder").count();
    let store = store.to_str().expect("UTF-8");
    let ended = run(["once", "--store", store, path]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.log.contains(&format!("{mails} mails: {mails} with reports")), "{}", ended.log);
    let again = run(["generate", "year", path]);
    assert_eq!(again.code, Some(64), "a folder that is there: {}", again.log);
}

#[test]
fn generate_takes_no_flag_of_a_store() {
    for arguments in [["generate", "settings", "--store=x"], ["--store=x", "generate", "settings"]]
    {
        assert_eq!(run(arguments).code, Some(64), "{arguments:?}");
    }
}
