//! What is known of addresses, and the names in columns, go with the last report that speaks of
//! them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{DAY, Place, check};
use crate::support::{
    mail::{attachment, mail},
    mmdb::database,
    program::{Running, TestMaildir, run, wait_until},
    server::tests_folder,
};

/// A column of texts.
fn texts(store: &Path, sql: &str) -> BTreeSet<String> {
    let connection = Connection::open(store).expect("a store");
    let mut statement = connection.prepare(sql).expect(sql);
    let rows = statement.query_map((), |row| row.get(0)).expect(sql);
    rows.map(|row| row.expect("a text")).collect()
}

const USED: &str = "SELECT source_ip FROM dmarc_records WHERE source_ip IS NOT NULL \
                    UNION SELECT source_ip FROM dmarc_failures WHERE source_ip IS NOT NULL";

#[test]
fn nothing_is_left_of_addresses_and_names() {
    let place = Place::new(300);
    let store = place.store();
    let file = place.folder.path().join("networks.mmdb");
    let owner = json!({ "asn": "AS64496", "as_name": "Hoster", "country_code": "DE" });
    let all = [("0.0.0.0/1", owner.clone()), ("128.0.0.0/1", owner.clone()), ("2000::/3", owner)];
    fs::write(&file, database(&all)).expect("written");
    let failures = tests_folder().join("fixtures/failure");
    let sources = [failures, place.folder.path().join("Maildir")];
    let flags = ["import", "--fresh", "--store"].map(Path::new);
    let more = [store.as_path(), Path::new("--ip-database"), &file];
    let sources = sources.iter().map(PathBuf::as_path);
    run(flags.into_iter().chain(more).chain(sources));
    let known = || texts(&store, "SELECT address FROM addresses");
    let names = || texts(&store, "SELECT name FROM names");
    let (before, words) = (known(), names());
    assert_eq!(before, texts(&store, USED));

    let pruned = place.prune(&[]);
    assert_eq!(pruned.code, Some(0), "{}", pruned.log);
    assert_eq!(known(), texts(&store, USED));
    assert!(!known().is_empty() && known().len() < before.len());
    assert!(names().len() < words.len() && names().is_subset(&words));
    check(&store);
    // All of it goes with the last report.
    let all = run(["prune", "--older-than=1d", "--store", store.to_str().expect("UTF-8")]);
    assert_eq!(all.code, Some(0), "{}", all.log);
    assert_eq!((known(), names()), (texts(&store, USED), BTreeSet::new()));
    assert!(known().is_empty());
}

/// A mail with a DMARC report of one message.
fn letter(domain: &str, begin: i64) -> Vec<u8> {
    let report = format!(
        "<feedback><report_metadata><org_name>{domain}</org_name><report_id>{begin}</report_id>\
         <date_range><begin>{begin}</begin><end>{begin}</end></date_range></report_metadata>\
         <policy_published><domain>{domain}</domain><p>none</p></policy_published><record><row>\
         <source_ip>192.0.2.1</source_ip><count>1</count><policy_evaluated><dkim>pass</dkim>\
         </policy_evaluated></row><identifiers><header_from>{domain}</header_from></identifiers>\
         <auth_results><dkim><domain>{domain}</domain><result>pass</result></dkim></auth_results>\
         </record></feedback>"
    );
    mail(&attachment("application/xml", "report.xml", report.as_bytes()))
}

#[test]
fn a_watcher_that_remembers_a_name_gives_it_a_new_number() {
    let maildir = TestMaildir::new();
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("store");
    let path = store.to_str().expect("UTF-8");
    let watch = ["watch", "--store", path, maildir.path().to_str().expect("UTF-8")];
    let watcher = Running::start(watch);
    let stored = |mails: usize| {
        wait_until("stored", Duration::from_mins(1), || maildir.count("cur") == mails);
    };
    let (old, young) = (1_700_000_000, super::SECOND + 1);
    maildir.deliver("a", &letter("old.example", old));
    stored(1);
    maildir.deliver("b", &letter("young.example", young));
    stored(2);
    let pruned = run(["prune", "--older-than", DAY, "--store", path]);
    assert_eq!(pruned.code, Some(0), "{}", pruned.log);
    assert!(!texts(&store, "SELECT name FROM names").contains("old.example"));
    // Another name first, which would get the number of the one that is gone.
    maildir.deliver("c", &letter("other.example", young));
    stored(3);
    maildir.deliver("d", &letter("old.example", young));
    stored(4);
    let answer = run(["report", "--json", "--store", path]);
    let answer: Value = serde_json::from_str(&answer.stdout).expect("JSON");
    let domains = answer["dmarc"]["domains"].as_array().expect("domains");
    let mut domains: Vec<_> = domains.iter().filter_map(|one| one["domain"].as_str()).collect();
    domains.sort_unstable();
    assert_eq!(domains, ["old.example", "other.example", "young.example"], "{answer:#}");
    assert_eq!(watcher.stop().0, Some(0));
}
