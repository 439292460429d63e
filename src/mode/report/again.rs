//! Again: commands that ask the same store more.

use clap::{Arg, ArgMatches, Command, CommandFactory, parser::ValueSource};

use crate::{answers::Network, cli::Cli, mode::elsewhere::quoted};

/// Flags that say how the answer is shown, or that are not to be typed again.
const LEFT_OUT: [&str; 7] = ["by", "format", "json", "fail_on", "verbose", "quiet", "top"];

/// The flags that were typed, each with its value as one word, apart from those that say how the
/// answer is shown.
#[derive(Clone, Debug, Default)]
pub struct Again {
    /// Store and settings.
    pub shared: Vec<String>,
    /// Period and filter, as `--since=30d`.
    pub asked: Vec<String>,
}

impl Again {
    /// What was typed before and behind `report`. A password that was typed is not told.
    pub fn typed(matches: &ArgMatches) -> Again {
        let Some((_, inner)) = matches.subcommand() else { return Again::default() };
        let command = Cli::command();
        let (shared, own): (Vec<&Arg>, Vec<&Arg>) = command
            .get_arguments()
            .filter(|arg| arg.is_global_set())
            .chain(command.find_subcommand("report").into_iter().flat_map(Command::get_arguments))
            .filter(|arg| !LEFT_OUT.contains(&arg.get_id().as_str()))
            .partition(|arg| arg.is_global_set());
        let words = |args: Vec<&Arg>| args.into_iter().flat_map(|arg| typed(arg, inner)).collect();
        Again { shared: words(shared), asked: words(own) }
    }

    /// The command with more flags, in place of those of the same names; nothing if one of their
    /// values can't be typed.
    pub(super) fn with(&self, more: &[&str]) -> Option<String> {
        let (flags, values): (Vec<&str>, Vec<&str>) =
            more.iter().partition(|word| word.starts_with("--"));
        if !values.into_iter().all(is_typed) {
            return None;
        }
        let is_replaced = |asked: &&String| {
            let name = asked.split('=').next().unwrap_or_default();
            let is_period = ["--since", "--until", "--all-time"].contains(&name);
            flags.contains(&name) || is_period && flags.contains(&"--all-time")
        };
        let asked = self.asked.iter().filter(|asked| !is_replaced(asked));
        let shared = self.shared.iter().map(String::as_str);
        let asked = asked.map(String::as_str);
        Some(command(shared.chain(["report"]).chain(asked).chain(more.iter().copied())))
    }

    /// The command by which a sender is said to be a domain's own; nothing if one of the names
    /// can't be typed.
    pub(super) fn mine(&self, sender: &str, domain: &str) -> Option<String> {
        let shared = self.shared.iter().map(String::as_str);
        let is_used = |word: &&str| {
            let name = word.split('=').next().unwrap_or_default();
            ["--store", "--opensearch", "--mine-file", "--config"].contains(&name)
        };
        let is_network = sender.parse::<Network>().is_ok();
        let whose = if is_network { sender.to_owned() } else { format!("sender:{sender}") };
        let more = ["mine", "add", &whose, "--domain", domain];
        let can_be = is_typed(sender) && is_typed(domain);
        can_be.then(|| command(shared.filter(is_used).chain(more)))
    }
}

/// True if a stranger's word can be typed as it is, and means nothing to a shell within quotation
/// marks or to the program.
fn is_typed(value: &str) -> bool {
    value.starts_with(|c: char| c.is_alphanumeric())
        && value.chars().all(|c| c.is_alphanumeric() || "-_.:/ ".contains(c))
}

fn command<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let mut command = "email-report-processor".to_owned();
    for word in words {
        command.push(' ');
        command.push_str(&quoted(word));
    }
    command
}

/// A flag as it was typed, once for each value.
fn typed(arg: &Arg, matches: &ArgMatches) -> Vec<String> {
    let id = arg.get_id().as_str();
    let is_typed = matches.try_contains_id(id).is_ok()
        && matches.value_source(id) == Some(ValueSource::CommandLine);
    let (true, Some(name)) = (is_typed, arg.get_long()) else { return Vec::new() };
    if !arg.get_action().takes_values() {
        return vec![format!("--{name}")];
    }
    let values = matches.get_raw(id).into_iter().flatten();
    let value = |value: &std::ffi::OsStr| {
        let value = value.to_string_lossy().into_owned();
        match (id, value.split_once(':')) {
            ("opensearch_user", Some((user, _))) => user.to_owned(),
            _ => value,
        }
    };
    values.map(|one| format!("--{name}={}", value(one))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_typed_again() {
        let again = Again {
            shared: vec!["--store=/tmp/my reports".into()],
            asked: vec!["--since=5y".into(), "--domain=example.org".into()],
        };
        let command = |more: &[&str]| again.with(more).unwrap_or_default();
        assert_eq!(
            command(&["--source", "2001:db8::1"]),
            "email-report-processor '--store=/tmp/my reports' report --since=5y \
             --domain=example.org --source 2001:db8::1"
        );
        assert_eq!(
            command(&["--all-time", "--domain", "example.net"]),
            "email-report-processor '--store=/tmp/my reports' report --all-time --domain example.net"
        );
        for hostile in ["-x", "$(reboot)", "a\u{1b}[31m", "", "a\u{202e}b", "a'b"] {
            assert_eq!(again.with(&["--domain", hostile]), None, "{hostile:?}");
            assert_eq!(again.mine(hostile, "example.org"), None, "{hostile:?}");
        }
        let network = again.mine("192.0.2.0/24", "example.org").unwrap_or_default();
        assert!(network.ends_with(" mine add 192.0.2.0/24 --domain example.org"), "{network}");
        assert_eq!(
            again.mine("Amazon SES", "example.org").as_deref(),
            Some(
                "email-report-processor '--store=/tmp/my reports' mine add 'sender:Amazon SES' \
                 --domain example.org"
            )
        );
    }
}
