//! Asked: everything that a page depends on, as it stands in the address: so each page can be
//! shared, bookmarked and gone back to.

mod period;

use std::{fmt, net::IpAddr, str::FromStr};

pub(super) use self::period::{PRESETS, Period};
use super::words::Said;
use crate::{
    answers::{Choice, Disposition, Evaluated, Filter, Network, ReportName},
    report::Kind,
};

/// More values than this no person chooses.
const MOST_VALUES: usize = 100;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// Which time.
    pub(super) period: Period,
    /// The time before is shown, too.
    pub(super) compares: bool,
    /// Which records; without a time.
    pub(super) filter: Filter,
    /// Of one report: its kind, who sent it, its id and begin.
    pub(super) report: NamedReport,
    /// How many rows a table has at most.
    pub(super) rows: Option<usize>,
}

/// What names a report, as far as it was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NamedReport {
    pub(super) kind: Option<Kind>,
    pub(super) organization: Option<String>,
    pub(super) id: Option<String>,
    pub(super) begin: Option<i64>,
}

/// A part of the address that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// The key.
    pub(super) key: Said,
    /// What is wrong with it or its value.
    pub(super) reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.reason)
    }
}

/// A filter's value, and its key in the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// `domain`, `not-domain`, ….
    pub(super) key: String,
    /// The value.
    pub(super) value: String,
}

