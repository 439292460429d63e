//! From mails to documents, in memory: `cargo bench --bench parse`.

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use email_report_processor::{
    document::Documents,
    limits::Limits,
    message::{self, Contents},
};
use support::corpus::Corpus;

const MAILS: usize = 1000;

/// Writes all documents with their ids into `out`; gives their number.
fn documents(contents: &Contents, out: &mut Vec<u8>) -> usize {
    let of_report = contents.reports.iter().map(|report| {
        let documents = Documents::new(report, &contents.received);
        for n in 0..documents.len() {
            out.clear();
            documents.write_id(n, out);
            documents.write_source(n, out);
            black_box(&out);
        }
        documents.len()
    });
    of_report.sum()
}

fn parse(criterion: &mut Criterion) {
    let corpus = Corpus::new(MAILS);
    let mails: Vec<Vec<u8>> = corpus.iter().map(|mail| mail.bytes).collect();
    let limits = Limits::default();
    let contents: Vec<Contents> = mails.iter().map(|mail| message::read(mail, &limits)).collect();
    let mut out = Vec::new();
    let found: usize = contents.iter().map(|contents| documents(contents, &mut out)).sum();
    assert_eq!(found as u64, corpus.manifest().documents, "the bench must do the whole work");

    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Elements(MAILS as u64)).sample_size(20);
    group.bench_function("mails to reports", |bencher| {
        bencher.iter(|| {
            mails.iter().map(|mail| message::read(mail, &limits).reports.len()).sum::<usize>()
        });
    });
    group.bench_function("reports to documents", |bencher| {
        bencher
            .iter(|| contents.iter().map(|contents| documents(contents, &mut out)).sum::<usize>());
    });
    group.bench_function("mails to documents", |bencher| {
        bencher.iter(|| {
            mails
                .iter()
                .map(|mail| documents(&message::read(mail, &limits), &mut out))
                .sum::<usize>()
        });
    });
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
