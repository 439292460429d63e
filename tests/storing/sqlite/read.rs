//! Reports out of the tables: in portions, in order, and of one moment.

use std::{collections::BTreeMap, fs, path::Path};

use email_report_processor::{
    document::Portion,
    limits::Limits,
    message::{Contents, ReadOptions, read_with},
    report::{
        Kind, Report, Text,
        aggregate::{DkimResult, SpfResult},
        tls::FailureDetail,
    },
    sqlite::query::{Reader, Selection},
};
use walkdir::WalkDir;

use super::{
    documents, folder, in_order, mail, number, read_back,
    reports::{dmarc, full_received, tls},
    store,
};

#[expect(clippy::unnecessary_wraps, reason = "as the fields want it")]
fn some(text: String) -> Option<Text> {
    Some(text.into())
}

fn received(contents: Contents) -> Contents {
    Contents { received: full_received(), ..contents }
}

/// A DMARC report of which every third record has DKIM results and every fourth SPF results.
fn long_dmarc(records: u32) -> Report {
    let mut report = dmarc("long", records);
    let Report::Aggregate(long) = &mut report else { unreachable!() };
    for (n, record) in long.records.iter_mut().enumerate() {
        let dkim =
            |i| DkimResult { domain: some(format!("dkim {n} {i}")), ..DkimResult::default() };
        let spf = SpfResult { domain: some(format!("spf {n}")), ..SpfResult::default() };
        record.auth_results.dkim = if n % 3 == 0 { vec![dkim(0), dkim(1)] } else { Vec::new() };
        record.auth_results.spf = if n % 4 == 0 { vec![spf] } else { Vec::new() };
    }
    report
}

/// A TLS report with policies of three domains by turns, with failures in every second.
fn long_tls(policies: u32) -> Report {
    let mut report = tls("long", policies);
    let Report::Tls(long) = &mut report else { unreachable!() };
    for (n, policy) in long.policies.iter_mut().enumerate() {
        policy.policy.policy_domain = some(format!("{}.example", ["a", "b", "c"][n % 3]));
        let detail = FailureDetail {
            additional_information: some(format!("failure {n}")),
            ..FailureDetail::default()
        };
        policy.failure_details = if n % 2 == 0 { vec![detail] } else { Vec::new() };
    }
    report
}

#[test]
fn a_long_report_comes_in_portions_that_make_the_same_documents() {
    // Just one portion, one more than that, and some portions.
    for records in [1000, 1001, 2500] {
        let (_folder, path) = folder();
        let reports = [long_dmarc(records), long_tls(records)];
        store(&path, [received(mail(reports.clone()))]);
        let expected: Vec<String> =
            reports.iter().flat_map(|report| documents(report, &full_received())).collect();
        assert!(
            in_order(read_back(&path, &Selection::default())) == in_order(expected),
            "{records}"
        );
    }
    let (_folder, path) = folder();
    store(&path, [mail([long_dmarc(2500), long_tls(2500)])]);
    let mut reader = Reader::open(&path).expect("the store");
    let reports = reader.reports(&Selection::default()).expect("a snapshot");
    for kind in [Kind::Dmarc, Kind::Tls] {
        assert_eq!(reports.count(kind), Ok(2500));
        let mut portions = Vec::new();
        let take = |portion: Portion| {
            portions.push((portion.report.len(), portion.is_first));
            Ok::<_, rusqlite::Error>(())
        };
        reports.each(kind, take).expect("read");
        assert_eq!(portions, [(1000, true), (1000, false), (500, false)]);
    }
}

#[test]
fn policies_of_a_domain_keep_their_ids_and_failures() {
    let (_folder, path) = folder();
    let report = long_tls(9);
    store(&path, [received(mail([report.clone()]))]);
    let all = documents(&report, &full_received());
    let expected: Vec<String> = all.into_iter().skip(1).step_by(3).collect();
    let selection = Selection { domain: Some("B.example.".into()), ..Selection::default() };
    assert_eq!(in_order(read_back(&path, &selection)), in_order(expected));
}

