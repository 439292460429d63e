//! Several programs that write one store at the same time.

use std::{fs, path::Path, time::Duration};

use rusqlite::Connection;

use super::folder;
use crate::support::{
    corpus::{Corpus, Format},
    program::{Running, TestMaildir, program, wait_until},
};

/// The last line of the journal below `state` that says how far the store had come: token and
/// number of transactions.
fn progress(state: &Path) -> (String, i64) {
    let mut files = fs::read_dir(state).expect("a state folder");
    let journal =
        fs::read_to_string(files.next().expect("a journal").expect("a file").path()).expect("text");
    let line =
        journal.lines().rev().find_map(|line| line.strip_prefix("progress ")).expect("progress");
    let (token, number) = line.split_once(' ').expect("two words");
    (token.to_owned(), number.parse().expect("a number"))
}

/// Each import counts its own transactions in the store, whoever else writes there; a watch counts
/// none.
#[test]
fn two_imports_and_a_watch_do_not_disturb_each_other() {
    let (folder, store) = folder();
    let path = |name: &str| folder.path().join(name);
    let import = |name: &str| {
        let mut command = program(["import", "--store"]);
        command.arg(&store).arg(path(name)).env("STATE_DIRECTORY", path(&format!("{name}-state")));
        Running::start_command(command)
    };
    let names = ["one", "other"];
    let mut documents = 0;
    for (name, seed) in names.into_iter().zip(1..) {
        let corpus = Corpus { seed, ..Corpus::new(1500) };
        documents += corpus.write(Format::Mbox, &path(name), |_| {}).expect("written").documents;
    }
    let corpus = Corpus { seed: 3, ..Corpus::new(300) };
    documents += corpus.manifest().documents;
    let maildir = TestMaildir::new();
    let watch = Running::start([Path::new("watch"), Path::new("--store"), &store, maildir.path()]);
    let mut imports = names.map(import);
    maildir.deliver_all(corpus.iter());
    for import in &mut imports {
        let code = import.wait();
        // Some mails of a corpus can't be read.
        assert!(matches!(code, Some(0 | 65)), "{code:?}: {}", import.log());
    }
    wait_until("all mails", Duration::from_mins(2), || maildir.count("new") == 0);
    assert_eq!(watch.stop().0, Some(0));

    let connection = Connection::open(&store).expect("the store");
    let mut rows = connection
        .prepare("SELECT lower(hex(token)), transactions FROM imports")
        .expect("a question");
    let rows = rows.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).expect("an answer");
    let mut counted: Vec<(String, i64)> = rows.collect::<Result<_, _>>().expect("rows");
    let mut noted = names.map(|name| progress(&path(&format!("{name}-state"))));
    counted.sort();
    noted.sort();
    assert_eq!(counted, noted);
    let stored =
        "SELECT (SELECT count(*) FROM dmarc_records) + (SELECT count(*) FROM tls_policies)";
    let stored: i64 = connection.query_row(stored, (), |row| row.get(0)).expect("a number");
    assert_eq!(stored.unsigned_abs(), documents);
    for name in names {
        let mut again = import(name);
        again.wait();
        let log = again.log();
        assert!(!log.contains("with reports") && !log.contains(" 1 without"), "read again: {log}");
    }
}
