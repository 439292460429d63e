//! Users: who may log in, from a file. A line for each: `name:role:hash`, the hash in PHC's form.
//! The file is read again when it has changed, so who is taken out is out with the next page.

use std::{fs, path::PathBuf, sync::Arc};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tracing::error;

use super::MOST_NAME;
use crate::{
    file::{self, Bytes, identity::FileIdentity},
    sanitize,
};

/// A file of some thousand users is smaller.
const LIMIT: u64 = 1 << 20;

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Read.
    Reader,
    /// Say what is the user's own, too.
    Editor,
}

impl Role {
    /// As the file has it.
    pub fn word(self) -> &'static str {
        match self {
            Role::Reader => "reader",
            Role::Editor => "editor",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Role, String> {
        let found = [Role::Reader, Role::Editor].into_iter().find(|role| role.word() == text);
        found.ok_or_else(|| "expected reader or editor".into())
    }
}

/// The file of users can't be used.
#[derive(Debug, thiserror::Error)]
#[error("users {}: {reason}", path.display())]
pub struct UsersError {
    path: PathBuf,
    reason: String,
}

/// Who may log in.
#[derive(Debug)]
pub struct Users {
    path: PathBuf,
    read: Mutex<Read>,
}

/// The file as it was read.
#[derive(Debug)]
struct Read {
    /// Nothing if it was not there.
    identity: Option<FileIdentity>,
    users: Arc<Vec<User>>,
}

/// A person who may log in.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::page) struct User {
    pub(in crate::page) name: String,
    pub(in crate::page) role: Role,
    hash: String,
}

/// Without the hash.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{:?} ({})", self.name, self.role.word())
    }
}

impl User {
    /// By what a session knows that the password is still the same.
    pub(in crate::page) fn credential(&self) -> [u8; 32] {
        Sha256::digest(&self.hash).into()
    }

    /// By what a browser shows that it has logged in as this one before, with this password.
    pub(in crate::page) fn mark(&self) -> String {
        let hash = Sha256::new()
            .chain_update(b"a browser that is known")
            .chain_update(Sha256::digest(&self.name))
            .chain_update(Sha256::digest(&self.hash))
            .finalize();
        BASE64_URL_SAFE_NO_PAD.encode(hash)
    }
}

impl Users {
    /// Reads the file.
    ///
    /// # Errors
    /// It can't be read, has a mistake, or nobody in it.
    pub fn open(path: PathBuf) -> Result<Users, UsersError> {
        match read(&path) {
            Ok(read) if read.users.is_empty() => {
                Err(UsersError { path, reason: "nobody is in it".into() })
            }
            Ok(read) => Ok(Users { path, read: Mutex::new(read) }),
            Err(reason) => Err(UsersError { path, reason }),
        }
    }

    /// Who is in the file now. One that can't be read leaves those that were in it before.
    fn all(&self) -> Arc<Vec<User>> {
        let mut known = self.read.lock();
        let identity = identity(&self.path);
        if identity != known.identity {
            match read(&self.path) {
                Ok(read) => *known = read,
                Err(reason) => {
                    error!("{}: {reason}; those who were in it stay", self.path.display());
                    known.identity = identity;
                }
            }
        }
        Arc::clone(&known.users)
    }

    /// The one of this name.
    pub(in crate::page) fn find(&self, name: &str) -> Option<User> {
        self.all().iter().find(|user| user.name == name).cloned()
    }

    /// The one of this name, if it is the right password. It takes as long if there is no such
    /// name, and some hundredths of a second and 19 MiB in any case.
    pub(in crate::page) fn check(&self, name: &str, password: &str) -> Option<User> {
        let all = self.all();
        let found = all.iter().find(|user| user.name == name);
        // Somebody's hash, so that the work is the same.
        let hash = found.or_else(|| all.first()).map(|user| user.hash.as_str())?;
        let is_right = matches(hash, password);
        found.filter(|_| is_right).cloned()
    }
}

fn matches(hash: &str, password: &str) -> bool {
    let hash = PasswordHash::new(hash);
    hash.is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// Nothing if it is not there, or can't be looked at.
fn identity(path: &std::path::Path) -> Option<FileIdentity> {
    fs::metadata(path).ok().as_ref().map(FileIdentity::from)
}

fn read(path: &std::path::Path) -> Result<Read, String> {
    // Before it is read: a change meanwhile is seen the next time.
    let identity = identity(path);
    let bytes = match file::read_file(path, LIMIT) {
        Ok(Bytes::Whole(bytes)) => bytes,
        Ok(Bytes::Gone) => return Err("it is not there".into()),
        Ok(Bytes::TooLarge) => return Err("larger than 1 MiB".into()),
        Ok(Bytes::NotAFile) => return Err("not a file".into()),
        Err(error) => return Err(error.to_string()),
    };
    let text = String::from_utf8(bytes).map_err(|_| "not UTF-8")?;
    let mut users: Vec<User> = Vec::new();
    for (line, n) in text.lines().zip(1..) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let user = user(line).map_err(|reason| format!("line {n}: {reason}"))?;
        if users.iter().any(|known| known.name == user.name) {
            return Err(format!("line {n}: the name is there twice"));
        }
        users.push(user);
    }
    Ok(Read { identity, users: Arc::new(users) })
}

