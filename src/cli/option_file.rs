//! The option file of the Ruby tool: one argument a line, before those of the command line. The
//! value of a flag may be an argument of its own, as on a command line.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, FromArgMatches, builder::Resettable, error::ErrorKind};

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
    // To Ruby, what is no flag is the name of a file, and then of no use: comments are, too.
    let is_meant = |line: &str| !line.is_empty() && !line.starts_with('#');
    let lines = text.lines().enumerate().filter(|(_, line)| is_meant(line));
    let groups = with_values(&lines.collect::<Vec<_>>());
    let is_flag = |line: &str| line.starts_with('-') && !matches!(line, "-" | "--");
    let is_bad = |lines: &[&str]| !is_flag(lines[0]) || lines.iter().any(|l| l.contains('\0'));
    if let Some((number, _)) = groups.iter().find(|(_, lines)| is_bad(lines)) {
        return Err(wrong(format!("line {}: not a flag; write --flag=value", number + 1)));
    }
    let (cli, matches) = match flags(&groups) {
        Ok(parsed) => parsed,
        Err(kind) => {
            // The shortest beginning that is wrong ends with the wrong line. No value is shown: it
            // may be a password.
            let last = (1..groups.len()).find(|count| flags(&groups[..*count]).is_err());
            let (number, _) = groups[last.unwrap_or(groups.len()) - 1];
            let reason = match kind {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                    "help can't be asked for here"
                }
                kind => kind.as_str().unwrap_or("wrong"),
            };
            return Err(wrong(format!("line {}: {reason}", number + 1)));
        }
    };
    if cli.shared.config.is_some() {
        return Err(wrong("--config has no meaning here".into()));
    }
    Ok((cli, matches))
}

/// The lines of a flag, and the number of the first of them.
type Group<'t> = (usize, Vec<&'t str>);

/// Each flag with its value, which may stand on the next line.
fn with_values<'t>(lines: &[(usize, &'t str)]) -> Vec<Group<'t>> {
    let mut groups: Vec<Group> = Vec::new();
    for &(number, line) in lines {
        let lacks_value = |group: &Group| {
            group.1.len() == 1
                && flags(std::slice::from_ref(group)).is_err_and(|e| e == ErrorKind::InvalidValue)
        };
        match groups.last_mut() {
            Some(last) if !line.starts_with('-') && lacks_value(last) => last.1.push(line),
            _ => groups.push((number, vec![line])),
        }
    }
    groups
}

/// What these lines say. The environment has its say elsewhere.
fn flags(groups: &[Group]) -> Result<(Cli, ArgMatches), ErrorKind> {
    let lines = groups.iter().flat_map(|(_, lines)| lines.iter().copied());
    let command = command().args_override_self(true);
    let matches = command
        .mut_args(|argument| argument.env(Resettable::Reset))
        .try_get_matches_from([NAMES[0]].into_iter().chain(lines))
        .map_err(|error| error.kind())?;
    Cli::from_arg_matches(&matches).map(|cli| (cli, matches)).map_err(|error| error.kind())
}
