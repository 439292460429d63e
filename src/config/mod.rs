//! What the command line, the environment and the configuration file mean together: checked, with
//! all defaults filled in.

mod file;
mod from;
mod layers;
mod reading;
mod secret;
mod store;

use std::{
    fmt,
    net::SocketAddr,
    ops::Range,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use clap::ArgMatches;

pub(crate) use self::from::FromIndices;
pub use self::store::{state_folder, well_known_stores};
use self::{
    file::read_file,
    from::from,
    layers::{choose_store, layer},
    reading::reading,
    store::{dashboards, indices, store},
};
use crate::{
    cli::{self, Settings},
    dashboards::Indices,
    exit::{Exit, Failure},
    pipeline,
    sink::opensearch::config::{ImportTuning, OnTrouble, OpenSearchConfig},
};

/// Read if it is there and no other is named.
const DEFAULT_FILE: &str = "/etc/email-report-processor.toml";

/// A configuration that can't work.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that was named can't be read.
    #[error("{setting} {}: {error}", path.display())]
    File {
        /// The setting that names it.
        setting: &'static str,
        path: PathBuf,
        error: std::io::Error,
    },
    /// The configuration file is not what it should be.
    #[error("{}, line {line}: {reason}", path.display())]
    Toml {
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        reason: String,
    },
    /// A value makes no sense.
    #[error("{setting}: {reason}")]
    Value {
        /// The setting's name.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Two stores at once.
    #[error("only one of opensearch, store and ndjson can be given, not {0} and {1}")]
    TwoStores(&'static str, &'static str),
    /// There is no place for the store.
    #[error("no data folder is known for this user; say where the store is with --store FILE")]
    NoDataFolder,
}

/// Where the documents go.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one a run")]
pub enum Destination {
    /// An OpenSearch cluster.
    OpenSearch(OpenSearchConfig),
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A file of JSON lines; nothing for standard output.
    NdJson(Option<PathBuf>),
    /// Nowhere: a dry run.
    Nothing,
}

/// The store's name, for a person.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Destination::OpenSearch(store) => f.write_str(&store.nodes.join(", ")),
            Destination::Sqlite(file) | Destination::NdJson(Some(file)) => {
                write!(f, "{}", file.display())
            }
            Destination::NdJson(None) => f.write_str("standard output"),
            Destination::Nothing => f.write_str("no store (a dry run)"),
        }
    }
}

/// What all modes need to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the documents go.
    pub store: Destination,
    /// How long to wait for a store that is away; nothing if for ever.
    pub patience: Option<Duration>,
    /// What is to become of mail that is no report was said, and is no default.
    pub unrecognized_is_said: bool,
    /// Where `watch` serves its metrics.
    pub metrics: Option<SocketAddr>,
    /// How mails are treated.
    pub pipeline: pipeline::PipelineConfig,
}

/// What a mode decides of its [`Config`].
#[derive(Clone, Debug, Default)]
pub struct Purpose {
    /// How long to wait for a store that is away, if no setting says it; nothing for ever.
    pub patience: Option<Duration>,
    /// Only reports whose period begins within are wanted; seconds since 1970.
    pub period: Option<Range<i64>>,
    /// What becomes of mails for an OpenSearch index in trouble.
    pub on_trouble: OnTrouble,
    /// It is an import: OpenSearch indices are made beforehand.
    pub import: Option<ImportTuning>,
    /// Nothing is to be stored, whatever the settings say.
    pub dry_run: bool,
}

/// What was typed, from which a [`Config`] can be made again and again: the file may have changed.
#[derive(Clone, Debug)]
pub struct Typed<'m> {
    /// The flags and variables.
    pub shared: cli::SharedFlags,
    /// Tells flags from variables.
    pub matches: &'m ArgMatches,
    /// What the Ruby tool's option file says: less than flags and variables, more than the
    /// configuration file.
    pub options: Option<(Settings, &'m ArgMatches)>,
}

