//! What released versions left behind goes on working: a store and a settings file of each. The
//! journal and the templates of each have their tests beside the code.

use std::{fs, path::PathBuf};

use email_report_processor::cli::Settings;
use serde_json::Value;

use crate::support::program::run;

/// The folder of each released version.
fn released() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/released");
    let versions: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("one").path()).collect();
    assert!(!versions.is_empty());
    versions
}

#[test]
fn settings_are_understood_as_they_were() {
    for version in released() {
        let text = fs::read_to_string(version.join("settings.toml")).expect("UTF-8");
        let settings: Settings = toml::from_str(&text).expect("settings that are known");
        let said = serde_json::to_value(settings).expect("JSON");
        let set = said.as_object().expect("settings").values().filter(|value| !value.is_null());
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(set.count(), lines.count(), "{}", version.display());
    }
}

#[test]
fn stores_are_read_and_taken_up() {
    for version in released() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = folder.path().join("reports.sqlite");
        fs::copy(version.join("store.sqlite"), &store).expect("copied");
        let store = store.to_str().expect("UTF-8");
        let ended = run(["report", "--all-time", "--json", "--store", store]);
        let told: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        assert_eq!(told["dmarc"]["messages"], 146, "{}: {}", version.display(), ended.log);
        // The same mails again: all of their documents are known.
        let mails = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/demo/mails");
        let mails = (0..10).map(|n| format!("{mails}/00000{n}.eml"));
        let ended = run(["--store".into(), store.to_owned()].into_iter().chain(mails));
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        assert!(ended.log.contains("Nothing new in"), "{}", ended.log);
    }
}
