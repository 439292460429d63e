//! The option file of the Ruby tool: one argument a line, before those of the command line.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, FromArgMatches};

use super::{Cli, command};

/// The names of this program's option file, without folders.
const NAMES: [&str; 2] = ["email-report-processor", "email-report-processor.options"];

/// An option file that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OptionFileError {
    /// It is there and can't be read.
    #[error("option file {}: {error}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A line is no flag.
    #[error("option file {}: {reason}", .path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        reason: String,
    },
}

/// What the option file says, if there is one: the first that exists.
///
/// # Errors
/// It can't be read, or has something else than flags in it.
pub fn option_file() -> Result<Option<(Cli, ArgMatches)>, OptionFileError> {
    let Some(path) = places().into_iter().find(|path| path.is_file()) else { return Ok(None) };
    match fs::read_to_string(&path) {
        Ok(text) => parse(&path, &text).map(Some),
        Err(error) => Err(OptionFileError::Unreadable { path, error }),
    }
}

/// Where Ruby's `OptionParser#load` looks, in its order.
fn places() -> Vec<PathBuf> {
    let folder =
        |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = |inner: &str| dirs::home_dir().map(|home| home.join(inner));
    let [plain, with_ending] = NAMES;
    let shared = env::var_os("XDG_CONFIG_DIRS").unwrap_or_default();
    let shared: Vec<_> = env::split_paths(&shared).filter(|path| path.is_absolute()).collect();
    let with_ending = [folder("XDG_CONFIG_HOME"), home(".config")]
        .into_iter()
        .flatten()
        .chain(shared)
        .chain(home("config/settings"))
        .map(|folder| folder.join(with_ending));
    home(".options").map(|folder| folder.join(plain)).into_iter().chain(with_ending).collect()
}

fn parse(path: &Path, text: &str) -> Result<(Cli, ArgMatches), OptionFileError> {
    let wrong = |reason: String| OptionFileError::Wrong { path: path.to_owned(), reason };
    let lines = text.lines().filter(|line| !line.is_empty());
    // No value is shown: it may be a password.
    let of_clap = |error: clap::Error| wrong(error.kind().to_string());
    if let Some((number, _)) =
        text.lines().enumerate().find(|(_, line)| !line.is_empty() && !line.starts_with('-'))
    {
        return Err(wrong(format!("line {}: not a flag; write --flag=value", number + 1)));
    }
    let arguments = [NAMES[0]].into_iter().chain(lines);
    let matches =
        command().args_override_self(true).try_get_matches_from(arguments).map_err(of_clap)?;
    Cli::from_arg_matches(&matches).map(|cli| (cli, matches)).map_err(of_clap)
}
