//! The configuration file.

use std::{fs, path::Path};

use super::ConfigError;
use crate::cli::{self, Settings};

pub(super) fn read_file(path: &Path) -> Result<Settings, ConfigError> {
    let file = |error| ConfigError::File { setting: "config", path: path.to_owned(), error };
    let text = fs::read_to_string(path).map_err(file)?;
    toml::from_str(&text).map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        ConfigError::Toml { path: path.to_owned(), line, reason: toml_reason(error.message()) }
    })
}

/// What the parser says, for a person: it lists all settings where one is misspelt, and names types
/// of this language.
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
            let words = words.replace("invalid socket address syntax", cli::ADDRESS_EXPECTED);
            words
                .replace("a borrowed string", "a text")
                .replace("a string", "a text")
                .replace('\n', "; ")
        }
    }
}
