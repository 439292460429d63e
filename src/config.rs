//! What the command line, the environment and the configuration file mean together: checked, with all defaults filled in.

use std::{
    env, fmt, fs,
    net::SocketAddr,
    ops::Range,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use bytesize::ByteSize;
use clap::{ArgMatches, parser::ValueSource};
use ureq::http::Uri;

use crate::{
    cli::{self, Settings},
    exit::{Exit, Failure},
    limits::Limits,
    message, pipeline,
    sink::opensearch::config::{Auth, ImportTuning, OnTrouble, OpenSearchConfig, Target},
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
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The configuration file is not what it should be.
    #[error("{}, line {line}: {reason}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// Why.
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
            Destination::Sqlite(file) | Destination::NdJson(Some(file)) => write!(f, "{}", file.display()),
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
}

impl Typed<'_> {
    /// Reads the configuration file and makes sense of all settings.
    ///
    /// # Errors
    /// A file can't be read, or a setting makes no sense.
    pub fn config(&self, purpose: &Purpose) -> Result<Config, ConfigError> {
        let mut typed = self.shared.settings.clone();
        choose_store(&mut typed, self.matches)?;
        let file = match &self.shared.config {
            Some(path) => read_file(path)?,
            None if Path::new(DEFAULT_FILE).exists() => read_file(Path::new(DEFAULT_FILE))?,
            None => Settings::default(),
        };
        Config::new(layer(typed, file)?, purpose)
    }
}

impl Config {
    fn new(settings: Settings, purpose: &Purpose) -> Result<Config, ConfigError> {
        let give_up_after = settings
            .give_up_after
            .map(|wait| Duration::try_from(wait).map_err(|_| value("give-up-after", "it must not be negative")));
        let patience = give_up_after.transpose()?.or(purpose.patience);
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
            store: if purpose.dry_run { Destination::Nothing } else { store(settings, purpose, patience)? },
        })
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::new(Exit::Configuration, error)
    }
}

fn value(setting: &'static str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Value { setting, reason: reason.into() }
}

fn read_file(path: &Path) -> Result<Settings, ConfigError> {
    let file = |error| ConfigError::File { setting: "config", path: path.to_owned(), error };
    let text = fs::read_to_string(path).map_err(file)?;
    toml::from_str(&text).map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        ConfigError::Toml { path: path.to_owned(), line, reason: toml_reason(error.message()) }
    })
}

/// What the parser says, for a person: it lists all settings where one is misspelt, and names types of this language.
fn toml_reason(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    match names.next() {
        Some(unknown) if message.starts_with("unknown field") => {
            let guess = cli::similar(&unknown.replace('_', "-"), names);
            let guess = guess.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default();
            format!("there is no setting {unknown:?}{guess}")
        }
        _ => {
            let words = message.replace("usize", "a whole number").replace("u64", "a whole number");
            words.replace("a borrowed string", "a text").replace("a string", "a text").replace('\n', "; ")
        }
    }
}

/// The stores that are named, by the names of their settings.
fn named_stores(settings: &Settings) -> Vec<&'static str> {
    let all = [
        ("opensearch", settings.opensearch.is_some()),
        ("store", settings.store.is_some()),
        ("ndjson", settings.ndjson.is_some()),
    ];
    all.into_iter().filter_map(|(name, named)| named.then_some(name)).collect()
}

/// A store named by a flag puts those named by the environment out of force.
fn choose_store(settings: &mut Settings, matches: &ArgMatches) -> Result<(), ConfigError> {
    let mut matches = matches;
    while let Some((_, inner)) = matches.subcommand() {
        matches = inner;
    }
    let is_flag = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
    if named_stores(settings).into_iter().any(is_flag) {
        settings.opensearch = settings.opensearch.take().filter(|_| is_flag("opensearch"));
        settings.store = settings.store.take().filter(|_| is_flag("store"));
        settings.ndjson = settings.ndjson.take().filter(|_| is_flag("ndjson"));
    }
    only_one_store(settings)
}