impl Typed<'_> {
    /// Reads the configuration file and makes sense of all settings.
    ///
    /// # Errors
    /// A file can't be read, or a setting makes no sense.
    pub fn config(&self, purpose: &Purpose) -> Result<Config, ConfigError> {
        let mut typed = self.shared.settings.clone();
        choose_store(&mut typed, self.matches)?;
        Config::new(layer(typed, self.below()?)?, purpose)
    }

    /// The OpenSearch cluster that an import is to read, with the settings of the store where it is
    /// the same one.
    ///
    /// # Errors
    /// A file can't be read, or a setting makes no sense.
    pub(crate) fn from(
        &self,
        flags: &cli::FromFlags,
        purpose: &Purpose,
    ) -> Result<FromIndices, ConfigError> {
        let mut typed = self.shared.settings.clone();
        choose_store(&mut typed, self.matches)?;
        let settings = layer(typed, self.below()?)?;
        let patience = patience(&settings, purpose)?;
        from(flags, &settings, purpose, patience)
    }

    /// The names of the indices, whatever the store is.
    ///
    /// # Errors
    /// A file can't be read, or a name makes no sense.
    pub fn indices(&self) -> Result<Indices, ConfigError> {
        indices(self.shared.settings.clone().or(self.below()?))
    }

    /// OpenSearch Dashboards at this URL, as if it were a node: with credentials and TLS of the
    /// store.
    ///
    /// # Errors
    /// A file can't be read, or a setting makes no sense.
    pub fn dashboards(&self, url: &str) -> Result<OpenSearchConfig, ConfigError> {
        dashboards(self.shared.settings.clone().or(self.below()?), url)
    }

    /// The settings file that is read; nothing if there is none.
    pub fn file(&self) -> Option<&Path> {
        let default = Some(Path::new(DEFAULT_FILE)).filter(|file| file.exists());
        self.shared.config.as_deref().or(default)
    }

    /// What is said in files: the option file over the settings file.
    fn below(&self) -> Result<Settings, ConfigError> {
        let file = self.file().map(read_file).transpose()?.unwrap_or_default();
        let Some((options, matches)) = &self.options else { return Ok(file) };
        let mut options = options.clone();
        choose_store(&mut options, matches)?;
        layer(options, file)
    }
}

impl Config {
    fn new(settings: Settings, purpose: &Purpose) -> Result<Config, ConfigError> {
        let patience = patience(&settings, purpose)?;
        Ok(Config {
            patience,
            unrecognized_is_said: settings.unrecognized.is_some(),
            metrics: settings.metrics,
            pipeline: pipeline::PipelineConfig {
                unrecognized: settings.unrecognized.unwrap_or_default(),
                threads: match settings.threads {
                    Some(0) => return Err(value("threads", "at least one is needed")),
                    Some(threads) => threads,
                    None => thread::available_parallelism().map_or(1, usize::from),
                },
                reading: reading(&settings)?,
                period: purpose.period.clone(),
            },
            store: if purpose.dry_run {
                Destination::Nothing
            } else {
                store(settings, purpose, patience)?
            },
        })
    }
}

/// How long a store that is away is waited for; nothing if for ever.
fn patience(settings: &Settings, purpose: &Purpose) -> Result<Option<Duration>, ConfigError> {
    let give_up_after = settings.give_up_after.map(|wait| {
        Duration::try_from(wait).map_err(|_| value("give-up-after", "it must not be negative"))
    });
    Ok(give_up_after.transpose()?.or(purpose.patience))
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::new(Exit::Configuration, error)
    }
}

