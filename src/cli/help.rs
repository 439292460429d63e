//! Which flags a command has a use for: its help shows these, and others are refused.

use clap::{Arg, ArgMatches, Command, CommandFactory, parser::ValueSource};

use super::{Cli, EXIT_CODES};

/// Flags that every command has.
const GENERAL: [&str; 3] = ["config", "verbose", "quiet"];

/// What `-h` shows of the flags that several commands share; `--help` shows all.
const COMMON: [&str; 3] = ["opensearch", "store", "ndjson"];

/// What it leaves out of the flags of the Ruby tool's form.
const RARE: [&str; 3] = ["files", "mbox", "maildir"];

/// What those have a use for that ask OpenSearch something, apart from these.
const OF_CLIENTS: [&str; 10] = [
    "opensearch_user",
    "opensearch_password_file",
    "opensearch_api_key_file",
    "ca_file",
    "client_cert",
    "client_key",
    "insecure",
    "dmarc_index",
    "tlsrpt_index",
    "failures_index",
];

/// What those have a use for that tell news.
const OF_NEWS: [&str; 8] = [
    "mail_to",
    "mail_from",
    "sendmail",
    "smtp",
    "smtp_user",
    "smtp_password_file",
    "smtp_ca_file",
    "alert_command",
];

/// What `prune` and `export` have a use for, apart from these and the general ones.
const OF_STORES: [&str; 3] = ["opensearch", "store", "give_up_after"];

/// What `export` has a use for, apart from these: documents of the Ruby tool are made into reports.
const OF_EXPORT: [&str; 3] = ["source_names", "limit_records", "limit_value_bytes"];

/// What those have a use for that show what a store says.
const OF_ANSWERS: [&str; 4] = ["opensearch", "store", "source_names", "mine_file"];

/// True if a command makes use of a shared flag.
fn uses(command: &str, flag: &str) -> bool {
    let is_of = |lists: &[&[&str]]| lists.iter().any(|list| list.contains(&flag));
    let is_used = match command {
        "report" | "advise" | "serve" => is_of(&[&OF_ANSWERS, &OF_CLIENTS]),
        "alert" => is_of(&[&OF_ANSWERS, &OF_CLIENTS, &OF_NEWS]),
        "digest" => is_of(&[&OF_ANSWERS, &OF_CLIENTS, &OF_NEWS]) && flag != "alert_command",
        "dashboards" => is_of(&[&OF_CLIENTS]),
        "prune" => is_of(&[&OF_STORES, &OF_CLIENTS]),
        "export" => is_of(&[&OF_STORES, &OF_CLIENTS, &OF_EXPORT]),
        "mine" => is_of(&[&["store", "opensearch", "mine_file"]]),
        "retry" | "generate" | "demo" => false,
        // It tells alerts, too.
        "watch" => true,
        // Names are given to what is shown; reports are stored without.
        "check" => !is_of(&[&["source_names", "mine_file"]]),
        _ => !is_of(&[&["source_names", "mine_file", "alert_after"], &OF_NEWS]),
    };
    is_used || GENERAL.contains(&flag)
}

/// The command line as [`Cli`] defines it. The help shows no values of variables, since there may
/// be passwords in them; each command's help shows the flags it uses, and `-h` only the usual ones.
pub fn command() -> Command {
    let mut command = Cli::command().mut_args(variable_in_long_help).mut_args(|arg| {
        let id = arg.get_id().as_str();
        let is_usual = COMMON.contains(&id) || GENERAL.contains(&id);
        let is_rare = RARE.contains(&id) || arg.is_global_set() && !is_usual;
        arg.hide_short_help(is_rare)
    });
    let shared: Vec<Arg> =
        command.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    command = command.mut_subcommands(|command| {
        let name = command.get_name().to_owned();
        let unused = shared.iter().filter(|arg| !uses(&name, arg.get_id().as_str()));
        let hidden: Vec<Arg> = unused.map(|arg| arg.clone().global(false).hide(true)).collect();
        let has_more = uses(&name, "ndjson") || name == "report";
        let command = command.mut_args(variable_in_long_help).args(hidden);
        let codes = command.get_after_help().map_or_else(|| EXIT_CODES.into(), ToString::to_string);
        if has_more {
            command.after_help("All flags: --help").after_long_help(codes)
        } else {
            command
        }
    });
    command.after_help("All flags: --help").after_long_help(EXIT_CODES)
}

/// Names a flag's variable at the end of its long help, and there only.
fn variable_in_long_help(arg: Arg) -> Arg {
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    match arg.get_env().map(|name| format!("{help} [env: {}]", name.display())) {
        Some(help) => arg.long_help(help).hide_env(true),
        None => arg,
    }
}

/// The command line without what is hidden, for man pages and completions: these show what they are
/// given.
pub fn shown() -> Command {
    let mut all = command().disable_help_subcommand(true);
    // Flags of all commands become part of each.
    all.build();
    without_hidden(&all)
}

fn without_hidden(command: &Command) -> Command {
    // The help made for this is part of the flags by now.
    let mut shown = Command::new(command.get_name().to_owned())
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true);
    if let Some(version) = command.get_version() {
        shown = shown.version(version.to_owned());
    }
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(about) = command.get_long_about() {
        shown = shown.long_about(about.clone());
    }
    if let Some(help) = command.get_after_long_help().or(command.get_after_help()) {
        shown = shown.after_help(help.clone());
    }
    let flags = command.get_arguments().filter(|arg| !arg.is_hide_set()).cloned();
    let commands = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown
        .args(flags.map(|arg| {
            let order = arg.get_display_order();
            arg.global(false).hide_short_help(false).display_order(order)
        }))
        .subcommands(commands.map(without_hidden))
}

/// A flag that was typed although the command has no use for it, as it was typed.
pub fn unused_flag(matches: &ArgMatches) -> Option<String> {
    let (name, inner) = matches.subcommand()?;
    let typed = |matches: &ArgMatches, id: &str| {
        matches.try_contains_id(id).is_ok()
            && matches.value_source(id) == Some(ValueSource::CommandLine)
    };
    let command = Cli::command();
    let mut unused = command
        .get_arguments()
        .filter(|arg| arg.is_global_set() && !uses(name, arg.get_id().as_str()));
    let found = unused
        .find(|arg| [matches, inner].iter().any(|matches| typed(matches, arg.get_id().as_str())))?;
    let flag = found.get_long().unwrap_or_default();
    Some(format!("{name} has no use for --{flag}"))
}
