//! The answers of an SQLite store are the sums over what was put into it, however it came.

use std::path::Path;

use email_report_processor::{
    answers::{Answers, ReportName},
    message::Received,
    report::{AggregateReport, Report},
    sqlite::query::Reader,
};

use super::{documents, folder, mail, number, store};
use crate::support::{
    answers::{Naive, compare, compare_each, name_of, reports},
    program::{program, run_command},
    rng::Rng,
};

fn ask(path: &Path, naive: &Naive, seed: u64) {
    let mut reader = Reader::open(path).expect("the store");
    let answers = reader.answers().expect("a moment");
    compare(naive, &answers, 60, seed);
    compare_each(naive, &answers, 8, seed);
}

/// Random reports in mails of some, each store of them a transaction or more.
#[test]
fn answers_are_the_sums_over_the_records() {
    for seed in 0..12 {
        let (_folder, path) = folder();
        let mut rng = Rng::new(seed, 0);
        let mut naive = Naive::default();
        for _ in 0..=rng.below(8) {
            let number = rng.index(10) + 1;
            let reports = reports(&mut rng, number);
            reports.iter().for_each(|report| naive.add(report));
            // A transaction each, now and then: their segments are merged.
            if rng.chance(50) {
                store(&path, [mail(reports)]);
            } else {
                reports.into_iter().for_each(|report| drop(store(&path, [mail([report])])));
            }
        }
        ask(&path, &naive, seed);
    }
}

#[test]
fn reports_longer_than_a_segment_count_once() {
    let (_folder, path) = folder();
    let mut rng = Rng::new(3, 3);
    let mut all = reports(&mut rng, 400);
    let records: Vec<_> = all
        .iter()
        .flat_map(|report| match report {
            Report::Aggregate(dmarc) => dmarc.records.clone(),
            _ => Vec::new(),
        })
        .collect();
    let long = records.iter().cycle().zip(0_u64..70_000).map(|(record, n)| {
        let mut record = record.clone();
        record.row.count = n % 1000;
        record
    });
    let Some(Report::Aggregate(first)) = all.first_mut() else { unreachable!() };
    first.records = long.collect();
    let mut naive = Naive::default();
    all.iter().for_each(|report| naive.add(report));
    store(&path, [mail(all)]);
    assert!(number(&path, "SELECT count(*) FROM dmarc_columns WHERE again") > 0);
    let mut reader = Reader::open(&path).expect("the store");
    compare(&naive, &reader.answers().expect("a moment"), 3, 1);
}

/// So many that they are sorted, and some more that are not; a report of both, and one of several
/// sorted segments. Then as `prune` leaves them.
#[test]
fn many_records_are_sorted() {
    let (_folder, path) = folder();
    let mut rng = Rng::new(6, 6);
    let mut all = reports(&mut rng, 300);
    let records: Vec<_> =
        all.iter().filter_map(dmarc).flat_map(|one| one.records.clone()).collect();
    let mut records = records.iter().cycle().zip(0_u64..).map(|(record, n)| {
        let mut record = record.clone();
        record.row.count = n % 1000;
        record
    });
    let mut long = all.iter_mut().filter_map(|report| match report {
        Report::Aggregate(dmarc) => Some(dmarc),
        _ => None,
    });
    for number in [90_000, 1000, 5000, 20_000, 1, 300, 9000, 6000, 8000] {
        long.next().expect("one more").records = records.by_ref().take(number).collect();
    }
    let mut more = all.iter().find_map(dmarc).expect("one").clone();
    more.records = records.by_ref().take(100).collect();
    let mut naive = Naive::default();
    all.iter().for_each(|report| naive.add(report));
    store(&path, [mail(all.clone())]);
    let sorted = number(&path, "SELECT sum(records) FROM dmarc_columns WHERE sums IS NOT NULL");
    assert!(sorted > 130_000, "{sorted} are sorted");
    let unsorted = reports(&mut rng, 50).into_iter().chain([Report::Aggregate(more)]);
    for report in unsorted {
        naive.add(&report);
        store(&path, [mail([report.clone()])]);
        all.push(report);
    }
    assert!(number(&path, "SELECT count(*) FROM dmarc_columns WHERE sums IS NULL") > 0);
    let compare_all = |naive: &Naive| {
        let mut reader = Reader::open(&path).expect("the store");
        let answers = reader.answers().expect("a moment");
        compare(naive, &answers, 4, 6);
        compare_each(naive, &answers, 3, 6);
    };
    compare_all(&naive);
    let mut prune = program(["prune", "--older-than", "2026-03-01", "--store"]);
    let ended = run_command({
        prune.arg(&path);
        prune
    });
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    // The first second of that day.
    naive.forget(1_772_323_200);
    compare_all(&naive);
}

fn dmarc(report: &Report) -> Option<&AggregateReport> {
    match report {
        Report::Aggregate(dmarc) => Some(dmarc),
        _ => None,
    }
}

#[test]
fn mails_one_by_one_become_few_segments() {
    let (_folder, path) = folder();
    let mut rng = Rng::new(4, 4);
    let mut naive = Naive::default();
    for report in reports(&mut rng, 100) {
        naive.add(&report);
        store(&path, [mail([report])]);
    }
    let segments = number(&path, "SELECT count(*) FROM dmarc_columns");
    assert!(segments <= 10, "{segments} segments");
    ask(&path, &naive, 4);
}

#[test]
fn a_report_is_found_by_its_name() {
    let (_folder, path) = folder();
    let all = reports(&mut Rng::new(5, 5), 60);
    let naive_documents = |report: &Report| documents(report, &Received::default());
    let Some(Report::Aggregate(first)) = all.first() else { unreachable!() };
    let name = name_of(first);
    store(&path, all.iter().map(|report| mail([report.clone()])));
    let mut reader = Reader::open(&path).expect("the store");
    let answers = reader.answers().expect("a moment");
    let found = answers.report(&name, 1000).expect("read");
    assert!(found.is_sorted_by_key(|document| document.id.clone()));
    let found: Vec<String> =
        found.iter().map(|document| format!("{} {}", document.id, document.source)).collect();
    for document in naive_documents(&all[0]) {
        let (id, source) = document.split_once(' ').expect("an id");
        let source: serde_json::Value = serde_json::from_str(source).expect("JSON");
        assert!(found.contains(&format!("{id} {source}")), "{id}");
    }
    assert_eq!(answers.report(&name, 1).expect("read").len(), 1.min(found.len()));
    let other = ReportName { report_id: "another".into(), ..name };
    assert_eq!(answers.report(&other, 1000).expect("read"), []);
}