fn value(setting: &'static str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Value { setting, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use bytesize::ByteSize;

    use super::*;

    fn settings(toml: &str) -> Settings {
        toml::from_str(toml).expect("settings")
    }

    #[test]
    fn the_file_knows_the_names_of_the_flags() {
        let config = Config::new(
            settings(
                "opensearch = ['https://a:9200/', 'https://b:9200']\nbulk-bytes = '1MiB'\ngzip = true\n\
             limit-mail-bytes = '1kB'\nunrecognized = 'keep'\ngive-up-after = '2m'\n\
             authserv-id = 'mx'\nauthserv-below-received = true",
            ),
            &Purpose::default(),
        )
        .expect("a configuration");
        let Destination::OpenSearch(store) = config.store else { panic!("not OpenSearch") };
        assert_eq!(store.nodes, ["https://a:9200", "https://b:9200"]);
        assert_eq!(
            (store.bulk_bytes, store.gzip, config.pipeline.reading.limits.mail_bytes),
            (1 << 20, true, 1000)
        );
        assert_eq!(config.pipeline.unrecognized, crate::settle::apply::Unrecognized::Keep);
        assert_eq!(config.patience, Some(Duration::from_mins(2)));
        assert!(config.pipeline.reading.authserv_below_received);
        assert!(reading(&settings("authserv-below-received = true")).is_err());
    }

    #[test]
    fn a_mistake_in_the_file_is_told_with_its_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("settings.toml");
        for (text, expected) in [
            (
                "threads = 1\nopensearhc = 'x'",
                ", line 2: there is no setting \"opensearhc\"; did you mean \"opensearch\"?",
            ),
            (
                "limit_members = 1",
                ", line 1: there is no setting \"limit_members\"; did you mean \"limit-members\"?",
            ),
            ("xyzzy = 1", ", line 1: there is no setting \"xyzzy\""),
            ("\n\nthreads = 'x'", ", line 3: invalid type: string \"x\", expected a whole number"),
            ("metrics = 'x'", ", line 1: expected an address with a port, such as 127.0.0.1:9187"),
            ("give-up-after = 5", ", line 1: 5 needs a unit, such as 5s"),
            (
                "bulk-bytes = '5x'",
                ", line 1: expected a size such as 500kB or 64MiB, or a number of bytes",
            ),
        ] {
            fs::write(&file, text).expect("written");
            let error = read_file(&file).expect_err(text).to_string();
            assert_eq!(error, format!("{}{expected}", file.display()));
        }
    }

    #[test]
    fn a_single_url_needs_no_list_and_a_size_no_quotation_marks() {
        let settings =
            settings("opensearch = 'http://h:9200'\nbulk-bytes = 4096\nmetrics = '127.0.0.1:9187'");
        assert_eq!(settings.opensearch, Some(vec!["http://h:9200".into()]));
        assert_eq!(settings.bulk_bytes, Some(ByteSize::b(4096)));
        assert!(settings.metrics.is_some());
    }

    #[test]
    fn what_was_typed_wins_over_the_file() {
        let file = "opensearch = ['http://file:9200']\nthreads = 7\ndmarc-index = 'file'";
        let both = layer(settings("store = 'typed.sqlite'\ndmarc-index = 'typed'"), settings(file))
            .expect("settings");
        assert_eq!((both.opensearch, both.store), (None, Some("typed.sqlite".into())));
        assert_eq!((both.threads, both.dmarc_index.as_deref()), (Some(7), Some("typed")));
        assert!(layer(settings(""), settings("store = 'a'\nndjson = 'b'")).is_err());
    }

    #[test]
    fn the_defaults_that_the_help_names_are_in_force() {
        let made = |line: &str| {
            let config = Config::new(
                settings(&format!("opensearch = 'http://h'\n{line}")),
                &Purpose::default(),
            )?;
            Ok::<_, ConfigError>(format!("{:?} {:?}", config.pipeline, config.store))
        };
        let unsaid = made("").expect("a configuration");
        let command = cli::command();
        let named: Vec<_> = command
            .get_arguments()
            .filter_map(|arg| Some((arg, cli::default_value(arg)?)))
            .collect();
        for (arg, default) in &named {
            let name = arg.get_long().expect("a name");
            assert_eq!(made(&format!("{name} = {default}")).expect(name), unsaid, "{name}");
            // Another value makes a difference, or is none for this setting.
            let other = match default.as_str() {
                "false" => "true".to_owned(),
                "\"fail\"" => "'keep'".to_owned(),
                size if size.contains("iB") => "'2KiB'".to_owned(),
                text if text.starts_with('"') => "'other'".to_owned(),
                number => (number.parse::<u64>().expect("a number") + 1).to_string(),
            };
            assert!(
                made(&format!("{name} = {other}")).map_or(true, |made| made != unsaid),
                "{name} does nothing"
            );
        }
        let limits = Settings::NAMES.iter().filter(|name| name.starts_with("limit_"));
        assert!(limits.clone().count() >= 11);
        for limit in limits {
            assert!(
                named.iter().any(|(arg, _)| arg.get_id() == limit),
                "the help names no default of {limit}"
            );
        }
        let config = command
            .get_arguments()
            .find(|arg| arg.get_id() == "config")
            .and_then(|arg| arg.get_long_help());
        assert!(config.expect("help").to_string().contains(DEFAULT_FILE));
    }

    #[test]
    fn senseless_values_are_refused() {
        for bad in [
            "opensearch = ['http://user:secret@host:9200']",
            "opensearch = ['ftp://host']",
            "opensearch = ['host:9200']",
            "opensearch = ['http://host:99999']",
            "opensearch = ['http://host:']",
            "opensearch = ['http://h']\ndmarc-index = 'a/b'",
            "opensearch = ['http://h']\ndmarc-index = 'Upper'",
            "opensearch = ['http://h']\nbulk-bytes = '1B'",
            "opensearch = ['http://h']\nopensearch-user = 'with-empty-password:'",
            "opensearch = ['http://h']\nclient-cert = 'without-key'",
            "opensearch = ['http://h']\nclient-key = 'without-certificate'",
            "threads = 0",
        ] {
            let error = Config::new(settings(bad), &Purpose::default()).expect_err(bad).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
