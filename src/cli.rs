//! The command line as it was typed: every flag is defined here, once, and nothing is judged. [`crate::config`] does that.
//!
//! [`Settings`] are the flags that the environment and the configuration file know as well, under the same names.

use std::{net::SocketAddr, ops::Range, path::PathBuf, str::FromStr};

use bytesize::ByteSize;
use clap::{Arg, ArgMatches, Args, Command, CommandFactory, Parser, Subcommand, parser::ValueSource};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, de::Error};

use crate::{moment::Moment, settle::apply::Unrecognized};

/// What a mail server and a person read at the end of the help.
const EXIT_CODES: &str = "Exit codes: 0 all stored; 64 usage; 65 not all of it is a report that can be read; \
                          75 store unreachable or work interrupted, try again; 78 configuration.";

/// Takes DMARC and SMTP TLS reports out of a mailbox and puts them into OpenSearch, or into a local SQLite file.
///
/// Without a command, each FILE (or standard input) is one mail or one bare report: .eml, .xml, .json, .gz or .zip,
/// told by its content.
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
    /// Read years of mail: Maildirs, mbox files, folders, tar archives
    Import(ImportFlags),
    /// Move the mails of .failed back to new/, to have them tried again
    Retry {
        /// Maildirs whose failed mails are meant (Reports, not Reports.failed)
        #[arg(required = true, value_name = "MAILDIR")]
        maildirs: Vec<PathBuf>,
    },
    /// Show what the SQLite store holds
    Report(ReportFlags),
    /// Write out what the SQLite store holds: a line of JSON or a row of a table for each record, policy and failure
    Export(ExportFlags),
}

/// `watch`.
#[derive(Args, Debug)]
pub struct WatchFlags {
    /// Maildirs (folders with new, cur and tmp); they may appear later
    #[arg(required = true, value_name = "MAILDIR")]
    pub maildirs: Vec<PathBuf>,
    /// Read the folders every few seconds instead of waiting for events, as NFS needs it [default: 5]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "5")]
    pub poll: Option<u64>,
    /// Serve Prometheus metrics at /metrics and /healthz on this address, such as 127.0.0.1:9187
    #[arg(long, value_name = "ADDRESS", env = "ERP_METRICS")]
    pub metrics: Option<SocketAddr>,
}

/// The period that a report speaks of.
#[derive(Args, Clone, Copy, Debug)]
pub struct PeriodFlags {
    /// Only reports whose period begins at or after this: 2024-01-31, 2024-01, yesterday, an RFC 3339 time, or an age
    /// (12h, 30d, 4w, 6mo, 1y)
    #[arg(long, value_name = "TIME")]
    pub since: Option<Moment>,
    /// Only reports whose period begins before the end of this
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
}

impl PeriodFlags {
    /// Seconds since 1970; nothing if all reports are wanted.
    pub fn range(&self, now: Timestamp) -> Option<Range<i64>> {
        if self.since.is_none() && self.until.is_none() {
            return None;
        }
        let begin = self.since.map_or(i64::MIN, |since| since.begin(now));
        Some(begin..self.until.map_or(i64::MAX, |until| until.end(now)))
    }
}

/// `import`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 all stored; 64 usage; 65 something can't be read, or nothing was found; 75 stopped, or the \
                  store or a file could not be reached: the same command goes on from there; 78 configuration."
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct ImportFlags {
    /// Maildirs, mbox files, folders of mails and reports, tar archives, single files; - for standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// With a Maildir, read the Maildir++ folders in it, too
    #[arg(long)]
    pub recursive: bool,
    /// Move the mails of Maildirs as once does, instead of only reading them
    #[arg(long, conflicts_with = "dry_run")]
    pub settle: bool,
    /// Read everything, whatever an earlier import has finished
    #[arg(long)]
    pub fresh: bool,
    /// Which reports.
    #[command(flatten)]
    pub period: PeriodFlags,
    /// Store nothing, tell what would be stored
    #[arg(long)]
    pub dry_run: bool,
    /// Write one JSON line for each mail that could not be used
    #[arg(long, value_name = "FILE")]
    pub errors: Option<PathBuf>,
    /// Leave the refresh of the OpenSearch indices alone
    #[arg(long)]
    pub no_tune: bool,
}

