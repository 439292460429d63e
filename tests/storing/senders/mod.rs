//! What databases tell of the hosts that send, in documents and in the store.

mod mine;
mod names;
mod parts;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    mmdb::database,
    program::{Running, TestMaildir, run, wait_until},
};

/// A report of one mail from this address.
fn report(id: &str, address: &str) -> String {
    format!(
        "<feedback><report_metadata><org_name>reporter.example</org_name><report_id>{id}</report_id>\
         <date_range><begin>1700000000</begin><end>1700086399</end></date_range></report_metadata>\
         <policy_published><domain>example.org</domain><p>none</p></policy_published>\
         <record><row><source_ip>{address}</source_ip><count>1</count><policy_evaluated>\
         <disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>\
         <identifiers><header_from>example.org</header_from></identifiers><auth_results/></record></feedback>"
    )
}

fn owner(name: &str) -> Value {
    json!({ "asn": "AS64496", "as_name": name, "as_domain": "hoster.example", "country_code": "DE" })
}

/// A folder with a database of 192.0.2.0/24.
struct Setup {
    folder: TempDir,
}

impl Setup {
    fn new(name: &str) -> Setup {
        let setup = Setup { folder: tempfile::tempdir().expect("a folder") };
        setup.replace(name);
        setup
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn database(&self) -> PathBuf {
        self.path("networks.mmdb")
    }

    fn replace(&self, name: &str) {
        let new = self.path("new.mmdb");
        fs::write(&new, database(&[("192.0.2.0/24", owner(name))])).expect("written");
        fs::rename(new, self.database()).expect("replaced");
    }

    fn report(&self, id: &str, address: &str) -> PathBuf {
        let path = self.path(id);
        fs::write(&path, report(id, address)).expect("written");
        path
    }

    /// Stores reports with the database.
    fn store(&self, reports: &[&Path]) {
        let flags = [
            Path::new("--store"),
            &self.path("store"),
            Path::new("--ip-database"),
            &self.database(),
        ]
        .map(Path::to_owned);
        let ended = run(flags.iter().map(PathBuf::as_path).chain(reports.iter().copied()));
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }

    fn exported(&self) -> Vec<Value> {
        let ended = run([Path::new("export"), Path::new("--store"), &self.path("store")]);
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        documents(&ended.stdout)
    }
}

/// By address: mails are read by several threads, and stored in any order.
fn documents(lines: &str) -> Vec<Value> {
    let lines = lines.lines().map(|line| serde_json::from_str(line).expect(line));
    let mut documents: Vec<Value> = lines.collect();
    documents.sort_by_key(|one| one["feedback"]["record"]["row"]["source_ip"].to_string());
    documents
}

#[test]
fn every_store_is_told_the_same() {
    let setup = Setup::new("Hoster");
    let known = setup.report("a", "192.0.2.7");
    let unknown = setup.report("b", "198.51.100.7");
    let flag = setup.database();
    let lines = run([Path::new("--ndjson=-"), Path::new("--ip-database"), &flag, &known, &unknown]);
    let lines = documents(&lines.stdout);
    assert_eq!(
        lines[0]["ip2geo"],
        json!({ "asn": "64496", "network": "192.0.2.0/24", "organization_name": "Hoster" })
    );
    assert_eq!(lines[0]["source"], json!({ "country": "DE" }));
    assert_eq!((&lines[1]["ip2geo"], &lines[1]["source"]), (&Value::Null, &Value::Null));

    setup.store(&[&known, &unknown]);
    assert_eq!(setup.exported(), lines);
    let row = |sql: &str| -> String {
        Connection::open(setup.path("store"))
            .and_then(|store| store.query_row(sql, (), |row| row.get(0)))
            .expect(sql)
    };
    let all = "SELECT group_concat(concat_ws(' ', address, asn, network, organisation, domain, country)) FROM addresses";
    assert_eq!(row(all), "192.0.2.7 64496 192.0.2.0/24 Hoster hoster.example DE");

    // Read again with what is known later: no report is new, and the owner is the new one.
    setup.replace("Other");
    let again = run([
        Path::new("--store"),
        &setup.path("store"),
        Path::new("--ip-database"),
        &flag,
        &known,
        &unknown,
    ]);
    assert!(again.summary().contains("all 2 rows were there"), "{}", again.log);
    assert_eq!(setup.exported()[0]["ip2geo"]["organization_name"], "Other");
}

#[test]
fn a_failure_report_tells_of_a_host_too() {
    let setup = Setup { folder: tempfile::tempdir().expect("a folder") };
    fs::write(setup.database(), database(&[("198.51.100.0/24", owner("Hoster"))]))
        .expect("written");
    let mail = Path::new("tests/fixtures/failure/complete.eml");
    setup.store(&[mail]);
    let found = setup.exported();
    assert_eq!(found[0]["source"]["country"], "DE");
    assert_eq!(found[0]["ip2geo"]["organization_name"], "Hoster");
}

#[test]
fn a_table_names_senders() {
    let setup = Setup::new("Hoster");
    setup.store(&[&setup.report("a", "192.0.2.7")]);
    let list = setup.path("names.csv");
    let named = |names: &[&Path]| {
        let fixed = ["export", "--format=csv", "--store"].map(Path::new);
        let store = setup.path("store");
        let ended = run(fixed.into_iter().chain([store.as_path()]).chain(names.iter().copied()));
        (ended.code, ended.stdout.lines().nth(1).unwrap_or_default().to_owned(), ended.log)
    };
    let (_, row, log) = named(&[]);
    assert!(row.ends_with(",64496,192.0.2.0/24,Hoster,DE,,Hoster,"), "{row} {log}");
    fs::write(&list, "base_reverse_dns,name,type\nhoster.example,=Our hoster,Web Host\n")
        .expect("written");
    let (_, row, log) = named(&[Path::new("--source-names"), &list]);
    assert!(row.ends_with(",DE,,'=Our hoster,Web Host"), "{row} {log}");
    fs::write(&list, "name,type\n").expect("written");
    let (code, _, log) = named(&[Path::new("--source-names"), &list]);
    let reason = "names.csv: its first line must name the columns base_reverse_dns, name and type";
    assert!(code == Some(78) && log.contains(reason), "{log}");
    fs::write(&list, "base_reverse_dns,name,type\nhoster.example,\"Our,t\nb.example,B,t\n")
        .expect("written");
    let (code, _, log) = named(&[Path::new("--source-names"), &list]);
    let reason = "names.csv: line 2: a text in quotes does not end in its line";
    assert!(code == Some(78) && log.contains(reason), "{log}");
}

/// A mail server that delivers by a pipe is to try again, since the file may be about to be
/// replaced.
#[test]
fn without_a_whole_database_the_mail_is_not_taken() {
    let setup = Setup::new("Hoster");
    let known = setup.report("a", "192.0.2.7");
    let whole = fs::read(setup.database()).expect("a database");
    for (bytes, reason) in [
        (Some(&whole[..whole.len() / 2]), "not a whole database in MaxMind's format (.mmdb)"),
        (Some(&b""[..]), "not a whole database in MaxMind's format (.mmdb)"),
        (None, "No such file"),
    ] {
        match bytes {
            Some(bytes) => fs::write(setup.database(), bytes).expect("written"),
            None => fs::remove_file(setup.database()).expect("removed"),
        }
        let ended =
            run([Path::new("--ndjson=-"), Path::new("--ip-database"), &setup.database(), &known]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(75), ""), "{}", ended.log);
        let expected = format!("IP database {}: {reason}", setup.database().display());
        assert!(ended.log.contains(&expected), "{}", ended.log);
    }
    // A pipe, which nobody writes to.
    let made = std::process::Command::new("mkfifo").arg(setup.database()).status();
    assert!(made.expect("mkfifo").success());
    let ended =
        run([Path::new("--ndjson=-"), Path::new("--ip-database"), &setup.database(), &known]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(75), ""), "{}", ended.log);
}