impl Asked {
    /// Reads the part of an address behind its question mark.
    ///
    /// # Errors
    /// Something in it is unknown, twice where it may be once, or no value of its kind.
    pub(super) fn read(query: &str) -> Result<Asked, Mistake> {
        let mut asked = Asked::default();
        let mut seen: Vec<String> = Vec::new();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            let mistake = |reason: String| Mistake { key: Said::from(key.as_ref()), reason };
            if seen.len() == MOST_VALUES {
                return Err(mistake("too many values".into()));
            }
            if asked.choose(&key, &value).map_err(mistake)? {
                seen.push(String::new());
                continue;
            }
            if seen.contains(&key.as_ref().to_owned()) {
                return Err(mistake("it is there twice".into()));
            }
            asked.set(&key, &value).map_err(mistake)?;
            seen.push(key.into_owned());
        }
        Ok(asked)
    }

    /// Takes a value of the filter; false if the key is none of it.
    fn choose(&mut self, key: &str, value: &str) -> Result<bool, String> {
        fn add<T>(choice: &mut Choice<T>, is_not: bool, value: T) {
            if is_not { &mut choice.not } else { &mut choice.only }.push(value);
        }
        let (is_not, name) = match key.strip_prefix("not-") {
            Some(name) => (true, name),
            None => (false, key),
        };
        let filter = &mut self.filter;
        match name {
            "domain" => add(&mut filter.domains, is_not, value.to_owned()),
            "organization" => add(&mut filter.organizations, is_not, value.to_owned()),
            "source" => add(&mut filter.networks, is_not, parsed::<Network>(value)?),
            "sender" => add(&mut filter.senders, is_not, value.to_owned()),
            "disposition" => add(&mut filter.dispositions, is_not, disposition(value)?),
            "dmarc" => add(&mut filter.dmarc, is_not, verdict(value)?),
            "spf" => add(&mut filter.spf, is_not, verdict(value)?),
            "dkim" => add(&mut filter.dkim, is_not, verdict(value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes a value that is there once.
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            // A form sends fields that were left empty.
            "since" | "until" | "compare" if value.is_empty() => {}
            "since" => self.period.set_since(value)?,
            "until" => self.period.set_until(value)?,
            "compare" if value == "before" => self.compares = true,
            "compare" => return Err("expected before".into()),
            "rows" => {
                let rows = parsed::<usize>(value).ok().filter(|rows| (1..=1000).contains(rows));
                self.rows = Some(rows.ok_or("expected a number from 1 to 1000")?);
            }
            "kind" => {
                self.report.kind = Some(match value {
                    "dmarc" => Kind::Dmarc,
                    "tls" => Kind::Tls,
                    _ => return Err("expected dmarc or tls".into()),
                });
            }
            "reporter" => self.report.organization = Some(value.to_owned()),
            "id" => self.report.id = Some(value.to_owned()),
            "begin" => {
                let begin = value.parse().map_err(|_| "expected seconds since 1970")?;
                self.report.begin = Some(begin);
            }
            _ => return Err("there is no such setting of a page".into()),
        }
        Ok(())
    }

    /// The same as text, behind a question mark; empty if nothing is said.
    pub(super) fn write(&self) -> String {
        let mut out = form_urlencoded::Serializer::new(String::new());
        for Chosen { key, value } in self.pairs() {
            out.append_pair(&key, &value);
        }
        let text = out.finish();
        if text.is_empty() { text } else { format!("?{text}") }
    }

    /// Everything that is said, in order.
    pub(super) fn pairs(&self) -> Vec<Chosen> {
        let mut pairs = self.period.pairs();
        let mut add = |key: &str, value: String| pairs.push(Chosen { key: key.into(), value });
        if self.compares {
            add("compare", "before".into());
        }
        let NamedReport { kind, organization, id, begin } = &self.report;
        if let Some(kind) = kind {
            add("kind", if *kind == Kind::Tls { "tls" } else { "dmarc" }.into());
        }
        organization.iter().for_each(|name| add("reporter", name.clone()));
        id.iter().for_each(|id| add("id", id.clone()));
        begin.iter().for_each(|begin| add("begin", begin.to_string()));
        self.rows.iter().for_each(|rows| add("rows", rows.to_string()));
        pairs.extend(self.chosen());
        pairs
    }

    /// The values of the filter.
    pub(super) fn chosen(&self) -> Vec<Chosen> {
        let Filter { domains, organizations, networks, senders, .. } = &self.filter;
        let Filter { dispositions, dmarc, spf, dkim, .. } = &self.filter;
        [
            pairs("domain", domains, Clone::clone),
            pairs("organization", organizations, Clone::clone),
            pairs("source", networks, ToString::to_string),
            pairs("sender", senders, ToString::to_string),
            pairs("disposition", dispositions, |one| one.word().to_owned()),
            pairs("dmarc", dmarc, |one| word(*one).to_owned()),
            pairs("spf", spf, |one| word(*one).to_owned()),
            pairs("dkim", dkim, |one| word(*one).to_owned()),
        ]
        .concat()
    }

    /// The same without one value of the filter.
    pub(super) fn without(&self, gone: &Chosen) -> Asked {
        let mut rest = Asked { filter: Filter::default(), ..self.clone() };
        for Chosen { key, value } in self.chosen().iter().filter(|one| *one != gone) {
            // It was taken before.
            let _ = rest.choose(key, value);
        }
        rest
    }

    /// The same, changed.
    pub(super) fn with(&self, change: impl FnOnce(&mut Asked)) -> Asked {
        let mut changed = self.clone();
        change(&mut changed);
        changed
    }

    /// The same time, and nothing else.
    pub(super) fn period_only(&self) -> Asked {
        Asked { period: self.period.clone(), compares: self.compares, ..Asked::default() }
    }

    /// The same time and domains, and nothing else.
    pub(super) fn domain_only(&self) -> Asked {
        let domains = self.filter.domains.clone();
        self.period_only().with(|asked| asked.filter.domains = domains)
    }

    /// The filter with its time, seen from a second since 1970.
    pub(super) fn filter(&self, now: i64) -> Filter {
        let (since, until) = self.period.range(now);
        Filter { since, until, ..self.filter.clone() }
    }

    /// The same for the time before, if that is asked for and there is one.
    pub(super) fn filter_before(&self, now: i64) -> Option<Filter> {
        let (since, until) = self.period.before(now).filter(|_| self.compares)?;
        Some(Filter { since: Some(since), until: Some(until), ..self.filter.clone() })
    }

    /// The report that is asked for.
    ///
    /// # Errors
    /// Not all of its name is said.
    pub(super) fn report_name(&self) -> Result<ReportName, Mistake> {
        let NamedReport { kind, organization, id, begin } = self.report.clone();
        let missing = |key: &str| Mistake { key: key.into(), reason: "it is missing".into() };
        Ok(ReportName {
            kind: kind.ok_or_else(|| missing("kind"))?,
            organization,
            report_id: id.ok_or_else(|| missing("id"))?,
            begin: begin.ok_or_else(|| missing("begin"))?,
        })
    }

    /// The one address that is asked about.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self.filter.networks.only.as_slice() {
            [network] if *network == Network::one(network.first()) => Some(network.first()),
            _ => None,
        }
    }
}