/// The user of a line. What is wrong is told without the hash.
fn user(line: &str) -> Result<User, String> {
    let mut parts = line.trim_end().splitn(3, ':');
    let (Some(name), Some(role), Some(hash)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("expected name:role:hash".into());
    };
    check_name(name)?;
    let role = role.parse()?;
    let known = PasswordHash::new(hash).is_ok_and(|hash| {
        hash.algorithm.as_str().starts_with("argon2") && hash.hash.is_some() && hash.salt.is_some()
    });
    if !known {
        return Err("expected a hash of Argon2 in PHC's form, such as `generate user` makes".into());
    }
    Ok(User { name: name.into(), role, hash: hash.into() })
}

fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.trim() != name || name.len() > MOST_NAME {
        return Err("expected a name of 1 to 256 bytes, without blanks around it".into());
    }
    if name.contains(':') || name.starts_with('#') || sanitize::line(name) != name {
        return Err("a name has no colon, no # at its beginning, and no control characters".into());
    }
    Ok(())
}

/// A line for the file.
///
/// # Errors
/// It is no name, or the password is too short to keep anybody out.
pub fn password_line(name: &str, role: Role, password: &str) -> Result<String, String> {
    check_name(name)?;
    if password.chars().count() < 8 {
        return Err("the password has fewer than 8 characters".into());
    }
    let hash = Argon2::default().hash_password(password.as_bytes());
    let hash = hash.map_err(|error| error.to_string())?;
    Ok(format!("{name}:{}:{hash}\n", role.word()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    use super::*;

    #[test]
    fn a_line_that_was_made_lets_in() {
        let line = password_line("Anna Ä", Role::Editor, "correct horse").expect("a line");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("users");
        fs::write(&path, format!("# people\n\n{line}")).expect("written");
        let users = Users::open(path.clone()).expect("users");
        let found = users.check("Anna Ä", "correct horse").expect("the right password");
        assert_eq!((found.name.as_str(), found.role), ("Anna Ä", Role::Editor));
        assert_eq!(users.check("Anna Ä", "correct horsf"), None);
        assert_eq!(users.check("anna ä", "correct horse"), None);
        assert_eq!(users.check("", ""), None);

        // A mistake leaves those who were in it; who is taken out is out.
        fs::write(&path, "bert").expect("written");
        assert!(users.find("Anna Ä").is_some());
        fs::remove_file(&path).expect("removed");
        assert!(users.find("Anna Ä").is_some());
        fs::write(&path, line.replace("Anna Ä", "bert")).expect("written");
        assert_eq!(users.find("Anna Ä"), None);
        assert!(users.find("bert").is_some());
        fs::write(&path, "").expect("written");
        assert_eq!(users.find("bert"), None);
        assert_eq!(users.check("bert", "correct horse"), None);
        assert!(Users::open(path).is_err());
    }

    #[test]
    fn an_unknown_name_takes_as_long() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("users");
        let line = password_line("anna", Role::Reader, "correct horse").expect("a line");
        fs::write(&path, line).expect("written");
        let users = Users::open(path).expect("users");
        // Of the processor, in turn, and the shortest of several: what else the machine does only
        // adds.
        let time = |name: &str| {
            let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("time");
            let begun = now();
            assert_eq!(users.check(name, "wrong horse"), None);
            now().saturating_sub(begun)
        };
        let measured: Vec<_> = (0..10).map(|_| (time("anna"), time("nobody"))).collect();
        let known = measured.iter().map(|both| both.0).min().expect("some");
        let unknown = measured.iter().map(|both| both.1).min().expect("some");
        assert!(unknown > known / 2 && known > unknown / 2, "{known:?} {unknown:?}");
    }

    #[test]
    fn mistakes_are_told_with_their_line_and_without_hashes() {
        let line = password_line("anna", Role::Reader, "correct horse").expect("a line");
        let hash = line.trim_end().rsplit(':').next().expect("a hash");
        for (text, expected) in [
            (format!("{line}anna:editor:{hash}"), "line 2: the name is there twice"),
            ("\nanna".into(), "line 2: expected name:role:hash"),
            (format!("anna:admin:{hash}"), "line 1: expected reader or editor"),
            (format!(":reader:{hash}"), "line 1: expected a name"),
            (format!("a\u{202e}b:reader:{hash}"), "line 1: a name has no colon"),
            ("anna:reader:secret".into(), "line 1: expected a hash of Argon2"),
            ("anna:reader:$apr1$x$secret".into(), "line 1: expected a hash of Argon2"),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("users");
            fs::write(&path, &text).expect("written");
            let told = Users::open(path).expect_err(&text).to_string();
            assert!(told.contains(expected), "{text}: {told}");
            assert!(!told.contains("secret") && !told.contains(hash), "{told}");
        }
        assert!(password_line("anna", Role::Reader, "short").is_err());
        assert!(password_line("an:na", Role::Reader, "correct horse").is_err());
    }
}
