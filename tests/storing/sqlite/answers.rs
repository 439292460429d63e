//! The answers of an SQLite store are the sums over what was put into it, however it came.

use std::path::Path;

use email_report_processor::{
    answers::{Answers, By, Filter},
    report::Report,
    sqlite::query::Reader,
};

use super::{folder, mail, number, store};
use crate::support::{
    answers::{Naive, compare, reports},
    rng::Rng,
};

fn ask(path: &Path, naive: &Naive, seed: u64) {
    let mut reader = Reader::open(path).expect("the store");
    compare(naive, &reader.answers().expect("a moment"), 60, seed);
}

/// Random reports in mails of some, each store of them a transaction or more.
#[test]
fn answers_are_the_sums_over_the_records() {
    for seed in 0..12 {
        let (_folder, path) = folder();
        let mut rng = Rng::new(seed, 0);
        let mut naive = Naive::default();
        for _ in 0..rng.below(8) + 1 {
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
fn a_report_is_found_by_its_key() {
    let (_folder, path) = folder();
    let Some(Report::Aggregate(report)) = reports(&mut Rng::new(5, 5), 9).pop() else {
        unreachable!()
    };
    let whole = Report::Aggregate(report.clone());
    store(&path, [mail([whole.clone()])]);
    let mut reader = Reader::open(&path).expect("the store");
    let answers = reader.answers().expect("a moment");
    let found = answers.report(&whole.key()).expect("read").expect("there");
    assert_eq!(found.report.len(), whole.len());
    assert_eq!(found.report.key(), whole.key());
    let other = super::dmarc("another", 1).key();
    assert_eq!(answers.report(&other).expect("read"), None);
    let sums = answers.groups(&Filter::default(), By::Day, 0).expect("sums");
    assert_eq!(sums.total.records, whole.len() as u64);
}
