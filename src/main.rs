//! The program: parses the command line, runs a mode, and tells by the exit code how it went.

use clap::FromArgMatches;
use email_report_processor::{
    cli::{self, Cli},
    exit::Exit,
    logging, mode,
};
use tracing::{error, level_filters::LevelFilter};

/// musl's own allocator has one lock for all threads; ARCHITECTURE.md has what this one gains.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Exit {
    let matches = cli::command().try_get_matches();
    let parsed =
        matches.and_then(|matches| Cli::from_arg_matches(&matches).map(|cli| (cli, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // If even that can't be written, the exit code still says it.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    let options = match cli::option_file() {
        Ok(options) => options,
        Err(error) => {
            logging::start(LevelFilter::INFO);
            error!("{error}");
            return Exit::Configuration;
        }
    };
    let (less, more) =
        options.as_ref().map_or((false, 0), |(cli, _)| (cli.shared.quiet, cli.shared.verbose));
    let is_quiet = cli.shared.quiet || less && cli.shared.verbose == 0;
    logging::start(match (is_quiet, cli.shared.verbose.saturating_add(more)) {
        (true, _) => LevelFilter::WARN,
        (false, 0) => LevelFilter::INFO,
        (false, 1) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    });
    mode::run(cli, &matches, options.as_ref()).unwrap_or_else(|error| {
        error!("{error}");
        error.exit()
    })
}
