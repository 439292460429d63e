//! Settings of an OpenSearch cluster that an import reads.

use std::time::Duration;

use crate::{
    cli::{FromFlags, Settings},
    sink::opensearch::config::OpenSearchConfig,
};

use super::{
    ConfigError, Purpose,
    secret::{FROM, STORE},
    store::{index_names, nodes, opensearch},
    value,
};

/// A cluster to be read, and the indices.
pub(crate) struct FromIndices {
    pub(crate) config: OpenSearchConfig,
    /// Names of indices, aliases, or patterns with `*`.
    pub(crate) names: Vec<String>,
    /// They were named, so each must be there.
    pub(crate) is_named: bool,
}

/// What the flags and, for a node that is the store's as well, the settings of the store say.
pub(super) fn from(
    flags: &FromFlags,
    settings: &Settings,
    purpose: &Purpose,
    patience: Option<Duration>,
) -> Result<FromIndices, ConfigError> {
    let from = nodes("from-opensearch", &flags.from_opensearch)?;
    let own = Settings {
        opensearch_user: flags.from_user.clone(),
        opensearch_password_file: flags.from_password_file.clone(),
        opensearch_api_key_file: flags.from_api_key_file.clone(),
        ca_file: flags.from_ca_file.clone(),
        client_cert: flags.from_client_cert.clone(),
        client_key: flags.from_client_key.clone(),
        insecure: flags.from_insecure.then_some(true),
        ..Settings::default()
    };
    // What is said for one cluster is not for the eyes of another.
    let stores = nodes("opensearch", settings.opensearch.as_deref().unwrap_or_default())?;
    let is_silent = own.opensearch_user.is_none()
        && own.opensearch_password_file.is_none()
        && own.opensearch_api_key_file.is_none()
        && !FROM.are_in_environment()?;
    let mut config = if is_silent && from.iter().all(|node| stores.contains(node)) {
        opensearch(own.or(settings.clone()), from, purpose, patience, &STORE)?
    } else {
        opensearch(own, from, purpose, patience, &FROM)?
    };
    // What is sent is short, and no index is written to.
    config.gzip = false;
    config.import = None;
    let names = match flags.from_index.as_slice() {
        [] => index_names([
            settings.dmarc_index.clone(),
            settings.tlsrpt_index.clone(),
            settings.failures_index.clone(),
        ])?
        .map(|name| name.wildcard())
        .into(),
        names => names.to_vec(),
    };
    names.iter().try_for_each(|name| pattern(name))?;
    Ok(FromIndices { config, names, is_named: !flags.from_index.is_empty() })
}

/// Rejects what would mean something else in a URL.
fn pattern(name: &str) -> Result<(), ConfigError> {
    let bad = |c: char| c.is_uppercase() || c.is_control() || " \"\\<|,>/?#:%".contains(c);
    if name.is_empty()
        || name.len() > 255
        || name.starts_with(['-', '_', '+'])
        || name.contains(bad)
    {
        let reason = format!("{name:?} can't be the name of an index, an alias, or a pattern");
        return Err(value("from-index", reason));
    }
    Ok(())
}