fn only_one_store(settings: &Settings) -> Result<(), ConfigError> {
    match named_stores(settings).as_slice() {
        [first, second, ..] => Err(ConfigError::TwoStores(first, second)),
        _ => Ok(()),
    }
}

/// Puts what was typed over the file. A store that was typed puts the file's store out of force.
fn layer(typed: Settings, mut file: Settings) -> Result<Settings, ConfigError> {
    only_one_store(&file)?;
    if !named_stores(&typed).is_empty() {
        (file.opensearch, file.store, file.ndjson) = (None, None, None);
    }
    Ok(typed.or(file))
}

fn reading(settings: &Settings) -> Result<message::ReadOptions, ConfigError> {
    let authserv_id = settings.authserv_id.clone().filter(|id| !id.is_empty());
    let require_authenticated = settings.require_authenticated.unwrap_or(false);
    if require_authenticated && authserv_id.is_none() {
        return Err(value("require-authenticated", "it needs authserv-id, the name of the mail server to be believed"));
    }
    let authserv_below_received = settings.authserv_below_received.unwrap_or(false);
    if authserv_below_received && authserv_id.is_none() {
        return Err(value(
            "authserv-below-received",
            "it needs authserv-id, the name of the mail server to be believed",
        ));
    }
    Ok(message::ReadOptions {
        limits: limits(settings),
        keep_failed_message: settings.keep_failed_message.unwrap_or(false),
        authserv_id,
        authserv_below_received,
        require_authenticated,
    })
}

fn limits(settings: &Settings) -> Limits {
    let default = Limits::default();
    let bytes = |size: Option<ByteSize>, default| size.map_or(default, |size| size.as_u64());
    Limits {
        mail_bytes: bytes(settings.limit_mail_bytes, default.mail_bytes),
        unpacked_bytes: bytes(settings.limit_unpacked_bytes, default.unpacked_bytes),
        ratio: settings.limit_ratio.unwrap_or(default.ratio),
        nesting: settings.limit_nesting.unwrap_or(default.nesting),
        header_bytes: bytes(settings.limit_header_bytes, default.header_bytes),
        parts: settings.limit_parts.unwrap_or(default.parts),
        members: settings.limit_members.unwrap_or(default.members),
        records: settings.limit_records.unwrap_or(default.records),
        document_bytes: bytes(settings.limit_document_bytes, default.document_bytes),
        value_bytes: settings.limit_value_bytes.unwrap_or(default.value_bytes),
        xml_depth: settings.limit_xml_depth.unwrap_or(default.xml_depth),
    }
}

fn store(settings: Settings, purpose: &Purpose, patience: Option<Duration>) -> Result<Destination, ConfigError> {
    if let Some(nodes) = settings.opensearch {
        let nodes = nodes.iter().map(|url| node(url)).collect::<Result<Vec<_>, _>>()?;
        if nodes.is_empty() {
            return Err(value("opensearch", "no URL"));
        }
        let target = |kind, index: Option<String>, default: &str, pipeline: Option<String>| {
            Ok(Target {
                index: index_name(kind, index.unwrap_or_else(|| default.into()))?,
                pipeline: pipeline.filter(|name| !name.is_empty()),
            })
        };
        let bulk_bytes = settings.bulk_bytes.map_or(8 << 20, |size| size.as_u64());
        return Ok(Destination::OpenSearch(OpenSearchConfig {
            nodes,
            auth: auth(settings.opensearch_user, settings.opensearch_password_file, settings.opensearch_api_key_file)?,
            ca_file: settings.ca_file,
            insecure: settings.insecure.unwrap_or(false),
            dmarc: target("dmarc-index", settings.dmarc_index, "dmarc-reports", settings.dmarc_pipeline)?,
            tlsrpt: target("tlsrpt-index", settings.tlsrpt_index, "tlsrpt-reports", settings.tlsrpt_pipeline)?,
            failures: target("failures-index", settings.failures_index, "dmarc-failures", settings.failures_pipeline)?,
            bulk_bytes: match usize::try_from(bulk_bytes) {
                Ok(bytes) if (1 << 10..=1 << 30).contains(&bytes) => bytes,
                _ => return Err(value("bulk-bytes", "it must be between 1 KiB and 1 GiB")),
            },
            in_flight: match settings.bulk_in_flight.unwrap_or(2) {
                n @ 1..=64 => n,
                _ => return Err(value("bulk-in-flight", "it must be between 1 and 64")),
            },
            gzip: settings.gzip.unwrap_or(false),
            import: purpose.import,
            on_trouble: purpose.on_trouble,
            patience,
        }));
    }
    if let Some(file) = settings.ndjson {
        return Ok(Destination::NdJson(Some(file).filter(|file| file.as_os_str() != "-")));
    }
    match settings.store {
        Some(file) => Ok(Destination::Sqlite(file)),
        None => Ok(Destination::Sqlite(data_folder().ok_or(ConfigError::NoDataFolder)?.join("reports.sqlite"))),
    }
}

