//! Sums over reports, as simply as they can be made.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use super::history::history;
use email_report_processor::{
    answers::{
        By, Choice, Disposition, Dispositions, Evaluated, Filter, Group, Groups, Histories, Key,
        Messages, NameBelow, Outcome, RawResult, Sender, Tally,
    },
    report::{Report, aggregate::Record},
    senders::{Operators, of_record},
};

/// What a store has been given: each report once, each record once.
#[derive(Default)]
pub struct Naive {
    reports: BTreeMap<String, Stored>,
}

pub(super) struct Stored {
    pub(super) begin: i64,
    pub(super) domain: String,
    organization: Option<String>,
    records: BTreeMap<u64, Record>,
}

/// A record of a report, or a report without any.
pub(super) type Found<'n> = (&'n str, &'n Stored, Option<&'n Record>);

pub(super) type Pair = (Option<String>, Option<String>);

pub(super) fn fold(domain: &str) -> String {
    domain.to_ascii_lowercase().trim_end_matches('.').to_owned()
}

impl Naive {
    /// Notes a DMARC report as it is stored.
    pub fn add(&mut self, report: &Report) {
        let Report::Aggregate(dmarc) = report else { return };
        let ids = report.ids();
        let stored = self.reports.entry(ids.key.as_str().to_owned()).or_insert_with(|| Stored {
            begin: dmarc.metadata.date_range.begin,
            domain: fold(dmarc.policy_published.domain.as_deref().unwrap_or_default()),
            organization: dmarc.metadata.org_name.as_deref().map(str::to_owned),
            records: BTreeMap::new(),
        });
        for (id, record) in ids.parts.iter().zip(&dmarc.records) {
            stored.records.entry(*id).or_insert_with(|| record.clone());
        }
    }

    /// Forgets what begins before this second.
    pub fn forget(&mut self, before: i64) {
        self.reports.retain(|_, stored| stored.begin >= before);
    }

    fn found(&self, filter: &Filter) -> Vec<Found<'_>> {
        let mut found = Vec::new();
        for (key, stored) in &self.reports {
            if stored.records.is_empty() && is_meant(filter, stored, None) {
                found.push((key.as_str(), stored, None));
            }
            for record in stored.records.values() {
                if is_meant(filter, stored, Some(record)) {
                    found.push((key.as_str(), stored, Some(record)));
                }
            }
        }
        found
    }

    pub fn totals(&self, filter: &Filter) -> Tally {
        tally(&self.found(filter))
    }

    pub fn newest(&self, filter: &Filter) -> Option<i64> {
        let meant = self.reports.values().filter(|stored| is_meant(filter, stored, None));
        meant.map(|stored| stored.begin).max()
    }

    /// The domains of policies, each once.
    pub fn domains(&self) -> BTreeSet<&str> {
        self.reports.values().map(|stored| &*stored.domain).collect()
    }

    pub fn names_below(&self, filter: &Filter, domain: &str, top: usize) -> Vec<NameBelow> {
        let mut names: BTreeMap<String, [u64; 2]> = BTreeMap::new();
        for (_, stored, record) in self.found(filter) {
            let from = record.and_then(|record| record.identifiers.header_from.as_deref());
            let (Some(record), Some(from)) = (record, from.map(fold)) else { continue };
            if stored.domain == domain && from.ends_with(&format!(".{domain}")) {
                let [all, pass] = names.entry(from).or_default();
                *all = all.saturating_add(count(record)).min(MOST);
                if record.row.policy_evaluated.pass() == Some(true) {
                    *pass = pass.saturating_add(count(record)).min(MOST);
                }
            }
        }
        let name =
            |(name, [messages, pass]): (String, [u64; 2])| NameBelow { name, messages, pass };
        let mut names: Vec<NameBelow> = names.into_iter().map(name).collect();
        names.sort_by_key(|name| (Reverse(name.messages - name.pass), name.name.clone()));
        names.truncate(top);
        names
    }

    pub fn histories(&self, filter: &Filter, top: usize) -> Histories {
        let found = self.found(filter);
        let mut groups: Vec<_> = grouped(&found, By::Sender).into_iter().collect();
        groups.sort_by_key(|(key, found)| (Reverse(tally(found).messages.messages), key.clone()));
        let rest = groups.split_off(groups.len().min(top));
        let omitted = rest.len() as u64;
        let rest: Vec<Found> = rest.into_iter().flat_map(|(_, found)| found).collect();
        let senders = groups
            .into_iter()
            .map(|(key, found)| match key {
                Key::Sender(sender) => history(sender, &found),
                key => panic!("{key:?}"),
            })
            .collect();
        let rest = tally(&rest).messages;
        Histories { total: tally(&found), senders, omitted, rest }
    }

    pub fn groups(&self, filter: &Filter, by: By, top: usize) -> Groups {
        let found = self.found(filter);
        let groups = grouped(&found, by);
        let all = groups.len();
        let mut groups: Vec<Group> = groups
            .into_iter()
            .map(|(key, found)| {
                let raw = matches!(by, By::Address | By::Sender);
                let results = |of: fn(&Record) -> BTreeSet<Pair>| {
                    if raw { raw_results(&found, of) } else { Vec::new() }
                };
                Group { key, tally: tally(&found), spf: results(spf), dkim: results(dkim) }
            })
            .collect();
        if by == By::Day {
            groups.sort_by_key(|group| group.key.clone());
            return Groups { total: tally(&found), groups, omitted: 0 };
        }
        groups.sort_by_key(|group| (Reverse(group.tally.messages.messages), group.key.clone()));
        groups.truncate(top);
        let omitted = (all - groups.len()) as u64;
        Groups { total: tally(&found), groups, omitted }
    }
}