/// The Ruby tool's form.
#[derive(Args, Debug)]
pub struct InputFlags {
    /// Mails or bare report files; - or none for standard input
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Each FILE is an mbox
    #[arg(short = 'b', long, conflicts_with = "maildir")]
    pub mbox: bool,
    /// Each FILE is a Maildir: new/ and cur/ are read, nothing is moved
    #[arg(short = 'd', long, requires = "files")]
    pub maildir: bool,
}

/// `export`.
#[derive(Args, Debug)]
pub struct ExportFlags {
    /// JSON lines as --ndjson writes them, or CSV for a spreadsheet
    #[arg(long, value_enum, default_value = "ndjson")]
    pub format: ExportFormat,
    /// Only this kind of report [default: all; dmarc with --format csv]
    #[arg(long, value_enum)]
    pub kind: Option<ExportKind>,
    /// Which reports.
    #[command(flatten)]
    pub period: PeriodFlags,
    /// Only this domain and its subdomains
    #[arg(long)]
    pub domain: Option<String>,
    /// Write to this file, which appears when it is complete; - for standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What an export looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// A JSON object a line
    Ndjson,
    /// A table
    Csv,
}

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportKind {
    /// Records of DMARC reports
    Dmarc,
    /// Policies of SMTP TLS reports
    Tls,
    /// Failure reports
    Failure,
}

/// `report`.
#[derive(Args, Debug)]
pub struct ReportFlags {
    /// Which reports.
    #[command(flatten)]
    pub period: PeriodFlags,
    /// Only this domain and its subdomains
    #[arg(long)]
    pub domain: Option<String>,
    /// One JSON object instead of tables
    #[arg(long)]
    pub json: bool,
    /// How many source addresses to show
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub top: usize,
}

