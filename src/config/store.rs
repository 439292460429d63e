//! Settings of the store.

use std::{env, path::PathBuf, time::Duration};

use ureq::http::Uri;

use super::{
    ConfigError, Purpose,
    secret::{STORE, SecretNames, auth},
    value,
};
use crate::{
    cli::Settings,
    dashboards::Indices,
    sink::{
        Destination,
        opensearch::config::{IndexName, OpenSearchConfig, Target},
    },
};

/// The state folder of the service (`StateDirectory=` in `contrib/systemd`).
const SERVICE_FOLDER: &str = "/var/lib/email-report-processor";

/// The SQLite file in a folder that was not named.
const STORE_FILE: &str = "reports.sqlite";

/// Beside it, what the user said is his.
const MINE_FILE: &str = "mine.toml";

pub(super) fn store(
    settings: Settings,
    purpose: &Purpose,
    patience: Option<Duration>,
) -> Result<Destination, ConfigError> {
    if let Some(urls) = &settings.opensearch {
        let nodes = nodes("opensearch", urls)?;
        if nodes.is_empty() {
            return Err(value("opensearch", "no URL"));
        }
        return opensearch(settings, nodes, purpose, patience, &STORE).map(Destination::OpenSearch);
    }
    if let Some(file) = settings.ndjson {
        return Ok(Destination::NdJson(Some(file).filter(|file| file.as_os_str() != "-")));
    }
    match settings.store {
        Some(file) => Ok(Destination::Sqlite(file)),
        None => Ok(Destination::Sqlite(
            data_folder().ok_or(ConfigError::NoDataFolder)?.join(STORE_FILE),
        )),
    }
}

/// A configuration whose one node is OpenSearch Dashboards.
pub(super) fn dashboards(settings: Settings, url: &str) -> Result<OpenSearchConfig, ConfigError> {
    let nodes = vec![node("dashboards-url", url)?];
    // It is not asked to take packed requests.
    let settings = Settings { gzip: None, ..settings };
    opensearch(settings, nodes, &Purpose::default(), None, &STORE)
}

/// The names of the indices, those by year or month with `*` in place of it.
pub(super) fn indices(settings: Settings) -> Result<Indices, ConfigError> {
    let [dmarc, tlsrpt, failures] =
        index_names([settings.dmarc_index, settings.tlsrpt_index, settings.failures_index])?;
    let [dmarc, tlsrpt, failures] = [dmarc, tlsrpt, failures].map(|name| name.wildcard());
    Ok(Indices { dmarc, tlsrpt, failures })
}

/// The names of the indices of DMARC records, TLS policies and failure reports, with the defaults
/// for those that are not said.
pub(super) fn index_names(said: [Option<String>; 3]) -> Result<[IndexName; 3], ConfigError> {
    let [dmarc, tlsrpt, failures] = said;
    let name = |setting, said: Option<String>, default: &str| {
        IndexName::new(said.unwrap_or_else(|| default.into()))
            .map_err(|reason| value(setting, reason))
    };
    Ok([
        name("dmarc-index", dmarc, "dmarc-reports")?,
        name("tlsrpt-index", tlsrpt, "tlsrpt-reports")?,
        name("failures-index", failures, "dmarc-failures")?,
    ])
}

pub(super) fn opensearch(
    settings: Settings,
    nodes: Vec<String>,
    purpose: &Purpose,
    patience: Option<Duration>,
    secrets: &SecretNames,
) -> Result<OpenSearchConfig, ConfigError> {
    let target = |index, pipeline: Option<String>| Target {
        index,
        pipeline: pipeline.filter(|name| !name.is_empty()),
    };
    let [dmarc, tlsrpt, failures] =
        index_names([settings.dmarc_index, settings.tlsrpt_index, settings.failures_index])?;
    let bulk_bytes = settings.bulk_bytes.map_or(8 << 20, |size| size.as_u64());
    Ok(OpenSearchConfig {
        nodes,
        auth: auth(
            settings.opensearch_user,
            settings.opensearch_password_file,
            settings.opensearch_api_key_file,
            secrets,
        )?,
        ca_file: settings.ca_file,
        client: match (settings.client_cert, settings.client_key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => return Err(value("client-key", "missing, beside client-cert")),
            (None, Some(_)) => return Err(value("client-cert", "missing, beside client-key")),
        },
        insecure: settings.insecure.unwrap_or(false),
        dmarc: target(dmarc, settings.dmarc_pipeline),
        tlsrpt: target(tlsrpt, settings.tlsrpt_pipeline),
        failures: target(failures, settings.failures_pipeline),
        bulk_bytes: match usize::try_from(bulk_bytes) {
            Ok(bytes) if (1 << 10..=1 << 30).contains(&bytes) => bytes,
            _ => return Err(value("bulk-bytes", "it must be between 1 KiB and 1 GiB")),
        },
        in_flight: match settings.bulk_in_flight.unwrap_or(2) {
            n @ 1..=64 => n,
            _ => return Err(value("bulk-in-flight", "it must be between 1 and 64")),
        },
        gzip: settings.gzip.unwrap_or(false),
        shards: match settings.shards {
            Some(0) => return Err(value("shards", "an index has one at least")),
            shards => shards,
        },
        replicas: settings.replicas,
        import: purpose.import,
        on_trouble: purpose.on_trouble,
        patience,
    })
}