/// A service's state folder (systemd's `StateDirectory=`), or the user's data folder.
fn data_folder() -> Option<PathBuf> {
    match env::var_os("STATE_DIRECTORY") {
        Some(folder) if !folder.is_empty() => Some(folder.into()),
        _ => dirs::data_dir().map(|folder| folder.join("email-report-processor")),
    }
}

/// Where journals are kept: a service's state folder, or the user's.
pub fn state_folder() -> Option<PathBuf> {
    match env::var_os("STATE_DIRECTORY") {
        Some(folder) if !folder.is_empty() => Some(folder.into()),
        _ => dirs::state_dir().map(|folder| folder.join("email-report-processor")),
    }
}

/// The base URL of a node, without a slash at the end.
fn node(url: &str) -> Result<String, ConfigError> {
    let fault = |reason: &str| value("opensearch", format!("{url}: {reason}"));
    let uri: Uri = url.parse().map_err(|_| value("opensearch", "not a URL such as https://localhost:9200"))?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        // Not repeated in the message: it would put the password into the log.
        return Err(value("opensearch", "no user and password in the URL, please; see --opensearch-user"));
    }
    match uri.scheme_str() {
        Some("http" | "https") => {}
        Some(_) if url.contains("://") => return Err(fault("not an http or https URL")),
        _ => return Err(fault(&format!("not an http or https URL; did you mean http://{url}?"))),
    }
    // The parser takes any digits for a port.
    if let Some((_, port)) = uri.authority().and_then(|authority| authority.as_str().rsplit_once(':'))
        && !port.ends_with(']')
        && !port.parse::<u16>().is_ok_and(|port| port > 0)
    {
        return Err(fault("there is no such port; they go up to 65535"));
    }
    if uri.query().is_some() {
        return Err(fault("a query makes no sense here"));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// Rejects what would mean something else in a URL or what the cluster would refuse document by document.
fn index_name(setting: &'static str, name: String) -> Result<String, ConfigError> {
    let bad = |c: char| c.is_uppercase() || c.is_control() || " \"*\\<|,>/?#:".contains(c);
    if name.is_empty() || name.len() > 255 || name.starts_with(['-', '_', '+', '.']) || name.contains(bad) {
        return Err(value(setting, format!("{name:?} can't be the name of an index")));
    }
    Ok(name)
}

fn auth(
    user: Option<String>,
    password_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
) -> Result<Option<Auth>, ConfigError> {
    let key = secret(key_file, "opensearch-api-key-file", "ERP_OPENSEARCH_API_KEY", "opensearch-api-key")?;
    let password = secret(password_file, "opensearch-password-file", "ERP_OPENSEARCH_PASSWORD", "opensearch-password")?;
    if key.as_ref().is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err(value("opensearch-api-key", "it must consist of ASCII letters, digits and signs"));
    }
    match (user, password, key) {
        (None, None, key) => Ok(key.map(Auth::ApiKey)),
        (Some(user), Some(_), None) if user.contains(':') => Err(value("opensearch-user", "a colon can't be in it")),
        (Some(user), Some(password), None) => Ok(Some(Auth::Basic(user, password))),
        (Some(_), None, None) => Err(value("opensearch-user", "there is no password for it")),
        (None, Some(_), None) => Err(value("opensearch-user", "there is a password, but no user")),
        (_, _, Some(_)) => Err(value("opensearch-api-key-file", "not together with a user and password")),
    }
}