/// The file is cut off where it lies, filled with nonsense, deleted and put back while `watch` goes
/// on; mail that comes meanwhile is stored with what was known before.
#[test]
fn a_database_may_be_replaced_at_any_time() {
    let setup = Setup::new("First");
    let (maildir, lines) = (TestMaildir::new(), setup.path("lines"));
    let running = Running::start([
        Path::new("watch"),
        Path::new("--ndjson"),
        &lines,
        Path::new("--ip-database"),
        &setup.database(),
        maildir.path(),
    ]);
    running.wait_for_log("watching");
    let mut number = 0;
    // What the document of a mail that comes now says.
    let mut owner_now = || {
        number += 1;
        let stored = || documents(&fs::read_to_string(&lines).unwrap_or_default());
        maildir.deliver(&number.to_string(), report(&number.to_string(), "192.0.2.7").as_bytes());
        wait_until("the document", Duration::from_secs(20), || stored().len() == number);
        stored()[number - 1]["ip2geo"]["organization_name"].as_str().map(str::to_owned)
    };
    let first = Some("First".to_owned());
    assert_eq!(owner_now(), first);
    for nonsense in ["", "nonsense"] {
        fs::write(setup.database(), nonsense).expect("cut off");
        wait_until("a warning", Duration::from_secs(30), || {
            assert_eq!(owner_now(), first);
            std::thread::sleep(Duration::from_millis(500));
            running.log().matches("what was read before stays in force").count()
                > usize::from(!nonsense.is_empty())
        });
    }
    fs::remove_file(setup.database()).expect("removed");
    assert_eq!(owner_now(), first);
    setup.replace("Second");
    wait_until("the new owner", Duration::from_secs(30), || {
        std::thread::sleep(Duration::from_millis(500));
        owner_now() != first
    });
    assert_eq!(owner_now().as_deref(), Some("Second"));
    assert_eq!(running.log().matches("stays in force").count(), 2, "{}", running.log());
    let (code, log) = running.stop();
    assert_eq!((code, log.matches("is read again").count()), (Some(0), 1), "{log}");
}