/// Flags of all modes.
#[derive(Args, Clone, Debug)]
pub struct SharedFlags {
    /// Settings that a configuration file may hold, too.
    #[command(flatten)]
    pub settings: Settings,
    /// Configuration file (TOML, the names of the flags as keys) [default: /etc/email-report-processor.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE", env = "ERP_CONFIG")]
    pub config: Option<PathBuf>,
    /// Log more; twice for everything
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

macro_rules! settings {
    ($($(#[$attribute:meta])* $name:ident: $type:ty,)*) => {
        /// What flags, environment and configuration file can say alike; nothing where it was not said.
        #[derive(Args, Clone, Debug, Default, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
        pub struct Settings {
            $($(#[$attribute])* pub $name: Option<$type>,)*
        }

        impl Settings {
            /// These settings, and those of `other` where these say nothing.
            #[must_use]
            pub fn or(self, other: Settings) -> Settings {
                Settings { $($name: self.$name.or(other.$name),)* }
            }
        }
    };
}

settings! {
    /// Store documents in OpenSearch at this URL; repeat it for more nodes of one cluster
    #[arg(long, global = true, value_name = "URL", env = "ERP_OPENSEARCH", value_delimiter = ',', help_heading = "Store")]
    #[serde(deserialize_with = "one_or_many_in_file")]
    opensearch: Vec<String>,
    /// Store documents in this SQLite file [default: reports.sqlite in the user's data folder]
    #[arg(long, global = true, value_name = "FILE", env = "ERP_STORE", help_heading = "Store")]
    store: PathBuf,
    /// Append documents to this file as lines of JSON; - for standard output
    #[arg(long, global = true, value_name = "FILE", env = "ERP_NDJSON", help_heading = "Store")]
    ndjson: PathBuf,
    /// How long to wait for a store that is away, such as 30s or 10m [default: depends on the mode]
    #[arg(long, global = true, value_name = "TIME", env = "ERP_GIVE_UP_AFTER", help_heading = "Store")]
    #[arg(value_parser = duration)]
    #[serde(deserialize_with = "duration_in_file")]
    give_up_after: SignedDuration,

    /// User for basic authentication
    #[arg(long, global = true, value_name = "NAME", env = "ERP_OPENSEARCH_USER", help_heading = "OpenSearch")]
    opensearch_user: String,
    /// File with the password; otherwise $ERP_OPENSEARCH_PASSWORD or the systemd credential opensearch-password
    #[arg(long, global = true, value_name = "FILE", env = "ERP_OPENSEARCH_PASSWORD_FILE", help_heading = "OpenSearch")]
    opensearch_password_file: PathBuf,
    /// File with an API key; otherwise $ERP_OPENSEARCH_API_KEY or the systemd credential opensearch-api-key
    #[arg(long, global = true, value_name = "FILE", env = "ERP_OPENSEARCH_API_KEY_FILE", help_heading = "OpenSearch")]
    opensearch_api_key_file: PathBuf,
    /// Trust the certificate authorities in this PEM file instead of the system's
    #[arg(long, global = true, value_name = "FILE", env = "ERP_CA_FILE", help_heading = "OpenSearch")]
    ca_file: PathBuf,
    /// Do not check certificates
    #[arg(long, global = true, value_name = "BOOL", env = "ERP_INSECURE", help_heading = "OpenSearch",
          num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    insecure: bool,
    /// Index of DMARC records [default: dmarc-reports]
    #[arg(long, global = true, value_name = "NAME", env = "ERP_DMARC_INDEX", help_heading = "OpenSearch")]
    dmarc_index: String,
    /// Ingest pipeline for DMARC records
    #[arg(long, global = true, value_name = "NAME", env = "ERP_DMARC_PIPELINE", help_heading = "OpenSearch")]
    dmarc_pipeline: String,
    /// Index of SMTP TLS policies [default: tlsrpt-reports]
    #[arg(long, global = true, value_name = "NAME", env = "ERP_TLSRPT_INDEX", help_heading = "OpenSearch")]
    tlsrpt_index: String,
    /// Ingest pipeline for SMTP TLS policies
    #[arg(long, global = true, value_name = "NAME", env = "ERP_TLSRPT_PIPELINE", help_heading = "OpenSearch")]
    tlsrpt_pipeline: String,
    /// Index of DMARC failure reports [default: dmarc-failures]
    #[arg(long, global = true, value_name = "NAME", env = "ERP_FAILURES_INDEX", help_heading = "OpenSearch")]
    failures_index: String,
    /// Ingest pipeline for DMARC failure reports
    #[arg(long, global = true, value_name = "NAME", env = "ERP_FAILURES_PIPELINE", help_heading = "OpenSearch")]
    failures_pipeline: String,
    /// Size of a bulk request [default: 8MiB]
    #[arg(long, global = true, value_name = "SIZE", env = "ERP_BULK_BYTES", help_heading = "OpenSearch")]
    #[arg(value_parser = size)]
    #[serde(deserialize_with = "size_in_file")]
    bulk_bytes: ByteSize,
    /// Bulk requests under way at once [default: 2]
    #[arg(long, global = true, value_name = "N", env = "ERP_BULK_IN_FLIGHT", help_heading = "OpenSearch")]
    #[arg(value_parser = number::<usize>)]
    bulk_in_flight: usize,
    /// Compress request bodies with gzip
    #[arg(long, global = true, value_name = "BOOL", env = "ERP_GZIP", help_heading = "OpenSearch",
          num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    gzip: bool,

    /// What to do with mail in a Maildir that is no report [default: fail]
    #[arg(long, global = true, value_enum, env = "ERP_UNRECOGNIZED", help_heading = "Mail")]
    unrecognized: Unrecognized,
    /// Name by which your mail server signs Authentication-Results: what it says of a report is stored with it
    #[arg(long, global = true, value_name = "NAME", env = "ERP_AUTHSERV_ID", help_heading = "Mail")]
    authserv_id: String,
    /// Refuse reports that your mail server did not find authentic (needs --authserv-id)
    #[arg(long, global = true, value_name = "BOOL", env = "ERP_REQUIRE_AUTHENTICATED", help_heading = "Mail",
          num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    require_authenticated: bool,
    /// Believe those results also directly below your server's own Received, where rspamd and older OpenDKIM put them. Only
    /// if your server strips foreign ones: there, one that came with the mail looks the same (needs --authserv-id)
    #[arg(long, global = true, value_name = "BOOL", env = "ERP_AUTHSERV_BELOW_RECEIVED", help_heading = "Mail",
          num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    authserv_below_received: bool,
    /// Keep the body of the mail that a failure report is about; it is personal data
    #[arg(long, global = true, value_name = "BOOL", env = "ERP_KEEP_FAILED_MESSAGE", help_heading = "Mail",
          num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    keep_failed_message: bool,
    /// Threads that read mails [default: one a core]
    #[arg(long, global = true, value_name = "N", env = "ERP_THREADS", help_heading = "Mail")]
    #[arg(value_parser = number::<usize>)]
    threads: usize,

    /// Size of a mail [default: 64MiB]
    #[arg(long, global = true, value_name = "SIZE", env = "ERP_LIMIT_MAIL_BYTES", help_heading = "Limits")]
    #[arg(value_parser = size)]
    #[serde(deserialize_with = "size_in_file")]
    limit_mail_bytes: ByteSize,
    /// Size of an attachment after unpacking [default: 64MiB]
    #[arg(long, global = true, value_name = "SIZE", env = "ERP_LIMIT_UNPACKED_BYTES", help_heading = "Limits")]
    #[arg(value_parser = size)]
    #[serde(deserialize_with = "size_in_file")]
    limit_unpacked_bytes: ByteSize,
    /// Unpacked bytes for each packed byte [default: 250]
    #[arg(long, global = true, value_name = "N", env = "ERP_LIMIT_RATIO", help_heading = "Limits")]
    #[arg(value_parser = number::<u64>)]
    limit_ratio: u64,
    /// Archives and mails within each other [default: 5]
    #[arg(long, global = true, value_name = "N", env = "ERP_LIMIT_NESTING", help_heading = "Limits")]
    #[arg(value_parser = number::<usize>)]
    limit_nesting: usize,
    /// Size of a mail's header, with the headers of its parts [default: 1MiB]
    #[arg(long, global = true, value_name = "SIZE", env = "ERP_LIMIT_HEADER_BYTES", help_heading = "Limits")]
    #[arg(value_parser = size)]
    #[serde(deserialize_with = "size_in_file")]
    limit_header_bytes: ByteSize,
    /// MIME parts of a mail [default: 1000]
    #[arg(long, global = true, value_name = "N", env = "ERP_LIMIT_PARTS", help_heading = "Limits")]
    #[arg(value_parser = number::<usize>)]
    limit_parts: usize,
    /// Members of an archive [default: 1000]
    #[arg(long, global = true, value_name = "N", env = "ERP_LIMIT_MEMBERS", help_heading = "Limits")]
    #[arg(value_parser = number::<usize>)]
    limit_members: usize,
    /// Records of the reports in a mail [default: 250000]
    #[arg(long, global = true, value_name = "N", env = "ERP_LIMIT_RECORDS", help_heading = "Limits")]
    #[arg(value_parser = number::<usize>)]
    limit_records: usize,
    /// Size of all documents made of a mail [default: 512MiB]
    #[arg(long, global = true, value_name = "SIZE", env = "ERP_LIMIT_DOCUMENT_BYTES", help_heading = "Limits")]
    #[arg(value_parser = size)]
    #[serde(deserialize_with = "size_in_file")]
    limit_document_bytes: ByteSize,
    /// Bytes of one value in a report, longer ones are cut [default: 4096]
    #[arg(long, global = true, value_name = "N", env = "ERP_LIMIT_VALUE_BYTES", help_heading = "Limits")]
    #[arg(value_parser = number::<usize>)]
    limit_value_bytes: usize,
    /// Depth of XML elements [default: 64]
    #[arg(long, global = true, value_name = "N", env = "ERP_LIMIT_XML_DEPTH", help_heading = "Limits")]
    #[arg(value_parser = number::<usize>)]
    limit_xml_depth: usize,
    /// Only in the file: `watch` has the flag.
    #[arg(skip)]
    metrics: SocketAddr,
}

/// Flags that every command has.
const GENERAL: [&str; 3] = ["config", "verbose", "quiet"];

/// What `-h` shows of the flags that several commands share; `--help` shows all.
const COMMON: [&str; 4] = ["opensearch", "store", "ndjson", "give_up_after"];

/// True if a command makes use of a shared flag. Those that read a store know no other kind yet than SQLite.
fn uses(command: &str, flag: &str) -> bool {
    match command {
        "report" | "export" => flag == "store" || GENERAL.contains(&flag),
        "retry" => GENERAL.contains(&flag),
        _ => true,
    }
}

/// The command line as [`Cli`] defines it. The help shows no values of variables, since there may be passwords in them;
/// each command's help shows the flags it uses, and `-h` only the usual ones.
pub fn command() -> Command {
    let private = |arg: Arg| arg.hide_env_values(true);
    let mut command = Cli::command().mut_args(private).mut_args(|arg| {
        let id = arg.get_id().as_str();
        let is_rare = arg.is_global_set() && !COMMON.contains(&id) && !GENERAL.contains(&id);
        arg.hide_short_help(is_rare)
    });
    let shared: Vec<Arg> = command.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    command = command.mut_subcommands(|command| {
        let name = command.get_name().to_owned();
        let unused = shared.iter().filter(|arg| !uses(&name, arg.get_id().as_str()));
        let hidden: Vec<Arg> = unused.map(|arg| arg.clone().global(false).hide(true)).collect();
        let all = hidden.is_empty();
        let command = command.mut_args(private).args(hidden);
        if all { command.after_help("All flags: --help").after_long_help(EXIT_CODES) } else { command }
    });
    command.after_help("All flags: --help").after_long_help(EXIT_CODES)
}

/// A flag that was typed although the command has no use for it, as it was typed.
pub fn unused_flag(matches: &ArgMatches) -> Option<String> {
    let (name, inner) = matches.subcommand()?;
    let typed = |matches: &ArgMatches, id: &str| {
        matches.try_contains_id(id).is_ok() && matches.value_source(id) == Some(ValueSource::CommandLine)
    };
    let command = Cli::command();
    let mut unused = command.get_arguments().filter(|arg| arg.is_global_set() && !uses(name, arg.get_id().as_str()));
    let found = unused.find(|arg| [matches, inner].iter().any(|matches| typed(matches, arg.get_id().as_str())))?;
    let flag = found.get_long().unwrap_or_default();
    let instead = if uses(name, "store") { "; it reads an SQLite store (--store FILE)" } else { "" };
    Some(format!("{name} has no use for --{flag}{instead}"))
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

fn duration(text: &str) -> Result<SignedDuration, String> {
    text.parse().map_err(|_| {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            format!("{text} needs a unit, such as {text}s")
        } else {
            "expected a time such as 30s, 10m or 2h".into()
        }
    })
}

fn size(text: &str) -> Result<ByteSize, String> {
    text.parse().map_err(|_| "expected a size such as 500kB or 64MiB, or a number of bytes".into())
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "expected a whole number".into())
}

fn duration_in_file<'de, D: Deserializer<'de>>(value: D) -> Result<Option<SignedDuration>, D::Error> {
    duration(&TextOrNumber::deserialize(value)?.into_text()).map(Some).map_err(D::Error::custom)
}

fn size_in_file<'de, D: Deserializer<'de>>(value: D) -> Result<Option<ByteSize>, D::Error> {
    size(&TextOrNumber::deserialize(value)?.into_text()).map(Some).map_err(D::Error::custom)
}

fn one_or_many_in_file<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a text or a list of texts")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(Some(match OneOrMany::deserialize(value)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    }))
}

/// A value that a file may give with or without quotation marks.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text or a number")]
enum TextOrNumber {
    Text(String),
    Number(i64),
}

impl TextOrNumber {
    fn into_text(self) -> String {
        match self {
            TextOrNumber::Text(text) => text,
            TextOrNumber::Number(number) => number.to_string(),
        }
    }
}
