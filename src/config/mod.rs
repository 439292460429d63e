//! What the command line, the environment and the configuration file mean together: checked, with
//! all defaults filled in.

mod file;
mod from;
mod layers;
mod post;
mod reading;
mod secret;
mod store;
#[cfg(test)]
mod tests;

use std::{
    net::SocketAddr,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use clap::ArgMatches;

pub(crate) use self::from::FromIndices;
use self::{
    file::read_file,
    from::from,
    layers::{choose_store, layer},
    reading::reading,
    store::{dashboards, indices, mine_file, store},
};
pub use self::{
    secret::typed_password,
    store::{state_folder, well_known_stores},
};
use crate::{
    cli::{self, Settings},
    dashboards::Indices,
    exit::{Exit, Failure},
    lookup, pipeline,
    post::MailConfig,
    senders::Operators,
    sink::{
        Destination,
        opensearch::config::{ImportTuning, OnTrouble, OpenSearchConfig},
    },
    sqlite::is_sqlite,
    verdict::Mine,
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

/// What all modes need to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the documents go.
    pub store: Destination,
    /// How long to wait for a store that is away; nothing if for ever.
    pub patience: Option<Duration>,
    /// What is to become of mail that is no report was said, and is no default.
    pub unrecognized_is_said: bool,
    /// Databases of networks.
    pub ip_databases: Vec<PathBuf>,
    /// Names of addresses are looked up.
    pub reverse_dns: bool,
    /// Where, if not at the servers of the system.
    pub dns_server: Option<SocketAddr>,
    /// A list of names of senders.
    pub source_names: Option<PathBuf>,
    /// The file with what the user said is his; nothing if no place is known.
    pub mine_file: Option<PathBuf>,
    /// Where `watch` serves its metrics.
    pub metrics: Option<SocketAddr>,
    /// Mails that tell of news.
    pub(crate) mail: Option<MailConfig>,
    /// A command that is told of alerts.
    pub(crate) alert_command: Option<PathBuf>,
    /// How long `watch` waits after it has stored before it looks for alerts.
    pub(crate) alert_after: Duration,
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
        Config::new(self.settings()?, purpose)
    }

    /// What was said, by whatever way, with one word for each setting.
    ///
    /// # Errors
    /// A file can't be read, or two stores are named.
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        let mut typed = self.shared.settings.clone();
        choose_store(&mut typed, self.matches)?;
        layer(typed, self.below()?)
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
        let settings = self.settings()?;
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
    /// Nothing is said but which SQLite file is the store.
    ///
    /// # Errors
    /// None in practice.
    pub(crate) fn of_store(store: &Path) -> Result<Config, ConfigError> {
        let settings = Settings { store: Some(store.to_owned()), ..Settings::default() };
        Config::new(settings, &Purpose::default())
    }

    fn new(settings: Settings, purpose: &Purpose) -> Result<Config, ConfigError> {
        let patience = patience(&settings, purpose)?;
        Ok(Config {
            patience,
            unrecognized_is_said: settings.unrecognized.is_some(),
            ip_databases: settings.ip_database.clone().unwrap_or_default(),
            reverse_dns: settings.reverse_dns.unwrap_or(false),
            dns_server: settings.dns_server,
            source_names: settings.source_names.clone(),
            mine_file: mine_file(&settings),
            metrics: settings.metrics,
            mail: post::mail(&settings)?,
            alert_command: post::command(&settings)?,
            alert_after: post::after(&settings)?,
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

impl Config {
    /// The names of senders: of the list that was named, and for what is not in it our own.
    ///
    /// # Errors
    /// The file can't be read, or is no such list.
    pub(crate) fn operators(&self) -> Result<Arc<Operators>, Failure> {
        Ok(Arc::new(lookup::names(self.source_names.as_deref())?))
    }

    /// What the user said is his.
    ///
    /// # Errors
    /// The file can't be read, or is not as it should be.
    pub(crate) fn mine(&self) -> Result<Mine, Failure> {
        self.mine_file.as_deref().map_or_else(|| Ok(Mine::default()), lookup::mine)
    }

    /// Refuses settings with which nothing can be stored, though it may be read.
    ///
    /// # Errors
    /// A setting asks for what the store can't do.
    pub(crate) fn check_storing(&self) -> Result<(), ConfigError> {
        let is_elsewhere =
            matches!(self.store, Destination::OpenSearch(_) | Destination::NdJson(_));
        if self.reverse_dns && is_elsewhere {
            let reason = "names of hosts are kept in an SQLite store only; take the setting out, or \
                          say --reverse-dns=false";
            return Err(value("reverse-dns", reason));
        }
        match &self.store {
            Destination::NdJson(Some(file)) if is_sqlite(file) => {
                let reason = format!(
                    "{} is an SQLite database, no lines are appended to it; a store is named with \
                     --store",
                    file.display()
                );
                Err(value("ndjson", reason))
            }
            _ => Ok(()),
        }
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