/// A secret from the file that was named, from the environment, or from systemd's credentials.
fn secret(
    file: Option<PathBuf>,
    setting: &'static str,
    variable: &str,
    credential: &'static str,
) -> Result<Option<String>, ConfigError> {
    let read = |path: PathBuf, setting| match fs::read_to_string(&path) {
        Ok(text) => sendable(text.trim_end_matches(['\r', '\n']), credential).map(Some),
        Err(error) => Err(ConfigError::File { setting, path, error }),
    };
    if let Some(file) = file {
        return read(file, setting);
    }
    if let Ok(secret) = env::var(variable)
        && !secret.is_empty()
    {
        return sendable(&secret, credential).map(Some);
    }
    let file = env::var_os("CREDENTIALS_DIRECTORY").map(|folder| PathBuf::from(folder).join(credential));
    match file {
        Some(path) if path.exists() => read(path, credential),
        _ => Ok(None),
    }
}

/// Refuses what can't be sent, and otherwise would look like a store that is away. The secret is not told.
fn sendable(secret: &str, name: &'static str) -> Result<String, ConfigError> {
    if secret.is_empty() {
        return Err(value(name, "it is empty"));
    }
    if secret.contains(char::is_control) {
        return Err(value(name, "there are control characters in it, or more than one line"));
    }
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
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
        assert_eq!((store.bulk_bytes, store.gzip, config.pipeline.reading.limits.mail_bytes), (1 << 20, true, 1000));
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
            ("limit_members = 1", ", line 1: there is no setting \"limit_members\"; did you mean \"limit-members\"?"),
            ("xyzzy = 1", ", line 1: there is no setting \"xyzzy\""),
            ("\n\nthreads = 'x'", ", line 3: invalid type: string \"x\", expected a whole number"),
            ("give-up-after = 5", ", line 1: 5 needs a unit, such as 5s"),
            ("bulk-bytes = '5x'", ", line 1: expected a size such as 500kB or 64MiB, or a number of bytes"),
        ] {
            fs::write(&file, text).expect("written");
            let error = read_file(&file).expect_err(text).to_string();
            assert_eq!(error, format!("{}{expected}", file.display()));
        }
    }

    #[test]
    fn a_single_url_needs_no_list_and_a_size_no_quotation_marks() {
        let settings = settings("opensearch = 'http://h:9200'\nbulk-bytes = 4096\nmetrics = '127.0.0.1:9187'");
        assert_eq!(settings.opensearch, Some(vec!["http://h:9200".into()]));
        assert_eq!(settings.bulk_bytes, Some(ByteSize::b(4096)));
        assert!(settings.metrics.is_some());
    }

    #[test]
    fn what_was_typed_wins_over_the_file() {
        let file = "opensearch = ['http://file:9200']\nthreads = 7\ndmarc-index = 'file'";
        let both = layer(settings("store = 'typed.sqlite'\ndmarc-index = 'typed'"), settings(file)).expect("settings");
        assert_eq!((both.opensearch, both.store), (None, Some("typed.sqlite".into())));
        assert_eq!((both.threads, both.dmarc_index.as_deref()), (Some(7), Some("typed")));
        assert!(layer(settings(""), settings("store = 'a'\nndjson = 'b'")).is_err());
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
            "opensearch = ['http://h']\nopensearch-user = 'without-password'",
            "threads = 0",
        ] {
            let error = Config::new(settings(bad), &Purpose::default()).expect_err(bad).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
