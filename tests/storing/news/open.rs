//! What was told stays open as long as nothing shows that it is over.

use std::{fs, path::PathBuf};

use jiff::{Span, civil::Date, tz::TimeZone};

use super::{Taker, flag};
use crate::support::program::{Ended, program, run, run_command};

/// The first day of all stories.
const FIRST: Date = jiff::civil::date(2026, 3, 1);

pub(super) fn day(n: i64) -> Date {
    FIRST.saturating_add(Span::new().days(n))
}

/// A store, and who is told.
pub(super) struct Story {
    pub(super) taker: Taker,
}

/// Messages from an address in a report, and whether they pass.
pub(super) type Sent = (&'static str, u64, bool);

impl Story {
    pub(super) fn new() -> Story {
        Story { taker: Taker::new() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.taker.folder.path().join(name)
    }

    pub(super) fn store(&self) -> String {
        flag("--store", &self.path("reports.sqlite"))
    }

    /// Stores a report of each of these days.
    pub(super) fn reported(
        &self,
        days: std::ops::Range<i64>,
        by: &str,
        domain: &str,
        sent: &[Sent],
    ) {
        let files = days.map(|n| {
            let begin = TimeZone::UTC.to_timestamp(day(n).at(0, 0, 0, 0)).expect("a day");
            let begin = begin.as_second();
            let records: String = sent.iter().map(record(domain)).collect();
            let text = format!(
                "<feedback><report_metadata><org_name>{by}</org_name><report_id>{domain}{n}\
                 </report_id><date_range><begin>{begin}</begin><end>{}</end></date_range>\
                 </report_metadata><policy_published><domain>{domain}</domain><p>none</p>\
                 </policy_published>{records}</feedback>",
                begin + 86_399
            );
            let path = self.path(&format!("{by}-{domain}-{n}-{}.xml", sent.len()));
            fs::write(&path, text).expect("written");
            path.display().to_string()
        });
        let ended = run([self.store()].into_iter().chain(files));
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }

    /// Stores a TLS report of each of these days.
    pub(super) fn tls_reported(&self, days: std::ops::Range<i64>, by: &str) {
        let files = days.map(|n| {
            let text = serde_json::json!({
                "organization-name": by,
                "date-range": {
                    "start-datetime": format!("{}T00:00:00Z", day(n)),
                    "end-datetime": format!("{}T23:59:59Z", day(n)),
                },
                "report-id": format!("{by}{n}"),
                "policies": [{
                    "policy": { "policy-type": "sts", "policy-domain": "example.org" },
                    "summary": {
                        "total-successful-session-count": 9, "total-failure-session-count": 0,
                    },
                }],
            });
            let path = self.path(&format!("{by}-{n}.json"));
            fs::write(&path, text.to_string()).expect("written");
            path.display().to_string()
        });
        let ended = run([self.store()].into_iter().chain(files));
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }

    pub(super) fn alert(&self, n: i64, more: &[&str]) -> Ended {
        let mut alert = program(["alert".to_owned(), self.store(), format!("--at={}", day(n))]);
        alert.args(more).env("STATE_DIRECTORY", self.taker.folder.path());
        run_command(alert)
    }

    /// What is told on a day: turn, kind, domain and who.
    pub(super) fn told(&self, n: i64) -> Vec<String> {
        let _ = fs::remove_file(self.path("taken"));
        let command = flag("--alert-command", &self.taker.program());
        let ended = self.alert(n, &[&command]);
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        let told: serde_json::Value =
            serde_json::from_str(&self.taker.file("taken")).unwrap_or_default();
        let all = told["situations"].as_array().cloned().unwrap_or_default();
        let words = ["turn", "kind", "domain", "who"];
        all.iter()
            .map(|one| words.map(|word| one[word].as_str().unwrap_or_default()).join(" "))
            .collect()
    }
}

fn record(domain: &str) -> impl Fn(&Sent) -> String {
    move |(address, count, passes)| {
        let result = if *passes { "pass" } else { "fail" };
        format!(
            "<record><row><source_ip>{address}</source_ip><count>{count}</count><policy_evaluated>\
             <disposition>none</disposition><dkim>{result}</dkim><spf>{result}</spf>\
             </policy_evaluated></row><identifiers><header_from>{domain}</header_from></identifiers>\
             <auth_results><dkim><domain>{domain}</domain><selector>s1</selector><result>{result}\
             </result></dkim><spf><domain>{domain}</domain><result>{result}</result></spf>\
             </auth_results></record>"
        )
    }
}

const FAILS: &str = "opened sender_fails example.org 192.0.2.0/24";
const OVER: &str = "closed sender_fails example.org 192.0.2.0/24";

#[test]
fn who_sends_little_and_fails_has_not_mended_it() {
    let story = Story::new();
    let of = |count, passes| [("192.0.2.7", count, passes)];
    story.reported(0..40, "a.example", "example.org", &of(50, true));
    story.reported(40..42, "a.example", "example.org", &of(50, false));
    assert_eq!(story.told(42), [FAILS]);
    // Far fewer than are news, and then none; others send.
    story.reported(42..46, "a.example", "example.org", &of(2, false));
    story.reported(46..60, "a.example", "example.org", &[("198.51.100.1", 1, true)]);
    for n in 43..54 {
        assert_eq!(story.told(n), [""; 0], "day {n}");
    }
    story.reported(54..60, "b.example", "example.org", &of(50, true));
    let told: Vec<_> = (55..60).flat_map(|n| story.told(n)).collect();
    assert_eq!(told, [OVER]);
}

/// Names of hosts come after the reports, and may come days later.
#[test]
fn who_gets_another_name_has_not_mended_it() {
    let story = Story::new();
    story.reported(0..40, "a.example", "example.org", &[("192.0.2.7", 50, true)]);
    story.reported(40..48, "a.example", "example.org", &[("192.0.2.7", 50, false)]);
    assert_eq!(story.told(42), [FAILS]);
    let database = rusqlite::Connection::open(story.path("reports.sqlite")).expect("the store");
    let name = "REPLACE INTO addresses (address, name) VALUES ('192.0.2.7', 'mail.hoster.example')";
    assert_eq!(database.execute(name, ()).expect("written"), 1);
    let told: Vec<_> = (43..48).flat_map(|n| story.told(n)).collect();
    assert_eq!(told, ["opened sender_fails example.org hoster.example"]);
}

#[test]
fn without_reports_nothing_is_over() {
    let story = Story::new();
    let well = [("192.0.2.7", 50, true)];
    let broken = [("192.0.2.7", 50, false)];
    for by in ["a.example", "b.example"] {
        story.reported(0..38, by, "example.org", &well);
    }
    story.reported(38..47, "a.example", "example.org", &broken);
    let told: Vec<_> = (38..48).flat_map(|n| story.told(n)).collect();
    assert_eq!(told, [FAILS, "opened reporter_silent  b.example"]);
    // Now nobody reports any more.
    let told: Vec<_> = (48..62).flat_map(|n| story.told(n)).collect();
    assert_eq!(told, ["opened reporter_silent  "]);
    // And all is well again.
    story.reported(62..70, "a.example", "example.org", &well);
    story.reported(62..70, "b.example", "example.org", &well);
    let mut told: Vec<_> = (63..70).flat_map(|n| story.told(n)).collect();
    told.sort();
    assert_eq!(told, ["closed reporter_silent  ", "closed reporter_silent  b.example", OVER]);
}

#[test]
fn no_mail_of_strangers_hides_the_own_domain() {
    let story = Story::new();
    story.reported(0..40, "a.example", "example.org", &[("192.0.2.7", 50, true)]);
    story.reported(40..42, "a.example", "example.org", &[("192.0.2.7", 50, false)]);
    for n in 0..101 {
        let domain = format!("d{n}.example");
        story.reported(41..42, "evil.example", &domain, &[("203.0.113.1", 1_000_000, true)]);
    }
    assert_eq!(story.told(42), [""; 0], "nobody said whose it is");
    let ended = run(["mine", "add", "selector:s1", "--domain=example.org", &story.store()]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(story.told(42), [FAILS]);
}

#[test]
fn a_store_that_is_not_there_is_not_made() {
    let story = Story::new();
    for more in ["--dry-run", "--mail-to=ops@example.org"] {
        let ended = story.alert(42, &[more]);
        assert_eq!(ended.code, Some(78), "{}", ended.log);
        assert!(ended.log.contains("there is no store"), "{}", ended.log);
        assert!(!story.path("reports.sqlite").exists());
    }
}

#[test]
fn no_day_is_too_far() {
    let story = Story::new();
    story.reported(0..1, "a.example", "example.org", &[("192.0.2.7", 5, true)]);
    for far in ["19000y", "9999-12-31", "1900-01-01"] {
        let at = run(["alert", "--dry-run", &story.store(), &format!("--at={far}")]);
        assert_eq!((at.code, at.stdout.as_str()), (Some(0), ""), "{far}: {}", at.log);
        let digest = run(["digest", "--print", &story.store(), &format!("--until={far}")]);
        assert_eq!(digest.code, Some(1), "{far}: {}", digest.log);
    }
}
