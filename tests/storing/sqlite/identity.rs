//! What identifies what: other contents under a known name are stored, and the same contents never
//! twice.

use std::{collections::BTreeSet, fs, path::Path};

use email_report_processor::{
    answers::{Answers, By, Filter},
    limits::Limits,
    message::{self, Contents},
    report::Report,
    settle::MailOutcome,
    sqlite::{
        Store,
        query::{Reader, Selection},
    },
};
use rusqlite::Connection;
use serde_json::Value;

use super::{documents, folder, number, read_back, store};
use crate::support::{
    mail::{attachment, mail},
    program::run,
};

/// A `feedback` of one reporter, with rows of these sources and counts.
fn feedback(policy: &str, rows: &[(&str, u64)]) -> String {
    let row = |(source, count): &(&str, u64)| {
        format!(
            "<record><row><source_ip>{source}</source_ip><count>{count}</count><policy_evaluated>\
             <disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>\
             <identifiers><header_from>example.org</header_from></identifiers>\
             <auth_results><dkim><domain>example.org</domain><result>pass</result></dkim>\
             </auth_results></record>"
        )
    };
    let rows = rows.iter().map(row).collect::<Vec<_>>().concat();
    format!(
        "<feedback><report_metadata><org_name>Reporter</org_name><email>a@reporter.example</email>\
         <report_id>one</report_id><date_range><begin>1788220800</begin><end>1788307199</end>\
         </date_range></report_metadata><policy_published><domain>example.org</domain><p>{policy}</p>\
         </policy_published>{rows}</feedback>"
    )
}

/// The mail that brings these texts in one attachment.
fn letter(xml: &str) -> Contents {
    let contents = message::read(
        &mail(&attachment("text/xml", "report.xml", xml.as_bytes())),
        &Limits::default(),
    );
    assert_eq!(contents.complaint(), None);
    contents
}

/// Created and duplicate documents of each mail, stored one after the other.
fn stored<const N: usize>(path: &Path, letters: [&str; N]) -> [(u64, u64); N] {
    letters.map(|xml| {
        let settled = store(path, [letter(xml)]);
        assert_eq!(settled[0].outcome, MailOutcome::Stored);
        (settled[0].tally.created, settled[0].tally.duplicates)
    })
}

fn messages(path: &Path) -> i64 {
    number(path, "SELECT sum(count) FROM dmarc")
}

#[test]
fn a_report_split_over_two_mails_is_stored_whole() {
    let (_folder, path) = folder();
    let halves = [feedback("none", &[("192.0.2.1", 1)]), feedback("none", &[("192.0.2.2", 2)])];
    let [first, second] = &halves;
    assert_eq!(stored(&path, [first, second, second, first]), [(1, 0), (1, 0), (0, 1), (0, 1)]);
    assert_eq!(messages(&path), 3);
}

#[test]
fn a_corrected_report_is_stored_beside_the_first() {
    let (_folder, path) = folder();
    let [first, corrected] =
        [1, 5].map(|count| feedback("none", &[("192.0.2.1", count), ("192.0.2.2", 7)]));
    assert_eq!(stored(&path, [&first, &corrected]), [(2, 0), (1, 1)]);
}

#[test]
fn a_stranger_who_guesses_an_id_keeps_nothing_out() {
    let [ours, theirs] =
        [feedback("reject", &[("192.0.2.1", 10)]), feedback("none", &[("198.51.100.1", 1)])];
    for order in [[&ours, &theirs], [&theirs, &ours]] {
        let (_folder, path) = folder();
        assert_eq!(stored(&path, order.map(String::as_str)), [(1, 0), (1, 0)]);
        assert_eq!(messages(&path), 11);
        // Each with its own head.
        let policy = "SELECT count(*) FROM dmarc WHERE (p = 'reject') = (source_ip = '192.0.2.1')";
        assert_eq!(number(&path, policy), 2);
    }
}

/// Message-ID, what the own server said and reporter's address of the record from this source, as
/// export shows it.
fn shown(path: &Path, source: &str) -> [Value; 3] {
    let exported = run(["export", "--store", path.to_str().expect("UTF-8")]);
    assert_eq!(exported.code, Some(0), "{}", exported.log);
    let documents: Vec<Value> = exported
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("a document"))
        .collect();
    let of_source =
        |document: &&Value| document["feedback"]["record"]["row"]["source_ip"] == source;
    let found: Vec<_> = documents.iter().filter(of_source).collect();
    let [document] = found.as_slice() else { panic!("{} documents of {source}", found.len()) };
    [
        document["received"]["message_id"].clone(),
        document["received"]["authenticated"]["dmarc"].clone(),
        document["feedback"]["report_metadata"]["email"].clone(),
    ]
}

