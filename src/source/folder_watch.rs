//! Folder watch: inotify as a hint that something was delivered. Never more than a hint: an event only says that the
//! folder is worth reading, and one that is lost costs time, not a mail.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, Flag, ModifyKind, RenameMode},
};

/// Watches folders for deliveries.
pub struct FolderWatch {
    watcher: RecommendedWatcher,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Whether something was delivered to each of the folders since it was last asked.
    folders: Mutex<HashMap<PathBuf, bool>>,
    /// Folders that were removed or moved: another of the same name may have the same inode.
    replaced: AtomicBool,
    delivered: Condvar,
}

impl State {
    fn folders(&self) -> MutexGuard<'_, HashMap<PathBuf, bool>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, event: notify::Result<Event>) {
        let mut folders = self.folders();
        match event {
            Ok(event) if event.attrs.flag() == Some(Flag::Rescan) => folders.values_mut().for_each(|new| *new = true),
            Ok(event) if is_delivery(event.kind) => {
                let parents = event.paths.iter().filter_map(|path| path.parent());
                for parent in parents {
                    if let Some(new) = folders.get_mut(parent) {
                        *new = true;
                    }
                }
            }
            Ok(event) if is_leaving(event.kind) && event.paths.iter().any(|path| folders.contains_key(path)) => {
                self.replaced.store(true, Ordering::Relaxed);
            }
            Ok(_) => return,
            // Whatever went wrong, looking is right.
            Err(_) => folders.values_mut().for_each(|new| *new = true),
        }
        self.delivered.notify_all();
    }
}

/// A file came by rename or link, as Maildir has it, or was written in place.
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
        let state = Arc::new(State::default());
        let to = Arc::clone(&state);
        Ok(FolderWatch { watcher: notify::recommended_watcher(move |event| to.note(event))?, state })
    }

    /// Watches a folder, anew if it was replaced by another of the same name.
    ///
    /// # Errors
    /// It is not there, or the system has no watches left.
    pub fn watch(&mut self, folder: &Path) -> notify::Result<()> {
        // Fails if the old folder took its watch with it.
        let _ = self.watcher.unwatch(folder);
        self.state.folders().insert(folder.to_owned(), false);
        self.watcher.watch(folder, RecursiveMode::NonRecursive)
    }

    /// True if something was delivered to the folder since this was last asked.
    pub fn take_delivered(&self, folder: &Path) -> bool {
        self.state.folders().get_mut(folder).is_some_and(std::mem::take)
    }

    /// True if a watched folder was removed or moved since this was last asked. Its watch went with it.
    pub fn take_replaced(&self) -> bool {
        self.state.replaced.swap(false, Ordering::Relaxed)
    }

    /// Waits for a delivery, at most as long as this.
    pub fn wait(&self, at_most: Duration) {
        let quiet = |folders: &mut HashMap<PathBuf, bool>| !folders.values().any(|new| *new);
        let wait = self.state.delivered.wait_timeout_while(self.state.folders(), at_most, quiet);
        drop(wait.unwrap_or_else(PoisonError::into_inner));
    }
}
