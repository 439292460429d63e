//! contrib/guide: commands parse and run, requests are understood by a real OpenSearch, messages
//! are the program's own.

mod opensearch;

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use email_report_processor::cli;

use crate::support::{
    program::{below, program, run_command},
    server::skip,
};

const PROGRAM: &str = "email-report-processor";

/// A fenced block of a page.
pub(super) struct Block {
    /// Page and line, for messages.
    place: String,
    /// What stands behind the fence, such as `sh run`.
    kind: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages, by name.
fn pages() -> Vec<(String, String)> {
    let files = fs::read_dir(root().join("contrib/guide")).expect("a folder");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("readable").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    let named = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    paths.iter().map(|path| (named(path), fs::read_to_string(path).expect("UTF-8"))).collect()
}

/// The fenced blocks of a page, in order.
pub(super) fn blocks(page: &str, text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (n, line) in text.lines().enumerate() {
        if let Some(kind) = line.trim_start().strip_prefix("```") {
            open = !open;
            if open {
                let place = format!("{page}, line {}", n + 1);
                blocks.push(Block { place, kind: kind.into(), text: String::new() });
            }
        } else if open {
            let block = blocks.last_mut().expect("one is open");
            block.text.extend([line.trim_end(), "\n"]);
        }
    }
    assert!(!open, "{page}: a block is not closed");
    blocks
}

/// The blocks of all pages whose kind begins with this word.
pub(super) fn blocks_of(kind: &str) -> Vec<Block> {
    let all = pages().into_iter().flat_map(|(page, text)| blocks(&page, &text));
    all.filter(|block| block.kind.split(' ').next() == Some(kind)).collect()
}

/// What is typed on a line behind the program's name, if it is called there.
fn arguments(line: &str) -> Option<Vec<String>> {
    let mut words = line.split_whitespace();
    // `volume:/var/lib/email-report-processor` is a folder.
    words.find(|word| word.rsplit('/').next() == Some(PROGRAM) && !word.contains(':'))?;
    let ends = |word: &&str| ["|", "<", ">", ">>", "&&", ";", "#"].contains(word);
    Some(words.take_while(|word| !ends(word)).map(|word| word.replace('\'', "")).collect())
}

#[test]
fn every_command_parses() {
    let mut lines = Vec::new();
    for (page, text) in pages() {
        let in_blocks = blocks(&page, &text).into_iter();
        for Block { place, text, .. } in in_blocks.filter(|b| b.kind != "text") {
            let joined = text.replace("\\\n", " ");
            lines.extend(joined.lines().map(|line| (place.clone(), line.to_owned())));
        }
        let spans = text.split('`').skip(1).step_by(2).filter(|span| span.contains(' '));
        let commands = spans.filter(|span| span.starts_with(PROGRAM) && !span.contains('\n'));
        lines.extend(commands.map(|span| (page.clone(), span.to_owned())));
    }
    let mut count = 0;
    for (place, line) in lines {
        let Some(arguments) = arguments(&line) else { continue };
        let typed = std::iter::once(PROGRAM.to_owned()).chain(arguments);
        if let Err(error) = cli::command().try_get_matches_from(typed) {
            panic!("{place}: {line}\n{error}");
        }
        count += 1;
    }
    assert!(count > 20, "{count} commands are too few: they are not found");
}

/// A home with the sample mails in a Maildir folder, and, where a page looks at a store, in that.
fn home(filled: bool) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a folder");
    symlink(root().join("contrib"), home.path().join("contrib")).expect("linked");
    for folder in ["new", "cur", "tmp"] {
        for maildir in ["Maildir", "Maildir/.Reports"] {
            fs::create_dir_all(home.path().join(maildir).join(folder)).expect("made");
        }
    }
    let import = "email-report-processor -q import contrib/demo/mails";
    let fill = "cp contrib/demo/mails/*.eml Maildir/.Reports/new";
    let ended = run_command(shell(home.path(), if filled { import } else { fill }));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    home
}

/// A shell as of a user of this home, who finds the program.
fn shell(home: &Path, script: &str) -> Command {
    let ours = program([""; 0]);
    let folder = Path::new(ours.get_program()).parent().expect("a folder").display().to_string();
    let path = std::env::var("PATH").expect("a path");
    let mut shell = Command::new("sh");
    shell.args(["-euc", script, "sh"]).current_dir(home);
    let mut shell = below(shell, &ours);
    shell.env("HOME", home).env("PATH", format!("{folder}:{path}"));
    shell.env_remove("XDG_DATA_HOME").env_remove("XDG_STATE_HOME");
    shell
}

