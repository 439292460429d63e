//! A bench for each stage of a mail's way, over the same mails, in memory but for the store:
//! `cargo bench`, or `cargo bench --bench stages -- NAME`.

#[path = "../tests/support/mod.rs"]
mod support;

use std::{hint::black_box, io::Read, sync::Arc};

use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main,
};
use email_report_processor::{
    document::Documents,
    limits::Limits,
    message::{self, Contents},
    metrics::StoreMetrics,
    report,
    settle::{self, MailOutcome, Origin},
    sink::{Sink, sqlite::SqliteSink},
    stop::Stop,
};
use flate2::read::GzDecoder;
use mail_parser::MessageParser;
use support::corpus::Corpus;

const MAILS: usize = 1000;

/// The unpacked attachments of those mails that have one in gzip.
fn texts(mails: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let unpacked = |mail: &Vec<u8>| {
        let mail = MessageParser::new().parse(mail)?;
        let packed = mail.attachments().find(|part| part.contents().starts_with(&[0x1F, 0x8B]))?;
        let mut text = Vec::new();
        GzDecoder::new(packed.contents()).read_to_end(&mut text).ok()?;
        Some(text)
    };
    mails.iter().filter_map(unpacked).collect()
}

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

/// Stores the mails in a new SQLite file; gives the number of documents that it has acknowledged.
fn store(mails: Vec<Contents>) -> u64 {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("reports.db");
    let sink =
        SqliteSink::open(&path, None, None, Arc::new(Stop::default()), StoreMetrics::default())
            .expect("a store");
    let (settler, settled) = settle::channel();
    let count = std::thread::spawn(move || {
        let mails = settled.iter().inspect(|mail| assert_ne!(mail.outcome, MailOutcome::Left));
        mails.map(|mail| mail.tally.created).sum()
    });
    for contents in mails {
        let ticket = settler.ticket(Origin::Input(String::new()), 0, &contents, None);
        sink.accept(contents, &ticket);
    }
    sink.finish();
    drop(settler);
    count.join().expect("counted")
}

fn reading(group: &mut BenchmarkGroup<WallTime>, mails: &[Vec<u8>], limits: &Limits) {
    let texts = texts(mails);
    assert!(texts.len() > MAILS / 3, "{} of the mails are in gzip", texts.len());
    group.throughput(Throughput::Bytes(texts.iter().map(|text| text.len() as u64).sum()));
    group.bench_function("texts to reports", |bencher| {
        bencher.iter(|| texts.iter().filter(|text| report::parse(text, limits).is_ok()).count());
    });
    group.throughput(Throughput::Elements(MAILS as u64));
    group.bench_function("mails to reports", |bencher| {
        bencher.iter(|| {
            mails.iter().map(|mail| message::read(mail, limits).reports.len()).sum::<usize>()
        });
    });
}

fn stages(criterion: &mut Criterion) {
    let corpus = Corpus::new(MAILS);
    let mails: Vec<Vec<u8>> = corpus.iter().map(|mail| mail.bytes).collect();
    let limits = Limits::default();
    let read = || mails.iter().map(|mail| message::read(mail, &limits)).collect::<Vec<Contents>>();
    let contents = read();
    let mut out = Vec::new();
    let found: usize = contents.iter().map(|contents| documents(contents, &mut out)).sum();
    let expected = corpus.manifest().documents;
    assert_eq!(found as u64, expected, "the bench must do the whole work");

    let mut group = criterion.benchmark_group("stages");
    group.sample_size(20);
    reading(&mut group, &mails, &limits);
    group.throughput(Throughput::Elements(expected));
    group.bench_function("reports to ids", |bencher| {
        bencher.iter(|| contents.iter().map(|contents| contents.ids().len()).sum::<usize>());
    });
    group.bench_function("reports to documents", |bencher| {
        bencher
            .iter(|| contents.iter().map(|contents| documents(contents, &mut out)).sum::<usize>());
    });
    group.bench_function("reports into SQLite", |bencher| {
        let all = |mails| assert_eq!(store(mails), expected);
        bencher.iter_batched(read, all, BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