/// The file with what the user said is his: beside the SQLite store, or where that would be.
pub(super) fn mine_file(settings: &Settings) -> Option<PathBuf> {
    let is_file = settings.opensearch.is_none() && settings.ndjson.is_none();
    let beside = settings.store.as_ref().filter(|_| is_file);
    settings.mine_file.clone().or_else(|| match beside {
        Some(store) => Some(store.with_file_name(MINE_FILE)),
        None => data_folder().map(|folder| folder.join(MINE_FILE)),
    })
}

/// A service's state folder (systemd's `StateDirectory=`), or the user's data folder.
fn data_folder() -> Option<PathBuf> {
    match env::var_os("STATE_DIRECTORY") {
        Some(folder) if !folder.is_empty() => Some(folder.into()),
        _ => dirs::data_dir().map(|folder| folder.join("email-report-processor")),
    }
}

/// Where stores are if nothing else is said: that of the service of `contrib/systemd`, and that of
/// this user.
pub fn well_known_stores() -> Vec<PathBuf> {
    let own = dirs::data_dir().map(|folder| folder.join("email-report-processor"));
    own.into_iter().chain([SERVICE_FOLDER.into()]).map(|folder| folder.join(STORE_FILE)).collect()
}

/// Where journals are kept: a service's state folder, or the user's.
pub fn state_folder() -> Option<PathBuf> {
    match env::var_os("STATE_DIRECTORY") {
        Some(folder) if !folder.is_empty() => Some(folder.into()),
        _ => dirs::state_dir().map(|folder| folder.join("email-report-processor")),
    }
}

/// The base URLs of nodes.
pub(super) fn nodes(setting: &'static str, urls: &[String]) -> Result<Vec<String>, ConfigError> {
    // Before any is shown: a password with a comma in it stands in several.
    urls.iter().try_for_each(|url| refuse_secrets(setting, url))?;
    urls.iter().map(|url| node(setting, url)).collect()
}

/// Refuses a user and password, anywhere: a password may hold what ends a host's name.
fn refuse_secrets(setting: &'static str, url: &str) -> Result<(), ConfigError> {
    if url.contains('@') {
        // Not repeated in the message: it would put the password into the log.
        let reason = "no user and password in the URL, please; see --opensearch-user";
        return Err(value(setting, reason));
    }
    Ok(())
}

/// The base URL of a node, without a slash at the end.
fn node(setting: &'static str, url: &str) -> Result<String, ConfigError> {
    let fault = |reason: &str| value(setting, format!("{url}: {reason}"));
    refuse_secrets(setting, url)?;
    let uri: Uri =
        url.parse().map_err(|_| value(setting, "not a URL such as https://localhost:9200"))?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        Some(_) if url.contains("://") => return Err(fault("not an http or https URL")),
        _ => return Err(fault(&format!("not an http or https URL; did you mean http://{url}?"))),
    }
    // The parser takes any digits for a port.
    if let Some((_, port)) =
        uri.authority().and_then(|authority| authority.as_str().rsplit_once(':'))
        && !port.ends_with(']')
        && !port.parse::<u16>().is_ok_and(|port| port > 0)
    {
        return Err(fault("there is no such port; they go up to 65535"));
    }
    if uri.query().is_some() {
        // Nor this: there may be a key in it.
        return Err(value(setting, "a query makes no sense in the URL"));
    }
    Ok(url.trim_end_matches('/').to_owned())
}