fn parsed<T: FromStr<Err: fmt::Display>>(value: &str) -> Result<T, String> {
    value.parse().map_err(|error: T::Err| error.to_string())
}

fn disposition(value: &str) -> Result<Disposition, String> {
    let found = Disposition::from_word(Some(value));
    if found.word() == value {
        return Ok(found);
    }
    Err("expected none, pass, quarantine, reject or other".into())
}

fn verdict(value: &str) -> Result<Evaluated, String> {
    let all = [Evaluated::Pass, Evaluated::Fail, Evaluated::Unknown];
    let found = all.into_iter().find(|verdict| word(*verdict) == value);
    found.ok_or_else(|| "expected pass, fail or unknown".into())
}

fn word(verdict: Evaluated) -> &'static str {
    match verdict {
        Evaluated::Pass => "pass",
        Evaluated::Fail => "fail",
        Evaluated::Unknown => "unknown",
    }
}

fn pairs<T>(name: &str, choice: &Choice<T>, text: impl Fn(&T) -> String) -> Vec<Chosen> {
    let only = choice.only.iter().map(|value| (name.to_owned(), value));
    let not = choice.not.iter().map(|value| (format!("not-{name}"), value));
    only.chain(not).map(|(key, value)| Chosen { key, value: text(value) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_794_528_000;

    #[test]
    fn what_is_asked_is_the_same_after_writing_and_reading() {
        for query in [
            "",
            "?since=7d",
            "?since=2026-01-01&until=2026-01-31&compare=before&domain=example.org",
            "?domain=&not-domain=a%26b%3D%C3%A4&source=192.0.2.0%2F24&not-source=2001%3Adb8%3A%3A1",
            "?sender=example.net&not-sender=192.0.2.0%2F24&disposition=reject&not-dmarc=pass",
            "?kind=tls&reporter=x&id=%0A%22&begin=-5&rows=1000",
            "?since=all",
        ] {
            let asked = Asked::read(query.trim_start_matches('?')).expect(query);
            assert_eq!(asked.write(), query);
        }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let many = "domain=x&".repeat(101);
        for (query, expected) in [
            ("colour=red", "colour: there is no such setting of a page"),
            ("since=yesteryear", "since: expected a day"),
            ("since=7d&since=8d", "since: it is there twice"),
            ("source=example.org", "source: expected an address or a network"),
            ("not-source=1.2.3.4%2F99", "not-source: expected an address"),
            ("dmarc=maybe", "dmarc: expected pass, fail or unknown"),
            ("disposition=", "disposition: expected none"),
            ("rows=0", "rows: expected a number from 1 to 1000"),
            ("begin=9999999999999999999999", "begin: expected seconds"),
            ("since=2026-02-01&until=2026-01-01", "until: it ends before it begins"),
            ("\u{202e}=1", "\u{fffd}: there is no such"),
            (many.as_str(), "domain: too many values"),
        ] {
            let told = Asked::read(query).expect_err(query).to_string();
            assert!(told.starts_with(expected), "{query}: {told}");
        }
    }

    #[test]
    fn a_value_is_taken_back_and_the_others_stay() {
        let query = "since=7d&domain=a&domain=b&not-source=192.0.2.1";
        let asked = Asked::read(query).expect("an address");
        let gone = Chosen { key: "domain".into(), value: "a".into() };
        assert_eq!(asked.without(&gone).write(), "?since=7d&domain=b&not-source=192.0.2.1");
    }

    #[test]
    fn the_time_before_is_as_long_and_ends_where_this_one_begins() {
        let read = |query| Asked::read(query).expect(query);
        let of = |asked: &Asked| asked.filter_before(NOW).map(|one| (one.since, one.until));
        let week = read("since=2026-03-08&until=2026-03-14&compare=before");
        let filter = week.filter(NOW);
        let begin = filter.since.expect("a begin");
        assert_eq!(of(&week), Some((Some(begin - 7 * 86_400), Some(begin))));
        assert_eq!(of(&read("since=all&compare=before")), None);
        assert_eq!(of(&read("since=7d")), None);
    }
}
