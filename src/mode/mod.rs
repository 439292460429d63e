//! Modes: what the program is asked to do. Each takes its mails from somewhere and hands them to
//! the [`crate::pipeline`].

mod advise;
mod alert;
mod check;
mod dashboards;
mod demo;
mod digest;
mod elsewhere;
mod export;
mod files;
mod generate;
mod import;
mod maildirs;
mod mine;
mod once;
mod pages;
mod prune;
pub mod report;
mod retry;
mod serve;
mod watch;

use std::{
    io::{self, Write},
    path::Path,
};

use clap::ArgMatches;
use tracing::info;

use crate::{
    cli::{self, Cli, Mode},
    config::{Purpose, Typed},
    exit::{Exit, Failure},
};

/// Does what the command line says. `matches` are what `cli` was made from.
///
/// # Errors
/// Nothing could be done at all; trouble with single mails is logged and told by the exit code.
pub fn run(
    cli: Cli,
    matches: &ArgMatches,
    options: Option<&(Cli, ArgMatches)>,
) -> Result<Exit, Failure> {
    let Cli { mode, mut input, shared } = cli;
    if let (None, Some((options, _))) = (&mode, options) {
        input.mbox |= options.input.mbox && !input.maildir;
        input.maildir |= options.input.maildir && !input.mbox;
    }
    if mode.is_some() && !input.files.is_empty() {
        return Err(Failure::usage("files and a command can't be given together"));
    }
    if let Some(unused) = cli::unused_flag(matches) {
        return Err(Failure::usage(unused));
    }
    if let (None, Some(word)) = (&mode, input.files.first().and_then(|file| file.to_str()))
        && !Path::new(word).exists()
        && let Some(command) = cli::similar_command(word)
    {
        return Err(Failure::usage(format!(
            "no command or file {word:?}; did you mean {command:?}?"
        )));
    }
    if shared.dedup_since.is_some() || shared.dedup_until.is_some() || shared.dedup_count.is_some()
    {
        info!("--dedup flags are not needed any more: duplicates are always recognised");
    }
    let quiet = shared.quiet;
    let options = options.map(|(cli, matches)| (cli.shared.settings.clone(), matches));
    let typed = Typed { shared, matches, options };
    match mode {
        None => files::run(&input, &typed),
        Some(Mode::Alert(flags)) => alert::run(&flags, &typed),
        Some(Mode::Digest(flags)) => digest::run(&flags, &typed),
        Some(Mode::Advise(flags)) => advise::run(&flags, &typed),
        Some(Mode::Check(flags)) => check::run(&flags, &typed),
        Some(Mode::Dashboards(what)) => dashboards::run(&what, &typed),
        Some(Mode::Demo(flags)) => demo::run(&flags),
        Some(Mode::Export(flags)) => export::run(&flags, &typed, quiet),
        Some(Mode::Generate(what)) => generate::run(&what),
        Some(Mode::Once { maildirs }) => once::run(&maildirs, &typed),
        Some(Mode::Import(import)) => import::run(&import, &typed, quiet),
        Some(Mode::Mine(command)) => mine::run(&command, &typed),
        Some(Mode::Prune(flags)) => prune::run(&flags, &typed),
        Some(Mode::Report(flags)) => report::show(flags, &typed, quiet),
        Some(Mode::Serve(flags)) => serve::run(&flags, typed.config(&Purpose::default())?),
        Some(Mode::Retry { maildirs }) => retry::run(&maildirs),
        Some(Mode::Watch(watch)) => watch::run(&watch, &typed),
    }
}

/// Writes a text to standard output.
fn print(text: &[u8]) -> Result<Exit, Failure> {
    match io::stdout().lock().write_all(text) {
        // Whoever reads it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Ok),
        written => Ok(written.map(|()| Exit::Ok)?),
    }
}
