//! Lock: a file's lock (`flock`) that is waited for, but not for ever: who holds it may be stopped.

use std::{
    fs::{File, TryLockError},
    thread,
    time::{Duration, Instant},
};

/// How often it is asked for.
const INTERVAL: Duration = Duration::from_millis(10);

/// Takes the lock of a file or folder, which ends with the file.
///
/// # Errors
/// Another process held it as long as `patience`, or the file system has no locks.
pub(crate) fn lock_within(file: &File, patience: Duration) -> Result<(), TryLockError> {
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if since.elapsed() < patience => thread::sleep(INTERVAL),
            ended => return ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_waited_for_and_not_for_ever() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || File::open(folder.path()).expect("the folder");
        let (first, second) = (open(), open());
        lock_within(&first, Duration::ZERO).expect("free");
        let held = lock_within(&second, Duration::from_millis(30));
        assert!(matches!(held, Err(TryLockError::WouldBlock)), "{held:?}");
        thread::scope(|scope| {
            let waits = scope.spawn(|| lock_within(&second, Duration::from_secs(30)));
            thread::sleep(Duration::from_millis(30));
            first.unlock().expect("freed");
            waits.join().expect("no panic").expect("taken");
        });
    }
}
