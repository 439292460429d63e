//! Databases: the files of `--ip-database`, read into memory, and read again when they were
//! replaced.
//!
//! They are not mapped into memory: who writes to a mapped file or cuts it off changes what is read
//! at that moment, and the kernel ends the program with SIGBUS for a page that is gone. Tools that
//! fetch such files are not all careful enough to rename them into place. So a file counts once
//! two looks in a row found it the same, and what was read last stays in force until then, as it
//! does when the new file is none or is deleted.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use maxminddb::MaxMindDbError;
use parking_lot::{Mutex, RwLock};
use rustix::fs::OFlags;
use tracing::{info, warn};

use crate::{
    exit::{Exit, Failure},
    file::identity::FileIdentity,
    senders::{Database, Networks},
};

/// How often it is looked whether a file was replaced.
const LOOK: Duration = Duration::from_secs(5);

/// A database can't be used.
#[derive(Debug, thiserror::Error)]
#[error("IP database {}: {reason}", .path.display())]
pub struct DatabaseError {
    path: PathBuf,
    reason: DatabaseFault,
}

#[derive(Debug, thiserror::Error)]
enum DatabaseFault {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it is not a file")]
    NotAFile,
    #[error("it changed while it was read")]
    Changed,
    #[error("not a whole database in MaxMind's format (.mmdb): {0}")]
    Format(#[from] MaxMindDbError),
}

impl From<DatabaseError> for Failure {
    /// Most likely it is being replaced at this moment: a mail server is to try again.
    fn from(error: DatabaseError) -> Failure {
        Failure::new(Exit::TryAgain, error)
    }
}

/// Databases that may be replaced at any time.
#[derive(Debug)]
pub struct Databases {
    current: RwLock<Arc<Networks>>,
    files: Mutex<Files>,
}

#[derive(Debug)]
struct Files {
    files: Vec<DatabaseFile>,
    /// When they were last looked at.
    looked: Instant,
}

struct DatabaseFile {
    path: PathBuf,
    database: Arc<Database>,
    /// Of the file that was read last, be it a database or not.
    read: Option<FileIdentity>,
    /// What was found at the last look.
    seen: Option<FileIdentity>,
}

impl Databases {
    /// Reads them; nothing if there is none.
    ///
    /// # Errors
    /// One can't be read or is no database.
    pub fn open(paths: &[PathBuf]) -> Result<Option<Databases>, DatabaseError> {
        if paths.is_empty() {
            return Ok(None);
        }
        let files = paths
            .iter()
            .map(|path| {
                let (identity, database) = read(path).map_err(|(_, reason)| fault(path, reason))?;
                let (read, seen) = (Some(identity), Some(identity));
                Ok(DatabaseFile { path: path.clone(), database: Arc::new(database), read, seen })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let files = Files { files, looked: Instant::now() };
        let current = RwLock::new(Arc::new(files.networks()));
        Ok(Some(Databases { current, files: Mutex::new(files) }))
    }

    /// As they are now, or were a few seconds ago.
    pub fn networks(&self) -> Arc<Networks> {
        // Others go on with what there is while one reads.
        if let Some(mut files) = self.files.try_lock()
            && files.looked.elapsed() >= LOOK
        {
            if files.look() {
                *self.current.write() = Arc::new(files.networks());
            }
            files.looked = Instant::now();
        }
        Arc::clone(&self.current.read())
    }
}

impl Files {
    fn networks(&self) -> Networks {
        Networks::new(self.files.iter().map(|file| Arc::clone(&file.database)).collect())
    }

    /// Reads what was replaced; true if there was any.
    fn look(&mut self) -> bool {
        let mut any = false;
        self.files.iter_mut().for_each(|file| any |= file.was_replaced());
        any
    }
}

impl DatabaseFile {
    /// Looks at the file, and reads it if it has become another and stayed that since the last
    /// look.
    fn was_replaced(&mut self) -> bool {
        let now = fs::metadata(&self.path).ok().as_ref().map(FileIdentity::from);
        let is_steady = now == self.seen;
        self.seen = now;
        if now.is_none() || now == self.read || !is_steady {
            return false;
        }
        match read(&self.path) {
            Ok((identity, database)) => {
                self.database = Arc::new(database);
                self.read = Some(identity);
                info!("IP database {} was replaced, and is read again", self.path.display());
                true
            }
            Err((identity, reason)) => {
                // Told once of each file.
                self.read = identity;
                warn!("{}; what was read before stays in force", fault(&self.path, reason));
                false
            }
        }
    }
}

impl fmt::Debug for DatabaseFile {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} ({})", self.path.display(), self.database.metadata().database_type)
    }
}

fn fault(path: &Path, reason: DatabaseFault) -> DatabaseError {
    DatabaseError { path: path.to_owned(), reason }
}

/// Reads a file that nobody writes meanwhile. What it was, if it was read to its end.
fn read(path: &Path) -> Result<(FileIdentity, Database), (Option<FileIdentity>, DatabaseFault)> {
    let read = || {
        // A pipe is not waited for.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let mut file = File::options().read(true).custom_flags(flags).open(path)?;
        let before = file.metadata()?;
        if !before.is_file() {
            return Err(DatabaseFault::NotAFile);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(before.len()).unwrap_or(0));
        file.read_to_end(&mut bytes)?;
        let identity = FileIdentity::from(&before);
        if FileIdentity::from(&file.metadata()?) != identity {
            return Err(DatabaseFault::Changed);
        }
        Ok((identity, bytes))
    };
    let (identity, bytes) = read().map_err(|reason| (None, reason))?;
    match Networks::database(bytes) {
        Ok(database) => Ok((identity, database)),
        Err(error) => Err((Some(identity), error.into())),
    }
}
