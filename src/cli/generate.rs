//! What `generate` can be asked for.

use std::path::PathBuf;

use clap::{Subcommand, builder::PossibleValuesParser, builder::TypedValueParser};
use clap_complete::Shell;
use jiff::civil::Date;

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
    /// A line for the file of `serve --users`; the password is asked for, or read from standard input
    User {
        /// The person's name
        #[arg(value_name = "NAME")]
        name: String,
        /// What the person may do: reader, or editor who may also say what is yours
        #[arg(long, default_value = "reader", value_parser = ["reader", "editor"])]
        role: String,
    },
    /// A year of a made-up company's reports, as mails in a new Maildir; prints what happens in it
    Year {
        /// Folder to make
        #[arg(value_name = "MAILDIR")]
        maildir: PathBuf,
        /// Other numbers, with the same events
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
        /// Last day, as 2026-09-30
        ///
        /// [default: the day before yesterday]
        #[arg(long, value_name = "DATE")]
        end: Option<Date>,
    },
}