/// The best reason for a sender's name is the group's.
fn grouped<'n>(found: &[Found<'n>], by: By) -> HashMap<Key, Vec<Found<'n>>> {
    let mut best: HashMap<String, Sender> = HashMap::new();
    let mut keys = Vec::new();
    for (_, stored, record) in found {
        let key = key(by, stored, *record);
        if let Some(Key::Sender(sender)) = &key {
            let best = best.entry(sender.name.clone()).or_insert_with(|| sender.clone());
            if (sender.basis, sender.kind.is_none()) < (best.basis, best.kind.is_none()) {
                *best = sender.clone();
            }
        }
        keys.push(key);
    }
    let mut groups: HashMap<Key, Vec<Found>> = HashMap::new();
    for (key, one) in keys.into_iter().zip(found) {
        let key = match key {
            Some(Key::Sender(sender)) => Key::Sender(best[&sender.name].clone()),
            Some(key) => key,
            None => continue,
        };
        groups.entry(key).or_default().push(*one);
    }
    groups
}

fn lets<T>(choice: &Choice<T>, is: impl Fn(&T) -> bool) -> bool {
    choice.not.iter().all(|value| !is(value))
        && (choice.only.is_empty() || choice.only.iter().any(is))
}

fn is_meant(filter: &Filter, stored: &Stored, record: Option<&Record>) -> bool {
    let domain = |wanted: &String| {
        if filter.exactly {
            return stored.domain == fold(wanted);
        }
        let wanted = fold(wanted.trim_start_matches('.'));
        stored.domain == wanted
            || !wanted.is_empty() && stored.domain.ends_with(&format!(".{wanted}"))
    };
    if filter.since.is_some_and(|since| stored.begin < since)
        || filter.until.is_some_and(|until| stored.begin >= until)
        || !lets(&filter.domains, domain)
        || !lets(&filter.organizations, |wanted| stored.organization.as_ref() == Some(wanted))
    {
        return false;
    }
    let Some(record) = record else {
        let record_level = [
            filter.networks.is_any(),
            filter.senders.is_any(),
            filter.dispositions.is_any(),
            filter.dmarc.is_any(),
            filter.spf.is_any(),
            filter.dkim.is_any(),
        ];
        return record_level.iter().all(|any| *any);
    };
    let outcome = outcome(record);
    let dmarc = match record.row.policy_evaluated.pass() {
        Some(true) => Evaluated::Pass,
        Some(false) => Evaluated::Fail,
        None => Evaluated::Unknown,
    };
    let address = record.row.source_ip;
    lets(&filter.networks, |network| address.is_some_and(|address| network.contains(address)))
        && lets(&filter.senders, |wanted| {
            sender_of(stored, record).name.eq_ignore_ascii_case(wanted)
        })
        && lets(&filter.dispositions, |wanted| *wanted == outcome.disposition)
        && lets(&filter.dmarc, |wanted| *wanted == dmarc)
        && lets(&filter.spf, |wanted| *wanted == outcome.spf)
        && lets(&filter.dkim, |wanted| *wanted == outcome.dkim)
}

