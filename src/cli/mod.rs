//! The command line as it was typed: every flag is defined here, once, and nothing is judged.
//! [`crate::config`] does that.
//!
//! Each command has its flags in a file of its own; [`Settings`] are the flags that the environment
//! and the configuration file know as well, under the same names.

mod advise;
mod alert;
mod check;
mod condition;
mod dashboards;
mod demo;
mod digest;
mod export;
mod files;
mod filter;
mod generate;
mod help;
mod import;
mod mine;
mod option_file;
mod period;
mod prune;
mod reference;
mod report;
mod serve;
mod settings;
mod value;
mod watch;

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory, Parser, Subcommand};

#[cfg(test)]
pub(crate) use self::reference::default_value;
pub use self::{
    advise::AdviseFlags,
    alert::AlertFlags,
    check::CheckFlags,
    condition::{Condition, ConditionLimit, ConditionOf},
    dashboards::{DashboardsCommand, InstallFlags},
    demo::DemoFlags,
    digest::{DigestFlags, Every},
    export::{ExportFlags, ExportFormat, ExportKind},
    files::InputFlags,
    filter::{Exception, FilterFlags, OnlyResult, TypedDisposition},
    generate::GenerateCommand,
    help::{command, shown, unused_flag},
    import::{FromFlags, ImportFlags},
    mine::{MineCommand, MineFlags},
    option_file::{OptionFileError, option_file},
    period::PeriodFlags,
    prune::PruneFlags,
    reference::settings_reference,
    report::{ReportBy, ReportFlags, ReportFormat},
    serve::ServeFlags,
    settings::Settings,
    value::ADDRESS_EXPECTED,
    watch::WatchFlags,
};

/// What a mail server and a person read at the end of the help.
const EXIT_CODES: &str = "\
    Exit codes: 0 all stored; 64 usage; 65 not all of it is a report that can be read; 75 store \
    unreachable or work interrupted, try again; 78 configuration.";

/// The same for `digest`.
const DIGEST_CODES: &str = "\
    Exit codes: 0 sent, nothing needs attention; 1 sent, something does; 64 usage; 75 not sent, \
    try again; 78 configuration.";

/// The same for `report`.
const REPORT_CODES: &str = "Exit codes: 0 told; 1 a condition of --fail-on holds; 64 usage; \
                            75 store unreachable, try again; 78 configuration.";

/// The same for `check`.
const CHECK_CODES: &str = "Exit codes: 0 nothing is wrong; 1 something is; 64 usage.";

