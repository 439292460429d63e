//! Which word goes where flags, environment and configuration file say different things.

use clap::{ArgMatches, parser::ValueSource};

use super::ConfigError;
use crate::cli::Settings;

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
pub(super) fn choose_store(
    settings: &mut Settings,
    matches: &ArgMatches,
) -> Result<(), ConfigError> {
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
pub(super) fn layer(typed: Settings, mut file: Settings) -> Result<Settings, ConfigError> {
    only_one_store(&file)?;
    if !named_stores(&typed).is_empty() {
        (file.opensearch, file.store, file.ndjson) = (None, None, None);
    }
    Ok(typed.or(file))
}