fn outcome(record: &Record) -> Outcome {
    let evaluated = &record.row.policy_evaluated;
    let evaluate = |aligned| match aligned {
        Some(true) => Evaluated::Pass,
        Some(false) => Evaluated::Fail,
        None => Evaluated::Unknown,
    };
    Outcome {
        disposition: match evaluated.disposition.as_deref() {
            Some("none") => Disposition::None,
            Some("pass") => Disposition::Pass,
            Some("quarantine") => Disposition::Quarantine,
            Some("reject") => Disposition::Reject,
            _ => Disposition::Other,
        },
        spf: evaluate(evaluated.spf_aligned()),
        dkim: evaluate(evaluated.dkim_aligned()),
    }
}

fn sender_of(stored: &Stored, record: &Record) -> Sender {
    of_record(Some(&stored.domain), record, None, Operators::own())
}

fn key(by: By, stored: &Stored, record: Option<&Record>) -> Option<Key> {
    Some(match by {
        By::Day => Key::Day(stored.begin.div_euclid(86_400) * 86_400),
        By::Domain => Key::Domain(stored.domain.clone()),
        By::Organization => Key::Organization(stored.organization.clone()),
        By::Sender => Key::Sender(sender_of(stored, record?)),
        By::Address => Key::Address(record?.row.source_ip),
        By::Outcome => Key::Outcome(outcome(record?)),
    })
}

pub(super) const MOST: u64 = i64::MAX as u64;

pub(super) fn count(record: &Record) -> u64 {
    record.row.count.min(MOST)
}

pub(super) fn tally(found: &[Found]) -> Tally {
    let reports: BTreeMap<&str, i64> =
        found.iter().map(|(key, stored, _)| (*key, stored.begin)).collect();
    let records: Vec<&Record> = found.iter().filter_map(|(_, _, record)| *record).collect();
    let sum = |is: &dyn Fn(Outcome) -> bool| {
        let counted = records.iter().filter(|record| is(outcome(record)));
        counted.fold(0_u64, |sum, record| sum.saturating_add(count(record)).min(MOST))
    };
    let done = |disposition| sum(&|outcome| outcome.disposition == disposition);
    let passed = |result| result == Evaluated::Pass;
    Tally {
        reports: reports.len() as u64,
        records: records.len() as u64,
        messages: Messages {
            messages: sum(&|_| true),
            pass: sum(&|outcome| passed(outcome.spf) || passed(outcome.dkim)),
            spf_aligned: sum(&|outcome| passed(outcome.spf)),
            dkim_aligned: sum(&|outcome| passed(outcome.dkim)),
            disposition: Dispositions {
                none: done(Disposition::None),
                pass: done(Disposition::Pass),
                quarantine: done(Disposition::Quarantine),
                reject: done(Disposition::Reject),
                other: done(Disposition::Other),
            },
        },
        first: reports.values().min().copied(),
        last: reports.values().max().copied(),
    }
}

pub(super) fn spf(record: &Record) -> BTreeSet<Pair> {
    let results = record.auth_results.spf.iter();
    results
        .map(|one| (one.domain.as_deref().map(fold), one.result.as_deref().map(str::to_owned)))
        .collect()
}

pub(super) fn dkim(record: &Record) -> BTreeSet<Pair> {
    let results = record.auth_results.dkim.iter();
    results
        .map(|one| (one.domain.as_deref().map(fold), one.result.as_deref().map(str::to_owned)))
        .collect()
}

pub(super) fn raw_results(found: &[Found], of: fn(&Record) -> BTreeSet<Pair>) -> Vec<RawResult> {
    let mut sums: BTreeMap<Pair, u64> = BTreeMap::new();
    for (_, _, record) in found {
        let Some(record) = record else { continue };
        for pair in of(record) {
            let sum = sums.entry(pair).or_default();
            *sum = sum.saturating_add(count(record)).min(MOST);
        }
    }
    let mut results: Vec<RawResult> = sums
        .into_iter()
        .map(|((domain, result), messages)| RawResult { domain, result, messages })
        .collect();
    // Those that are alike stay in the order of their names.
    results.sort_by_key(|result| Reverse(result.messages));
    results.truncate(10);
    results
}