/// Puts DMARC and SMTP TLS reports out of mail into OpenSearch or an SQLite file.
///
/// Without a command, each FILE (or standard input) is one mail or one bare report: .eml, .xml,
/// .json, .gz or .zip, told by its content.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do; see the commands.
    #[command(subcommand)]
    pub mode: Option<Mode>,
    /// The mails to read where no command is given.
    #[command(flatten)]
    pub input: InputFlags,
    /// Flags of all modes.
    #[command(flatten)]
    pub shared: SharedFlags,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Mode {
    /// Store what is in new/ of Maildirs, move the mails, and exit
    Once {
        /// Maildirs (folders with new, cur and tmp)
        #[arg(required = true, value_name = "MAILDIR")]
        maildirs: Vec<PathBuf>,
    },
    /// Store reports as they are delivered to Maildirs, day and night
    Watch(WatchFlags),
    /// Read years of mail (Maildirs, mbox files, folders, tar archives), or copy another store
    Import(ImportFlags),
    /// Move the mails of .failed back to new/, to have them tried again
    Retry {
        /// Maildirs whose failed mails are meant (Reports, not Reports.failed)
        #[arg(required = true, value_name = "MAILDIR")]
        maildirs: Vec<PathBuf>,
    },
    /// Say what is wrong with the set-up, and how to mend it; nothing is changed
    ///
    /// Looks at the settings, the Maildirs, the store, and with --dns at the DNS records by which
    /// reports are asked for. Settings come from the same places as for the other commands, so with
    /// the file of the service it is the service that is checked; run it as the service's user.
    /// With -q, only what is not as it should be is shown.
    #[command(after_help = CHECK_CODES)]
    Check(CheckFlags),
    /// Say how the mail in my domains' names fares, and mail to them, from what is stored
    ///
    /// Without any flag: the last 30 days, a domain a block, worst first.
    #[command(after_help = REPORT_CODES)]
    Report(ReportFlags),
    /// Say whether a domain may have a stricter policy, and what that would have hit
    ///
    /// What p=quarantine and p=reject, strict alignment (adkim=s, aspf=s), sp and np would have
    /// done to the mail of the period, and whose it was.
    Advise(AdviseFlags),
    /// Say what is yours: networks, senders, DKIM selectors, domains of services
    ///
    /// All that shows senders goes by it. It is kept in a file that you can read and edit
    /// (--mine-file).
    #[command(subcommand)]
    Mine(MineCommand),
    /// Show what the store holds as web pages, on this machine
    ///
    /// They are made from the store at each request, and only read it.
    Serve(ServeFlags),
    /// Show the pages with a year of a made-up company's reports
    ///
    /// They are stored in a temporary file, which is gone when the program ends.
    Demo(DemoFlags),
    /// Write out what the store holds, as lines of JSON or CSV
    ///
    /// A line or row for each record, policy and failure, in the order in which the reports'
    /// periods begin; of those that begin together, an SQLite file gives those stored first,
    /// OpenSearch goes by the reports' ids.
    Export(ExportFlags),
    /// Delete old reports from the store
    Prune(PruneFlags),
    /// Send a mail that says what changed in a week or a day, and how all stands
    ///
    /// It is sent when all is quiet, too. Its first line says whether something needs attention.
    #[command(after_help = DIGEST_CODES)]
    Digest(DigestFlags),
    /// Tell by mail or a command what is new of what needs a person, each thing once
    ///
    /// A thing is told when it begins, when it becomes worse, and when it is over. watch does the
    /// same after it has stored, where somebody is named who is to be told.
    Alert(AlertFlags),
    /// Dashboards for what OpenSearch holds: write them to a file, or install them
    #[command(subcommand)]
    Dashboards(DashboardsCommand),
    /// Print what is made from the definition of the flags: man pages, completions, a reference of
    /// the settings
    #[command(hide = true, subcommand)]
    Generate(GenerateCommand),
}

/// Flags of all modes.
#[derive(Args, Clone, Debug)]
pub struct SharedFlags {
    /// Settings that a configuration file may hold, too.
    #[command(flatten)]
    pub settings: Settings,
    /// Settings file (TOML); its keys are the flags' names
    ///
    /// [default: /etc/email-report-processor.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE", env = "ERP_CONFIG")]
    pub config: Option<PathBuf>,
    /// Log each mail, too; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Log warnings and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// The Ruby tool's; duplicates are now always recognised
    #[arg(long, global = true, hide = true, value_name = "TIME")]
    pub dedup_since: Option<String>,
    /// The Ruby tool's; duplicates are now always recognised
    #[arg(long, global = true, hide = true, value_name = "TIME")]
    pub dedup_until: Option<String>,
    /// The Ruby tool's; duplicates are now always recognised
    #[arg(long, global = true, hide = true, value_name = "N")]
    pub dedup_count: Option<String>,
}

/// The command that a word may have been meant for.
pub fn similar_command(word: &str) -> Option<String> {
    similar(word, Cli::command().get_subcommands().map(Command::get_name))
}

/// The one of some words that is most like another, if it is like it at all.
pub fn similar<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<String> {
    let likeness = |known: &&str| strsim::jaro_winkler(word, known);
    let best = known.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(&best) > 0.8).then(|| best.to_owned())
}
