//! Passwords and keys: where they come from, and which are refused.

use std::{env, fs, path::PathBuf};

use super::{ConfigError, value};
use crate::sink::opensearch::config::Auth;

pub(super) fn auth(
    user: Option<String>,
    password_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
) -> Result<Option<Auth>, ConfigError> {
    let key = secret(
        key_file,
        "opensearch-api-key-file",
        "ERP_OPENSEARCH_API_KEY",
        "opensearch-api-key",
    )?;
    let password = secret(
        password_file,
        "opensearch-password-file",
        "ERP_OPENSEARCH_PASSWORD",
        "opensearch-password",
    )?;
    if key.as_ref().is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err(value(
            "opensearch-api-key",
            "it must consist of ASCII letters, digits and signs",
        ));
    }
    match (user, password, key) {
        (None, None, key) => Ok(key.map(Auth::ApiKey)),
        (Some(user), Some(_), None) if user.contains(':') => {
            Err(value("opensearch-user", "a colon can't be in it"))
        }
        (Some(user), Some(password), None) => Ok(Some(Auth::Basic(user, password))),
        (Some(_), None, None) => Err(value("opensearch-user", "there is no password for it")),
        (None, Some(_), None) => Err(value("opensearch-user", "there is a password, but no user")),
        (_, _, Some(_)) => {
            Err(value("opensearch-api-key-file", "not together with a user and password"))
        }
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
    let file =
        env::var_os("CREDENTIALS_DIRECTORY").map(|folder| PathBuf::from(folder).join(credential));
    match file {
        Some(path) if path.exists() => read(path, credential),
        _ => Ok(None),
    }
}

/// Refuses what can't be sent, and otherwise would look like a store that is away. The secret is
/// not told.
fn sendable(secret: &str, name: &'static str) -> Result<String, ConfigError> {
    if secret.is_empty() {
        return Err(value(name, "it is empty"));
    }
    if secret.contains(char::is_control) {
        return Err(value(name, "there are control characters in it, or more than one line"));
    }
    Ok(secret.to_owned())
}
