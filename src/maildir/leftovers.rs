//! Leftovers: copies that a crash left in `tmp/` of a folder `.failed`. Not every mail reader
//! clears them away.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

/// So old a file in `tmp/` is nobody's any more: the Maildir format.
const OLD: Duration = Duration::from_hours(36);

/// Removes what is ours and old. What can't be looked at or removed stays.
pub(super) fn clear(tmp: &Path) {
    let Ok(files) = fs::read_dir(tmp) else { return };
    for file in files.flatten().filter(|file| is_ours(&file.file_name().to_string_lossy())) {
        let changed = file
            .metadata()
            .ok()
            .filter(fs::Metadata::is_file)
            .and_then(|file| file.modified().ok());
        let age = changed.and_then(|changed| SystemTime::now().duration_since(changed).ok());
        if age.is_some_and(|age| age > OLD) {
            let _ = fs::remove_file(file.path());
        }
    }
}

/// `TIME.PROCESS_NUMBER`, as a copy is called until it is delivered.
fn is_ours(name: &str) -> bool {
    let parts = name.split_once('.').and_then(|(time, rest)| Some((time, rest.split_once('_')?)));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    parts
        .is_some_and(|(time, (process, number))| [time, process, number].into_iter().all(is_number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crash_left_long_ago_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let make = |name: &str, hours| {
            let file = fs::File::create(folder.path().join(name)).expect("a file");
            file.set_modified(SystemTime::now() - Duration::from_hours(hours)).expect("set");
        };
        make("1790000000000000000.123_4", 37);
        make("1790000000000000000.123_5", 35);
        make("1790000000.M1P2.mx", 37);
        make("1790000000000000000.123_", 37);
        fs::create_dir(folder.path().join("1.2_3")).expect("a folder");
        clear(folder.path());
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .expect("listed")
            .map(|file| file.expect("a file").file_name())
            .collect();
        left.sort();
        assert_eq!(
            left,
            [
                "1.2_3",
                "1790000000.M1P2.mx",
                "1790000000000000000.123_",
                "1790000000000000000.123_5"
            ]
        );
    }
}
