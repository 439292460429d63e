//! Which files are taken for a store, and how a new one is made.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use email_report_processor::{
    metrics::StoreMetrics,
    settle::MailOutcome,
    sink::sqlite::SqliteSink,
    sqlite::{OpenError, Store, query::Reader},
    stop::Stop,
};
use rusqlite::Connection;

use super::{folder, mail, number, reports::dmarc, store};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

/// The words for a person.
fn refusal(path: &Path) -> String {
    match SqliteSink::open(path, None, None, Arc::new(Stop::default()), StoreMetrics::default()) {
        Ok(_) => panic!("{} was taken for a store", path.display()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_new_store_is_private() {
    let (folder, _) = folder();
    let path = folder.path().join("a/b/reports.db");
    store(&path, [mail([dmarc("one", 1)])]);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&folder.path().join("a")), 0o700);
    assert_eq!(mode(&folder.path().join("a/b")), 0o700);
}

#[test]
fn names_that_sqlite_has_other_ideas_about_are_names() {
    let (folder, _) = folder();
    for name in [":memory:", "file:reports.db?mode=memory", "file::memory:"] {
        let path = folder.path().join(name);
        assert_eq!(store(&path, [mail([dmarc("one", 1)])])[0].outcome, MailOutcome::Stored);
        assert!(fs::metadata(&path).expect(name).len() > 0, "{name}");
        assert!(Reader::open(&path).is_ok(), "{name}");
    }
}

#[test]
fn files_of_others_are_left_alone() {
    let (folder, path) = folder();
    let text = folder.path().join("text");
    fs::write(
        &text,
        "not a database, but long enough to be looked at as if it were one".repeat(100),
    )
    .expect("written");
    let connection = Connection::open(&path).expect("a database");
    connection.execute_batch("CREATE TABLE theirs (x); PRAGMA user_version = 1").expect("a table");
    drop(connection);
    for file in [&text, &path] {
        let before = fs::read(file).expect("read");
        let expected = format!(
            "{} is not a store of email-report-processor, it is left alone",
            file.display()
        );
        assert_eq!(refusal(file), expected);
        assert!(matches!(Reader::open(file), Err(OpenError::Foreign(_))));
        assert_eq!(fs::read(file).expect("read"), before);
    }
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let (_folder, path) = folder();
    drop(Store::open(&path).expect("made"));
    Connection::open(&path)
        .expect("opened")
        .execute_batch("PRAGMA user_version = 1000")
        .expect("changed");
    let expected = format!(
        "the store {} was written by a newer version of email-report-processor",
        path.display()
    );
    assert_eq!(refusal(&path), expected);
    assert!(matches!(Reader::open(&path), Err(OpenError::Newer(_))));
    assert_eq!(number(&path, "PRAGMA user_version"), 1000);
}

#[test]
fn a_store_without_tables_gets_them() {
    let (_folder, path) = folder();
    let connection = Connection::open(&path).expect("opened");
    connection.execute_batch("PRAGMA application_id = 0x45525053").expect("marked");
    drop(connection);
    let mut reader = Reader::open(&path).expect("brought up to date");
    assert_eq!(reader.newest().expect("read"), None);
    assert_eq!(store(&path, [mail([dmarc("one", 1)])])[0].outcome, MailOutcome::Stored);
    assert!(Reader::open(&path).is_ok());
}

#[test]
fn reading_makes_no_file() {
    let (_folder, path) = folder();
    let error = Reader::open(&path).expect_err("there is none");
    assert_eq!(error.to_string(), format!("there is no store {}", path.display()));
    assert!(!path.exists());
}

#[test]
fn a_place_where_no_file_can_be_is_told() {
    let (folder, _) = folder();
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    let error = Store::open(&file.join("reports.db")).expect_err("a file is no folder");
    let expected = format!("can't create the store {}", file.join("reports.db").display());
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert_eq!(
        refusal(folder.path()),
        format!(
            "{} is not a store of email-report-processor, it is left alone",
            folder.path().display()
        )
    );
}

#[test]
fn many_may_make_the_same_store_at_once() {
    let (_folder, path) = folder();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let path = &path;
            scope.spawn(move || {
                // Without patience's end, since another may hold the file for a while.
                let setup = super::Setup::open(path, None);
                setup.give("mail", mail([dmarc(&format!("report {n}"), 3)]));
                assert_eq!(setup.finish()[0].outcome, MailOutcome::Stored);
            });
        }
    });
    assert_eq!(number(&path, "SELECT count(*) FROM dmarc_records"), 24);
}
