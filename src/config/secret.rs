//! Passwords and keys: where they come from, and which are refused.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, BufRead, IsTerminal, Read, Write},
    path::PathBuf,
};

use parking_lot::Mutex;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::{ConfigError, value};
use crate::{exit::Failure, sanitize, sink::opensearch::config::Auth};

/// Where the user, password and key of a cluster come from.
pub(super) struct SecretNames {
    user: &'static str,
    /// The password behind the user's name.
    users_password: &'static str,
    /// File, variable, and systemd credential.
    password: [&'static str; 3],
    /// The same.
    key: [&'static str; 3],
}

/// Of the store.
pub(super) const STORE: SecretNames = SecretNames {
    user: "opensearch-user",
    users_password: "opensearch-user's password",
    password: ["opensearch-password-file", "ERP_OPENSEARCH_PASSWORD", "opensearch-password"],
    key: ["opensearch-api-key-file", "ERP_OPENSEARCH_API_KEY", "opensearch-api-key"],
};

/// Of the cluster that an import reads.
pub(super) const FROM: SecretNames = SecretNames {
    user: "from-user",
    users_password: "from-user's password",
    password: ["from-password-file", "ERP_FROM_PASSWORD", "from-password"],
    key: ["from-api-key-file", "ERP_FROM_API_KEY", "from-api-key"],
};

/// Of the SMTP server: file, variable, and systemd credential.
pub(super) const SMTP_PASSWORD: [&str; 3] =
    ["smtp-password-file", "ERP_SMTP_PASSWORD", "smtp-password"];

impl SecretNames {
    /// True if a variable or a credential of systemd speaks for this cluster.
    ///
    /// # Errors
    /// One is there and can't be used: what was said for another cluster is not sent in its place.
    pub(super) fn are_in_environment(&self) -> Result<bool, ConfigError> {
        let has = |names| secret(None, names).map(|secret| secret.is_some());
        Ok(has(self.password)? || has(self.key)?)
    }
}

pub(super) fn auth(
    user: Option<String>,
    password_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    names: &SecretNames,
) -> Result<Option<Auth>, ConfigError> {
    let key = secret(key_file, names.key)?;
    let password = secret(password_file, names.password)?;
    if key.as_ref().is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err(value(names.key[2], "it must consist of ASCII letters, digits and signs"));
    }
    let (user, password) = match user.as_deref().and_then(|user| user.split_once(':')) {
        Some(_) if password.is_some() => {
            return Err(value(names.user, "there are two passwords for it"));
        }
        Some((user, password)) => {
            (Some(user.to_owned()), Some(sendable(password, names.users_password)?))
        }
        None => (user, password),
    };
    match (user, password, key) {
        (None, None, key) => Ok(key.map(Auth::ApiKey)),
        (Some(user), Some(password), None) => Ok(Some(Auth::Basic(user, password))),
        (Some(user), None, None) => {
            ask(&user, names).map(|password| Some(Auth::Basic(user, password)))
        }
        (None, Some(_), None) => Err(value(names.user, "there is a password, but no user")),
        (_, _, Some(_)) => Err(value(names.key[0], "not together with a user and password")),
    }
}

/// Asks for a password where somebody can answer. Once only: settings are read again on SIGHUP.
fn ask(user: &str, names: &SecretNames) -> Result<String, ConfigError> {
    static ANSWERS: Mutex<BTreeMap<&'static str, String>> = Mutex::new(BTreeMap::new());
    let mut answers = ANSWERS.lock();
    if let Some(password) = answers.get(names.user) {
        return Ok(password.clone());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(value(
            names.user,
            format!(
                "there is no password for it, and no terminal to ask for one; see --{}",
                names.password[0]
            ),
        ));
    }
    let read = read_silently(&format!("Password of {}: ", sanitize::line(user)));
    let password = read.map_err(|error| value(names.user, format!("no password: {error}")))?;
    let password = sendable(&password, "the password")?;
    Ok(answers.entry(names.user).or_insert(password).clone())
}

/// A line that is typed at the terminal and not shown there.
fn read_silently(prompt: &str) -> io::Result<String> {
    let (terminal, mut shown) = (io::stdin(), io::stderr());
    let before = tcgetattr(&terminal)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&terminal, OptionalActions::Now, &silent)?;
    let _ = write!(shown, "{prompt}");
    let mut line = String::new();
    let read = terminal.read_line(&mut line);
    let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
    let _ = writeln!(shown);
    read.map(|_| line.trim_end_matches(['\r', '\n']).to_owned())
}

/// A new password for a person: asked for twice at a terminal, else the first line of standard
/// input.
///
/// # Errors
/// It can't be read, or the second one is another.
pub fn typed_password(name: &str) -> Result<String, Failure> {
    let input = io::stdin();
    if !input.is_terminal() {
        let mut line = String::new();
        // Longer passwords nobody has; input without end is not read for ever.
        input.lock().take(4096).read_line(&mut line)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let first = read_silently(&format!("Password for {}: ", sanitize::line(name)))?;
    if read_silently("Again: ")? != first {
        return Err(Failure::usage("the second one is another"));
    }
    Ok(first)
}

/// A secret from the file that was named, from the environment, or from systemd's credentials.
pub(super) fn secret(
    file: Option<PathBuf>,
    [setting, variable, credential]: [&'static str; 3],
) -> Result<Option<String>, ConfigError> {
    let read = |path: PathBuf, setting| match fs::read_to_string(&path) {
        Ok(text) => sendable(text.trim_end_matches(['\r', '\n']), credential).map(Some),
        Err(error) => Err(ConfigError::File { setting, path, error }),
    };
    if let Some(file) = file {
        return read(file, setting);
    }
    if let Some(secret) = env::var_os(variable).filter(|secret| !secret.is_empty()) {
        let secret = secret.to_str().ok_or_else(|| value(variable, "it is not UTF-8"))?;
        return sendable(secret, variable).map(Some);
    }
    let file =
        env::var_os("CREDENTIALS_DIRECTORY").map(|folder| PathBuf::from(folder).join(credential));
    let Some(path) = file else { return Ok(None) };
    match path.try_exists() {
        Ok(true) => read(path, credential),
        Ok(false) => Ok(None),
        Err(error) => Err(ConfigError::File { setting: credential, path, error }),
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
