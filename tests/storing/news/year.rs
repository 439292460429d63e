//! The year of the demonstration: what happens in it is found once, and nothing else.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use email_report_processor::{
    changes::{
        Change, ChangeKind, Look, news,
        situations::{Situation, SituationKey, Turn, step},
    },
    demo::Year,
    sqlite::query::Reader,
    verdict::Mine,
};
use jiff::civil::{Date, date};
use tempfile::TempDir;

use crate::support::program::run;

const DAY: i64 = 86_400;
const LAST: Date = date(2026, 9, 30);

/// A store with the whole year.
pub(super) fn store() -> &'static Path {
    static STORE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let make = || {
        let folder = tempfile::tempdir().expect("a folder");
        let (maildir, store) = (folder.path().join("Maildir"), folder.path().join("year.sqlite"));
        let maildir = maildir.to_str().expect("UTF-8");
        let made = run(["generate", "year", maildir, "--end", "2026-09-30"]);
        assert_eq!(made.code, Some(0), "{}", made.log);
        let stored = run(["once", "--store", store.to_str().expect("UTF-8"), maildir]);
        assert_eq!(stored.code, Some(0), "{}", stored.log);
        (folder, store)
    };
    &STORE.get_or_init(make).1
}

/// The first second of a day of the year.
fn begin(day: i64) -> i64 {
    let first = Year::new(1, LAST).day(0);
    let epoch = date(1970, 1, 1);
    (first.duration_since(epoch).as_hours() / 24 + day) * DAY
}

/// What is different in days of the year.
fn changes(
    reader: &mut Reader,
    days: std::ops::Range<i64>,
    volume: u64,
    open: &[SituationKey],
) -> Vec<Change> {
    let mine = Mine::default();
    let period = begin(days.start)..begin(days.end);
    let look = Look { period, mine: &mine, domain: None, volume };
    let answers = reader.answers().expect("a moment");
    news(&answers, &look, open).expect("news").changes
}

fn told(change: &Change) -> String {
    let mut words = vec![change.kind.word(), &change.domain, &change.who];
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

#[test]
fn the_digests_of_a_year_tell_of_what_happens_and_of_nothing_else() {
    let mut reader = Reader::open(store()).expect("the store");
    let mut found = Vec::new();
    for week in 4..52 {
        for change in changes(&mut reader, week * 7 + 1..week * 7 + 8, 10, &[]) {
            println!("week {week}: {}: {}", told(&change), change.text);
            found.push((week, told(&change)));
        }
    }
    let found: Vec<(i64, &str)> = found.iter().map(|(week, text)| (*week, &**text)).collect();
    // Day n is in week (n - 1) / 7. Who is gone is told ten days later, who is silent six.
    let expected = [
        (9, "new_sender example.com postwing.example"),
        (13, "forged_mail example.com"),
        (14, "forged_mail example.com"),
        (16, "sender_repaired example.com postwing.example"),
        (19, "policy_changed example.com p=quarantine sp=quarantine"),
        (25, "policy_changed example.net p=quarantine sp=quarantine"),
        (29, "policy_changed example.com p=reject sp=reject"),
        (29, "sender_gone example.com faxport.example"),
        (32, "sender_fails example.net 192.0.2.0/24"),
        (36, "tls_failures example.com"),
        (37, "tls_failures example.com"),
        (40, "policy_changed example.net p=reject sp=reject"),
        (43, "reporter_silent University of Example"),
        (50, "new_sender example.com leadpipe.example"),
    ];
    assert_eq!(found, expected);
}

/// What was told day by day, and what is still open at the end.
fn alerts(reader: &mut Reader) -> (Vec<(i64, Turn, String)>, Vec<Situation>) {
    let (mut open, mut said): (Vec<Situation>, Vec<_>) = (Vec::new(), Vec::new());
    for day in 30..=365 {
        let keys: Vec<SituationKey> = open.iter().map(|situation| situation.key.clone()).collect();
        let found = changes(reader, day - 3..day, 20, &keys);
        let step = step(&open, &found, begin(day) + DAY / 2);
        for telling in &step.tellings {
            let told = told(&telling.change);
            println!("day {day}: {:?}: {told}: {}", telling.turn, telling.change.text);
            said.push((day, telling.turn, told));
        }
        open.retain(|one| {
            let is_kept = step.kept.iter().any(|kept| kept.key == one.key);
            !is_kept && !step.dropped.contains(&one.key)
        });
        open.extend(step.kept);
    }
    (said, open)
}

#[test]
fn alerts_day_by_day_tell_each_thing_once() {
    let mut reader = Reader::open(store()).expect("the store");
    let (said, open) = alerts(&mut reader);
    let opened: Vec<(i64, &str)> = said
        .iter()
        .filter(|(_, turn, _)| *turn == Turn::Opened)
        .map(|(day, _, text)| (*day, &**text))
        .collect();
    // The reports of a day are looked at on the next one.
    let expected = [
        (71, "new_sender example.com postwing.example"),
        (97, "forged_mail example.com"),
        (136, "policy_changed example.com p=quarantine sp=quarantine"),
        (181, "policy_changed example.net p=quarantine sp=quarantine"),
        (211, "policy_changed example.com p=reject sp=reject"),
        (231, "sender_fails example.net 192.0.2.0/24"),
        (259, "tls_failures example.com"),
        (286, "policy_changed example.net p=reject sp=reject"),
        (306, "reporter_silent University of Example"),
    ];
    assert_eq!(opened, expected);
    let closed: BTreeSet<&str> = said
        .iter()
        .filter(|(_, turn, _)| *turn == Turn::Closed)
        .map(|(_, _, text)| &**text)
        .collect();
    let over = [
        "forged_mail example.com",
        "sender_fails example.net 192.0.2.0/24",
        "tls_failures example.com",
    ];
    assert_eq!(closed, over.into());
    let number = |turn| said.iter().filter(|(_, one, _)| *one == turn).count();
    assert_eq!(number(Turn::Closed), 3, "each once");
    assert!(open.iter().all(|one| one.key.kind == ChangeKind::ReporterSilent), "{open:?}");
}