#[test]
fn the_compose_file_starts_what_there_is() {
    let read = |path: &str| fs::read_to_string(root().join(path)).expect("UTF-8");
    let compose = read("contrib/guide/compose.yaml");
    let (_, service) = compose.split_once("\n  reports:\n").expect("our service");
    let value = |name: &str| {
        let mut lines = service.lines().map(str::trim);
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).expect("its line")
    };
    let typed = [PROGRAM].into_iter().chain(value("command").split(' '));
    cli::command().try_get_matches_from(typed).expect("a command");
    let image = value("image").replace(PROGRAM, "$name");
    assert!(read("contrib/container/build").contains(&format!("oci:{image}\"")), "{image}");
    let state = "/var/lib/email-report-processor";
    assert!(
        read("contrib/container/Containerfile").contains(&format!("STATE_DIRECTORY={state}\n"))
    );
    assert!(service.contains(&format!("- state:{state}\n")), "{service}");
}

/// Each page has a home of its own, so it can be followed alone.
#[test]
fn what_can_be_run_runs() {
    let mut count = 0;
    for (page, text) in pages() {
        let home = home(text.starts_with("# Reading") || text.starts_with("# Moving"));
        for block in blocks(&page, &text).iter().filter(|block| block.kind == "sh run") {
            let script = &block.text;
            let has_sqlite3 = || Command::new("sqlite3").arg("-version").output().is_ok();
            if script.contains("sqlite3") && !has_sqlite3() {
                skip("there is no sqlite3 here");
                continue;
            }
            let ended = run_command(shell(home.path(), script));
            assert_eq!(ended.code, Some(0), "{}:\n{script}\n{}", block.place, ended.log);
            eprintln!("{}:\n{script}\n{}{}", block.place, ended.log, ended.stdout);
            count += 1;
        }
    }
    assert!(count >= 10, "{count} blocks are too few: they are not found");
}

#[test]
fn sieve_scripts_compile() {
    let blocks = blocks_of("sieve");
    assert!(!blocks.is_empty(), "the guide has a script");
    if Command::new("sievec").arg("-V").output().is_err() {
        skip("there is no sievec here");
        return;
    }
    for block in blocks {
        let folder = tempfile::tempdir().expect("a folder");
        let script = folder.path().join("reports.sieve");
        fs::write(&script, &block.text).expect("written");
        let mut sievec = Command::new("sievec");
        sievec.args(["-c", "/dev/null"]).arg(&script).env("HOME", folder.path());
        let ended = run_command(sievec);
        assert_eq!(ended.code, Some(0), "{}: {}", block.place, ended.log);
    }
}

/// All of src, with what a string's `\` at the end of a line leaves out.
fn source() -> String {
    let files =
        walkdir::WalkDir::new(root().join("src")).into_iter().map(|file| file.expect("one"));
    let rust = files.filter(|file| file.path().extension().is_some_and(|name| name == "rs"));
    let texts = rust.map(|file| fs::read_to_string(file.path()).expect("UTF-8"));
    let text = texts.collect::<String>();
    let mut joined = String::with_capacity(text.len());
    let mut parts = text.split("\\\n");
    joined.push_str(parts.next().unwrap_or_default());
    parts.for_each(|part| joined.push_str(part.trim_start()));
    joined
}

#[test]
fn messages_are_the_program_s_own() {
    let source = source();
    let (_, text) = pages().into_iter().find(|(page, _)| page == "troubleshooting.md").expect("it");
    let rows = text.split("\n| message |").skip(1).flat_map(|table| {
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        rows.map(|row| row.split('`').nth(1).expect("a message in backticks")).collect::<Vec<_>>()
    });
    let rows: Vec<&str> = rows.collect();
    assert!(rows.len() > 30, "{} messages are too few: they are not found", rows.len());
    for message in rows {
        assert!(source.contains(message), "the program never says {message:?}");
    }
}

#[test]
fn links_lead_somewhere() {
    let all = pages();
    for (page, text) in &all {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() { page } else { file };
            let path = root().join("contrib/guide").join(file);
            assert!(path.exists(), "{page} links to {link}");
            let text = fs::read_to_string(&path).expect("UTF-8");
            let is_word = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
            let slug = |title: &str| -> String {
                let kept = title.to_lowercase().chars().filter(is_word).collect::<String>();
                kept.replace(' ', "-")
            };
            let titles = text.lines().filter(|line| line.starts_with('#'));
            let mut slugs = titles.map(|title| slug(title.trim_start_matches('#').trim()));
            assert!(anchor.is_empty() || slugs.any(|slug| slug == anchor), "{page}: {link}");
        }
    }
}

#[test]
fn lines_are_short() {
    for (page, text) in pages() {
        // A row of a table can't be broken.
        let lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('|'));
        for (n, line) in lines {
            assert!(line.chars().count() <= 100, "{page}, line {}: too long", n + 1);
        }
    }
}