#[test]
fn reports_come_by_their_period() {
    let (_folder, path) = folder();
    let report = |id: &str, day: i64| {
        let mut report = dmarc(id, 1);
        let Report::Aggregate(dmarc) = &mut report else { unreachable!() };
        dmarc.metadata.date_range.begin += day * 86400;
        report
    };
    let [third, first, second, same] =
        [report("c", 3), report("a", 1), report("b", 2), report("0", 2)];
    store(&path, [&third, &first, &second, &same].map(|report| received(mail([report.clone()]))));
    let expected = [&first, &second, &same, &third]
        .into_iter()
        .flat_map(|report| documents(report, &full_received()));
    assert_eq!(read_back(&path, &Selection::default()), expected.collect::<Vec<_>>());
}

#[test]
fn what_is_stored_meanwhile_is_not_seen() {
    let (_folder, path) = folder();
    store(&path, [mail([dmarc("one", 2), dmarc("two", 2)])]);
    let mut reader = Reader::open(&path).expect("the store");
    let reports = reader.reports(&Selection::default()).expect("a snapshot");
    let (mut seen, mut stored) = (0, false);
    let take = |portion: Portion| {
        if !stored {
            store(&path, [mail([dmarc("one", 5), dmarc("three", 2)])]);
            stored = true;
        }
        seen += portion.report.len();
        Ok::<_, rusqlite::Error>(())
    };
    reports.each(Kind::Dmarc, take).expect("read");
    assert_eq!(seen, 4);
    assert_eq!(reports.count(Kind::Dmarc), Ok(4));
    assert_eq!(number(&path, "SELECT count(*) FROM dmarc_records"), 9);
}

#[test]
fn every_fixture_comes_back_as_the_documents_it_gave() {
    let options = ReadOptions {
        keep_failed_message: true,
        authserv_id: Some("mx.example.org".into()),
        ..ReadOptions::from(Limits::default())
    };
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let files =
        WalkDir::new(fixtures).sort_by_file_name().into_iter().map(|entry| entry.expect("a file"));
    let mut kinds = BTreeMap::new();
    for file in files.filter(|entry| entry.file_type().is_file()) {
        let contents = read_with(&fs::read(file.path()).expect("a file"), &options);
        let mut expected = BTreeMap::new();
        for report in &contents.reports {
            *kinds.entry(format!("{:?}", report.kind())).or_insert(0) += report.len();
            for line in documents(report, &contents.received) {
                let (id, document) = line.split_once(' ').expect("an id");
                // The first stays, as in the store.
                expected.entry(id.to_owned()).or_insert_with(|| document.to_owned());
            }
        }
        if !expected.is_empty() {
            let (_folder, path) = folder();
            store(&path, [contents]);
            let mut found = read_back(&path, &Selection::default());
            found.sort();
            let expected: Vec<String> =
                expected.iter().map(|(id, document)| format!("{id} {document}")).collect();
            assert_eq!(found.join("\n"), expected.join("\n"), "{}", file.path().display());
        }
    }
    println!("documents: {kinds:?}");
    assert_eq!(kinds.len(), 3, "every kind was among them: {kinds:?}");
}

#[test]
fn a_value_that_somebody_spoiled_is_told_and_not_left_out() {
    let (_folder, path) = folder();
    store(&path, [mail([dmarc("one", 1)])]);
    let connection = rusqlite::Connection::open(&path).expect("the store");
    connection.execute("UPDATE dmarc_records SET source_ip = 'nonsense'", ()).expect("spoiled");
    let mut reader = Reader::open(&path).expect("the store");
    let reports = reader.reports(&Selection::default()).expect("a snapshot");
    let error =
        reports.each(Kind::Dmarc, |_| Ok::<_, rusqlite::Error>(())).expect_err("no address");
    assert!(error.to_string().contains("invalid IP address"), "{error}");
}
