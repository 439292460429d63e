//! What `generate` can be asked for.

use std::path::PathBuf;

use clap::{Subcommand, builder::PossibleValuesParser, builder::TypedValueParser};
use clap_complete::Shell;

/// `generate`.
#[derive(Debug, Subcommand)]
pub enum GenerateCommand {
    /// Man pages of the program and of each command, in the format of man(7)
    Man {
        /// Write one file for each page into this folder instead of all to standard output
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
    },
    /// Completions for a shell
    Completions {
        /// The shell
        #[arg(value_parser = PossibleValuesParser::new(["bash", "fish", "zsh"]).try_map(|name| name.parse::<Shell>()))]
        shell: Shell,
    },
    /// All settings as a configuration file, in comments
    Settings,
}
