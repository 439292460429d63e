//! Folder watch: inotify as a hint that something was delivered. Never more than a hint: an event
//! only says that the file may be worth reading, and one that is lost costs time, not a mail.

use std::{
    collections::HashMap,
    ffi::OsString,
    mem,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, Flag, ModifyKind, RenameMode},
};
use parking_lot::{Condvar, Mutex, MutexGuard};

/// Watches folders for deliveries.
pub struct FolderWatch {
    watcher: RecommendedWatcher,
    state: Arc<Events>,
}

/// More names than this are not remembered: then reading the folder is as cheap.
const NAMES: usize = 1024;

/// What happened to a folder since this was last asked.
#[derive(Debug, Default)]
pub struct FolderNews {
    /// Files that were delivered; one may be named twice, or be gone again.
    pub names: Vec<OsString>,
    /// Files that were made: links to whole mails, or files that are still being written.
    pub made: Vec<OsString>,
    /// There may be others: events were lost, or there were too many.
    pub more: bool,
    /// The folder was removed or moved away, and its watch with it. Another of the same name may
    /// have the same inode.
    pub replaced: bool,
}

impl FolderNews {
    fn is_none(&self) -> bool {
        self.names.is_empty() && self.made.is_empty() && !self.more && !self.replaced
    }

    fn add(&mut self, name: OsString, is_made: bool) {
        let names = if is_made { &mut self.made } else { &mut self.names };
        if names.len() < NAMES {
            names.push(name);
        } else {
            self.more = true;
        }
    }
}

#[derive(Default)]
struct Events {
    folders: Mutex<HashMap<PathBuf, FolderNews>>,
    happened: Condvar,
}

impl Events {
    fn folders(&self) -> MutexGuard<'_, HashMap<PathBuf, FolderNews>> {
        self.folders.lock()
    }

    fn note(&self, event: notify::Result<Event>) {
        let mut folders = self.folders();
        match event {
            Ok(event) if event.attrs.flag() == Some(Flag::Rescan) => {
                folders.values_mut().for_each(|news| news.more = true);
            }
            Ok(event) if is_delivery(event.kind) => {
                for path in &event.paths {
                    let news = path.parent().and_then(|parent| folders.get_mut(parent));
                    if let (Some(news), Some(name)) = (news, path.file_name()) {
                        news.add(name.to_owned(), event.kind.is_create());
                    }
                }
            }
            Ok(event) if is_leaving(event.kind) => {
                let mut any = false;
                for path in &event.paths {
                    if let Some(news) = folders.get_mut(path) {
                        (news.replaced, any) = (true, true);
                    }
                }
                if !any {
                    return;
                }
            }
            Ok(_) => return,
            // Whatever went wrong, looking is right.
            Err(_) => folders.values_mut().for_each(|news| news.more = true),
        }
        self.happened.notify_all();
    }
}

/// A file came by rename or link, as Maildir has it, or is written in place.
fn is_delivery(kind: EventKind) -> bool {
    match kind {
        EventKind::Create(_)
        | EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => true,
        // Our own moving away of what was stored is none.
        _ => false,
    }
}

/// A watched folder itself was removed or renamed, or a file in it.
fn is_leaving(kind: EventKind) -> bool {
    matches!(kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From)))
}

impl FolderWatch {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// The system has no inotify instance left.
    pub fn new() -> notify::Result<FolderWatch> {
        let state = Arc::new(Events::default());
        let to = Arc::clone(&state);
        Ok(FolderWatch {
            watcher: notify::recommended_watcher(move |event| to.note(event))?,
            state,
        })
    }

    /// Watches a folder, again if it was replaced by another of the same name.
    ///
    /// # Errors
    /// It is not there, or the system has no watches left.
    pub fn watch(&mut self, folder: &Path) -> notify::Result<()> {
        // Fails if the old folder took its watch with it.
        let _ = self.watcher.unwatch(folder);
        self.state.folders().insert(folder.to_owned(), FolderNews::default());
        self.watcher.watch(folder, RecursiveMode::NonRecursive)
    }

    /// What happened to the folder since this was last asked.
    pub fn take(&self, folder: &Path) -> FolderNews {
        self.state.folders().get_mut(folder).map(mem::take).unwrap_or_default()
    }

    /// Waits until something happens, at most as long as this.
    pub fn wait(&self, at_most: Duration) {
        let quiet =
            |folders: &mut HashMap<PathBuf, FolderNews>| folders.values().all(FolderNews::is_none);
        self.state.happened.wait_while_for(&mut self.state.folders(), quiet, at_most);
    }
}
