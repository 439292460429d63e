//! What README.md, the other documents and contrib/ name is there: flags, variables, settings.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use clap::{Arg, Command};
use email_report_processor::cli::{self, Settings};

/// Flags of other programs that the documents name.
const OF_OTHERS: [&str; 30] = [
    "all",
    "cap-drop",
    "detach",
    "directory",
    "env",
    "example",
    "ignored",
    "input",
    "interactive",
    "list",
    "locked",
    "manifest-path",
    "name",
    "network",
    "no-build",
    "nocapture",
    "now",
    "path",
    "profile",
    "publish",
    "release",
    "rm",
    "root",
    "strip-components",
    "test",
    "time",
    "tmpfs",
    "twice",
    "userns",
    "volume",
];

/// Variables of the tests.
const OF_TESTS: [&str; 4] = ["MODEL_CASES", "MODEL_SEED", "PROPERTY_CASES", "TEST_PICTURES"];

/// All texts that name flags, with their paths.
fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(|name| root.join(name)).into();
    let contrib = walkdir::WalkDir::new(root.join("contrib"))
        .into_iter()
        .map(|entry| entry.expect("readable"));
    // Mails and pictures name nothing of ours, what makes a release much of other programs.
    let makers = ["contrib/release", "contrib/container/build"].map(|path| root.join(path));
    let is_other = |path: &Path| {
        path.extension().is_some_and(|end| end == "eml" || end == "png")
            || makers.iter().any(|maker| path.starts_with(maker))
    };
    all.extend(
        contrib
            .filter(|entry| entry.file_type().is_file())
            .map(walkdir::DirEntry::into_path)
            .filter(|path| !is_other(path)),
    );
    all.into_iter().map(|path| (path.clone(), fs::read_to_string(path).expect("UTF-8"))).collect()
}

/// What stands behind each place where a text has a prefix, as long as it is a name; `--limit-…`
/// gives `limit-`.
fn names<'t>(text: &'t str, prefix: &'t str) -> impl Iterator<Item = &'t str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.match_indices(prefix).filter(move |(at, _)| !text[..*at].ends_with(is_name)).filter_map(
        move |(at, _)| {
            let rest = &text[at + prefix.len()..];
            let name = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
            name.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(name)
        },
    )
}

/// Every flag of every command.
fn arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    std::iter::once(command).chain(command.get_subcommands()).flat_map(|command| {
        let inner = command.get_subcommands().flat_map(Command::get_arguments);
        command.get_arguments().chain(inner)
    })
}

/// True if a name is among the known ones, or the beginning of one if it ends with a hyphen.
fn is_known(name: &str, known: &BTreeSet<String>) -> bool {
    known.contains(name)
        || name.ends_with(['-', '_']) && known.iter().any(|known| known.starts_with(name))
}

#[test]
fn every_flag_that_is_named_exists() {
    let command = cli::command();
    let mut known: BTreeSet<String> =
        arguments(&command).filter_map(Arg::get_long).map(str::to_owned).collect();
    known.extend(["help", "version"].map(str::to_owned));
    let aliases = arguments(&command).filter_map(Arg::get_all_aliases).flatten();
    known.extend(aliases.map(str::to_owned));
    assert!(
        OF_OTHERS.iter().all(|flag| !known.contains(*flag)),
        "one of ours is called another program's"
    );
    for (path, text) in documents() {
        for name in names(&text, "--").filter(|name| !OF_OTHERS.contains(name)) {
            assert!(
                is_known(name, &known),
                "{} names --{name}, which does not exist",
                path.display()
            );
        }
    }
}

#[test]
fn every_variable_that_is_named_exists() {
    let command = cli::command();
    let mut known = BTreeSet::new();
    for arg in arguments(&command) {
        known.extend(
            arg.get_env().map(|name| name.to_str().expect("UTF-8")["ERP_".len()..].to_owned()),
        );
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        known.extend(names(&help, "ERP_").map(str::to_owned));
    }
    assert!(known.contains("STORE") && known.contains("OPENSEARCH_PASSWORD"), "{known:?}");
    for (path, text) in documents() {
        for name in names(&text, "ERP_").filter(|name| !OF_TESTS.contains(name)) {
            assert!(
                is_known(name, &known),
                "{} names ERP_{name}, which does not exist",
                path.display()
            );
        }
    }
}

#[test]
fn every_setting_that_is_named_exists() {
    let settings = Settings::NAMES.iter().map(|name| name.replace('_', "-"));
    // Those of the file of `mine`, too.
    let lists = ["networks", "selectors", "senders", "domains"].map(str::to_owned);
    let known: BTreeSet<String> = settings.chain(lists).collect();
    for (path, text) in documents() {
        for line in text.lines() {
            // A line of a configuration file, in a block or in a sentence.
            for (name, value) in line.split('`').filter_map(|part| part.trim().split_once(" = ")) {
                let is_toml = value.starts_with(['"', '['])
                    || value.parse::<u64>().is_ok()
                    || ["true", "false"].contains(&value);
                let name = name.trim_start_matches('#');
                if is_toml && !name.contains(' ') {
                    assert!(known.contains(name), "{}: no setting {name:?}", path.display());
                }
            }
        }
    }
}