/// A copy of id, period and policy makes no record of the stranger's look like one of the
/// reporter's, nor the other way round.
#[test]
fn each_record_is_shown_with_the_mail_that_brought_it() {
    let ours = feedback("none", &[("192.0.2.1", 10), ("192.0.2.2", 1)]);
    let theirs = feedback("none", &[("192.0.2.1", 10), ("198.51.100.1", 1)])
        .replace("a@reporter", "b@stranger");
    let sent = |xml: &str, id: &str, verdict: &str, from: &str| {
        let header =
            format!("Authentication-Results: mx.example.org; dmarc={verdict} header.from={from}\n");
        let mail = String::from_utf8(mail(&attachment("text/xml", "report.xml", xml.as_bytes())))
            .expect("UTF-8");
        header + &mail.replace("test.1@reporter.example", id)
    };
    let mails = [
        sent(&ours, "ours@reporter.example", "pass", "reporter.example"),
        sent(&theirs, "theirs@stranger.example", "fail", "reporter.example"),
    ];
    for order in [[0, 1], [1, 0]] {
        let (folder, path) = folder();
        let store_argument = path.to_str().expect("UTF-8");
        for n in [order[0], order[1], order[0], order[1]] {
            let file = folder.path().join("mail.eml");
            fs::write(&file, &mails[n]).expect("written");
            let ended = run([
                "--store",
                store_argument,
                "--authserv-id=mx.example.org",
                file.to_str().expect("UTF-8"),
            ]);
            assert_eq!(ended.code, Some(0), "{}", ended.log);
        }
        assert_eq!(messages(&path), 12, "nothing twice");
        let [id, authentic, email] = shown(&path, "192.0.2.2");
        assert_eq!(
            (id, authentic, email),
            (
                "ours@reporter.example".into(),
                "reporter.example".into(),
                "a@reporter.example".into()
            )
        );
        let [id, authentic, email] = shown(&path, "198.51.100.1");
        assert_eq!(
            (id, authentic, email),
            ("theirs@stranger.example".into(), Value::Null, "b@stranger.example".into())
        );
        // That of both is the first one's.
        let first = ["ours@reporter.example", "theirs@stranger.example"][order[0]];
        assert_eq!(shown(&path, "192.0.2.1")[0], first);
        let asked = run(["report", "--json", "--all-time", "--store", store_argument]);
        let answer: Value = serde_json::from_str(&asked.stdout).expect("JSON");
        assert_eq!(answer["dmarc"]["reports"], 1, "one report, from two mails: {}", asked.stdout);
    }
}

#[test]
fn two_reports_with_one_id_in_one_file_are_both_stored() {
    let (_folder, path) = folder();
    let both = feedback("none", &[("192.0.2.1", 1)]) + &feedback("none", &[("192.0.2.2", 2)]);
    assert_eq!(letter(&both).reports.len(), 2);
    assert_eq!(stored(&path, [&both, &both]), [(2, 0), (0, 2)]);
    assert_eq!(messages(&path), 3);
}

#[test]
fn equal_records_in_one_report_are_counted_each() {
    let (_folder, path) = folder();
    let rows = [("192.0.2.1", 4), ("192.0.2.2", 1), ("192.0.2.1", 4), ("192.0.2.1", 4)];
    let mut turned = rows;
    turned.reverse();
    let [report, turned] = [feedback("none", &rows), feedback("none", &turned)];
    assert_eq!(stored(&path, [&report, &report, &turned]), [(4, 0), (0, 4), (0, 4)]);
    assert_eq!(messages(&path), 13);
    assert_eq!(number(&path, "SELECT count(*) FROM dmarc_dkim_results"), 4);
}

#[test]
fn case_and_a_final_dot_make_no_other_record() {
    let (_folder, path) = folder();
    let report = feedback("none", &[("2001:db8::1", 1)]);
    let other = report.replace("example.org<", "Example.ORG.<").replace(">none<", ">None<");
    let other = other.replace("2001:db8::1", "2001:DB8:0::1");
    assert_eq!(stored(&path, [&report, &other]), [(1, 0), (0, 1)]);
}

fn ids(report: &Report) -> Vec<String> {
    let first = |line: String| line.split(' ').next().unwrap_or_default().to_owned();
    documents(report, &Contents::default().received).into_iter().map(first).collect()
}

#[test]
fn ids_are_frozen() {
    let dmarc =
        letter(&feedback("none", &[("192.0.2.1", 4), ("2001:db8::1", 300), ("192.0.2.1", 4)]));
    let tls = message::read(
        &fs::read("tests/fixtures/tls/rfc8460.json").expect("a report"),
        &Limits::default(),
    );
    let failure = message::read(
        &fs::read("tests/fixtures/failure/complete.eml").expect("a mail"),
        &Limits::default(),
    );
    let found: Vec<String> =
        [dmarc, tls, failure].iter().flat_map(|one| ids(&one.reports[0])).collect();
    assert_eq!(found, FROZEN, "a store would get everything a second time");
}

/// A later version may decode the header of a failed mail in another way.
#[test]
fn a_better_reading_of_a_failed_mail_makes_no_other_report() {
    let mail = fs::read("tests/fixtures/failure/complete.eml").expect("a mail");
    let mut contents = message::read(&mail, &Limits::default());
    let before = ids(&contents.reports[0]);
    let Report::Failure(report) = &mut contents.reports[0] else { panic!("no failure report") };
    let message = report.message.as_mut().expect("a mail that failed");
    message.subject = Some("read better".into());
    message.to.push("read.better@example.org".into());
    message.date = None;
    assert_eq!(ids(&contents.reports[0]), before);
}

