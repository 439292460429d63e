//! All settings as a configuration file in comments, made from the definition of the flags.

use std::fmt::Write;

use clap::{Arg, ArgAction, Command};

use super::{Settings, command};

const HEAD: &str = "\
# Settings of email-report-processor, for /etc/email-report-processor.toml or --config FILE.
#
# A line without a space behind its # is a setting, with its default or, where none is named, an
# example. Take the # away to set it. Flags and the environment (ERP_…) beat what is set here.
# Name one store only.
#
# Made by: email-report-processor generate settings
";

/// The text of the file.
pub fn settings_reference() -> String {
    let command = command();
    let mut text = HEAD.to_owned();
    let mut section = "";
    for (owner, arg) in Settings::NAMES.iter().filter_map(|name| definition(&command, name)) {
        let heading = arg.get_help_heading().unwrap_or(owner.get_name());
        if heading != section {
            section = heading;
            _ = write!(text, "\n## {section}\n");
        }
        _ = write!(text, "\n# {}\n", arg.get_help().map(ToString::to_string).unwrap_or_default());
        if value_name(arg) != "BOOL" {
            for value in arg.get_possible_values() {
                let help = value.get_help().map(ToString::to_string).unwrap_or_default();
                _ = writeln!(text, "# - {}: {help}", value.get_name());
            }
        }
        _ = writeln!(
            text,
            "#{} = {}",
            arg.get_long().unwrap_or_default(),
            default_value(arg).unwrap_or_else(|| example(arg))
        );
    }
    text
}

/// The flag of a setting, and the command that has it: the program itself or one of its commands.
fn definition<'c>(program: &'c Command, setting: &str) -> Option<(&'c Command, &'c Arg)> {
    std::iter::once(program).chain(program.get_subcommands()).find_map(|command| {
        Some((command, command.get_arguments().find(|arg| arg.get_id() == setting)?))
    })
}

fn value_name(arg: &Arg) -> &str {
    arg.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str())
}

/// The default that the help of a flag names, as the file would have it; nothing if that is a
/// description.
pub(crate) fn default_value(arg: &Arg) -> Option<String> {
    if value_name(arg) == "BOOL" {
        return Some("false".to_owned());
    }
    let help = arg.get_help()?.to_string();
    let (default, _) = help.split_once("[default: ")?.1.split_once(']')?;
    (!default.contains(' ')).then(|| quoted(arg, default))
}

/// What the help has as an example, or else only what kind of thing is meant.
fn example(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let example =
        help.split_once("such as ").and_then(|(_, rest)| rest.split([' ', ',', ';']).next());
    match value_name(arg) {
        "N" => quoted(arg, example.unwrap_or("1")),
        "URL" => quoted(arg, example.unwrap_or("https://localhost:9200")),
        name => quoted(arg, example.unwrap_or(name)),
    }
}

fn quoted(arg: &Arg, value: &str) -> String {
    match arg.get_action() {
        _ if value_name(arg) == "N" => value.to_owned(),
        ArgAction::Append => format!("[{value:?}]"),
        _ => format!("{value:?}"),
    }
}