const FROZEN: &[&str] = &[
    "7290864f926e7e310b431204af1c6872-5f4b7b36bf8583c7",
    "7290864f926e7e310b431204af1c6872-592720baef60de56",
    "7290864f926e7e310b431204af1c6872-42077bb37ebade4f",
    "c7de186d6a777ce2f30980ffeecd0c03-2f82930976fb24e8",
    "7fe8bee28132139650b24aa8fcc477be-0000000000000000",
];

#[test]
fn views_show_the_ids_of_documents() {
    let (_folder, path) = folder();
    store(&path, [super::mail([super::full_dmarc(), super::full_tls()])]);
    let connection = Connection::open(&path).expect("the store");
    let mut statement =
        connection.prepare("SELECT id FROM dmarc UNION SELECT id FROM tls").expect("views");
    let found: Result<BTreeSet<String>, _> =
        statement.query_map((), |row| row.get(0)).expect("read").collect();
    let expected = ids(&super::full_dmarc()).into_iter().chain(ids(&super::full_tls()));
    assert_eq!(found, Ok(expected.collect()));
}

/// The mails of tests/fixtures/store-….sqlite, which earlier versions made.
fn mails_of_older_stores() -> Vec<Contents> {
    let demo = fs::read_dir("contrib/demo/mails")
        .expect("mails")
        .map(|entry| entry.expect("a mail").path());
    let mut demo: Vec<_> = demo.collect();
    demo.sort();
    demo.truncate(20);
    let failures = ["complete", "headers-only"]
        .map(|name| format!("tests/fixtures/failure/{name}.eml").into());
    let read = |path| message::read(&fs::read(path).expect("a mail"), &Limits::default());
    demo.into_iter()
        .chain(failures)
        .map(read)
        .filter(|contents| !contents.reports.is_empty())
        .collect()
}

#[test]
fn older_stores_keep_their_rows_and_know_them_again() {
    for version in [1, 2, 3, 5, 8] {
        keeps_its_rows_and_knows_them_again(&format!("tests/fixtures/store-{version}.sqlite"));
    }
}

fn overview(path: &Path) -> Vec<String> {
    let mut reader = Reader::open(path).expect("the store");
    let answers = reader.answers().expect("a moment");
    let all = Filter::default();
    let groups = By::ALL.map(|by| format!("{:?}", answers.groups(&all, by, 9).expect("groups")));
    groups.into_iter().chain([format!("{:?}", answers.overview(&all, 9).expect("sums"))]).collect()
}

fn keeps_its_rows_and_knows_them_again(older: &str) {
    let (folder, path) = folder();
    fs::copy(older, &path).expect("copied");
    let sums = "SELECT (SELECT count(*) || ' ' || sum(count) FROM dmarc_records)
        || ' ' || (SELECT count(*) FROM tls_policies) || ' ' || (SELECT count(*) FROM dmarc_failures)
        || ' ' || (SELECT count(*) FROM dmarc_dkim_results)
        || ' ' || (SELECT count(*) FROM dmarc_spf_results)
        || ' ' || (SELECT count(*) FROM dmarc_override_reasons)
        || ' ' || (SELECT count(*) FROM tls_failure_details)
        || ' ' || (SELECT sum(stored_at) FROM dmarc_reports)";
    let sums = || -> String {
        let connection = Connection::open(&path).expect("the store");
        connection.query_row(sums, (), |row| row.get(0)).expect("sums")
    };
    let before = sums();
    drop(Store::open(&path).expect("brought up to date"));
    assert_eq!((number(&path, "PRAGMA user_version"), sums()), (9, before));
    assert_eq!(number(&path, "SELECT count(*) FROM pragma_foreign_key_check"), 0);

    let again = store(&path, mails_of_older_stores());
    assert_eq!(again.iter().map(|one| one.tally.created).sum::<u64>(), 0);
    assert_eq!(again.iter().map(|one| one.tally.duplicates).sum::<u64>(), 98 + 7 + 2);

    let fresh = folder.path().join("fresh.db");
    store(&fresh, mails_of_older_stores());
    assert_eq!(
        super::in_order(read_back(&path, &Selection::default())),
        super::in_order(read_back(&fresh, &Selection::default()))
    );
    assert_eq!(overview(&path), overview(&fresh), "sums are filled as they are kept");
    let schema = |path: &Path| {
        let connection = Connection::open(path).expect("the store");
        let sql =
            "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_schema ORDER BY name)";
        connection.query_row(sql, (), |row| row.get::<_, String>(0)).expect("a schema")
    };
    assert_eq!(schema(&path), schema(&fresh));
    let check = run(["export", "--store", path.to_str().expect("UTF-8"), "--kind", "dmarc"]);
    assert_eq!(check.code, Some(0), "{}", check.log);
}
