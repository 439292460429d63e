//! Which mail is meant, and on what the program ends with 1.

use serde_json::Value;

use super::{FORGED, GOOD, Row, Stored, day, dmarc, tls};
use crate::support::{corpus::Corpus, program::run};

impl Stored {
    fn messages(&self, flags: &[&str]) -> u64 {
        let json = self.told(&[&["--format", "json"], flags].concat());
        let answer: Value = serde_json::from_str(&json).expect("JSON");
        answer["dmarc"]["messages"].as_u64().expect("a number")
    }
}

#[test]
fn each_flag_lets_through_what_it_names() {
    let stored = Stored::usual();
    for (flags, messages) in [
        (&[][..], 280),
        (&["--all-time"], 380),
        (&["--since", "1y"], 380),
        (&["--domain", "example.org"], 190),
        (&["--domain", "mail.example.org", "--domain", "example.net"], 180),
        (&["--except", "domain=example.org"], 90),
        (&["--source", "192.0.2.0/24"], 270),
        (&["--source", "198.51.100.7"], 10),
        (&["--except", "source=192.0.2.0/24"], 10),
        (&["--organization", "Other"], 90),
        (&["--except", "organization=Other"], 190),
        (&["--disposition", "reject"], 10),
        (&["--disposition", "none", "--disposition", "quarantine"], 270),
        (&["--only", "failing"], 10),
        (&["--only", "passing"], 270),
        (&["--only", "spf-passing", "--only", "dkim-passing"], 270),
        (&["--only", "dkim-failing"], 10),
        (&["--only", "failing", "--only", "passing"], 0),
    ] {
        assert_eq!(stored.messages(flags), messages, "{flags:?}");
    }
    for wrong in [
        &["--all-time", "--since", "1y"][..],
        &["--source", "x"],
        &["--except", "x=y"],
        &["--only", "good"],
        &["--fail-on", "failing=101%"],
        &["--json", "--format", "csv"],
    ] {
        assert_eq!(stored.report(wrong).code, Some(64), "{wrong:?}");
    }
}

#[test]
fn the_usual_period_is_that_of_the_newest_report_where_it_would_be_empty() {
    let stored = Stored::new(&[
        dmarc("Receiver", "example.org", 200, &[GOOD]),
        dmarc("Receiver", "example.org", 400, &[GOOD]),
    ]);
    assert_eq!(stored.messages(&[]), 90);
    assert!(stored.told(&[]).contains("(nothing came since; --all-time shows all)"));
    assert_eq!(stored.messages(&["--since", "30d"]), 0);
    assert_eq!(stored.messages(&["--all-time"]), 180);
}

#[test]
fn a_condition_that_holds_ends_with_1() {
    let stored = Stored::usual();
    for (condition, code, said) in [
        ("failing", 1, "--fail-on failing: 10 messages (3 %) failed"),
        ("failing=9", 1, "10 messages"),
        ("failing=10", 0, ""),
        ("failing=3.4%", 1, "--fail-on failing=3.4%: 10 messages"),
        ("failing=4%", 0, ""),
        ("tls-failing", 1, "10 sessions (1 %) failed"),
        ("tls-failing=1%", 0, ""),
        ("failure-reports", 0, ""),
        ("no-reports", 0, ""),
        ("to-fix", 0, ""),
        ("forged", 0, ""),
    ] {
        let ended = stored.report(&["-q", "--fail-on", condition]);
        assert_eq!(ended.code, Some(code), "{condition}");
        assert!(ended.log.contains(said), "{condition}: {}", ended.log);
        assert_eq!(ended.stdout.is_empty(), code == 0, "{condition}");
    }
    let ended = stored.report(&["--fail-on", "failing=10"]);
    assert!(ended.code == Some(0) && ended.stdout.contains("example.org"), "it is shown");
    let both = stored.report(&[
        "--domain",
        "nobody.example",
        "--fail-on",
        "failing",
        "--fail-on=no-reports",
    ]);
    assert_eq!(both.code, Some(1));
    assert!(both.log.contains("no-reports: no reports came"), "{}", both.log);
    let delivered: Vec<String> = (1..20)
        .map(|days| {
            dmarc("Receiver", "example.org", days, &[GOOD, Row { disposition: "none", ..FORGED }])
        })
        .collect();
    let ended = Stored::new(&delivered).report(&["-q", "--fail-on=forged=100", "--by=day"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.log.contains("190 messages of strangers were delivered"), "{}", ended.log);
    let old = Stored::new(&[dmarc("Receiver", "example.org", 200, &[GOOD])]);
    assert_eq!(old.report(&["--fail-on", "no-reports"]).code, Some(1));
}

#[test]
fn numbers_are_those_of_the_manifest() {
    let corpus = Corpus::new(400);
    let manifest = corpus.manifest();
    let stored = Stored::corpus(&corpus);
    let json =
        stored.told(&["--format", "json", "--all-time", "--by", "domain", "--top", "100000"]);
    let answer: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(answer["dmarc"]["reports"], manifest.dmarc.reports);
    assert_eq!(answer["dmarc"]["messages"], manifest.dmarc.count_sum);
    assert_eq!(answer["tls"]["failed_sessions"], manifest.tls.failed);
    let sum = |name: &str| -> u64 {
        let rows = answer["groups"]["rows"].as_array().expect("rows");
        rows.iter().map(|row| row[name].as_u64().expect("a number")).sum()
    };
    assert_eq!(sum("messages"), manifest.dmarc.count_sum);
    assert_eq!(sum("records"), manifest.dmarc.records);
    assert_eq!(sum("reports"), manifest.dmarc.reports);
    for by in ["sender", "address", "organization", "day", "result"] {
        let csv = stored.told(&["--format=csv", "--all-time", "--by", by, "--top", "1000000"]);
        let mut rows = csv::Reader::from_reader(csv.as_bytes());
        let rows: Vec<_> = rows.records().map(|row| row.expect("a row")).collect();
        let messages: u64 = rows.iter().map(|row| row[3].parse::<u64>().expect("a number")).sum();
        assert_eq!(messages, manifest.dmarc.count_sum, "{by}");
    }
}

/// Those that the program names can be typed, and show something.
#[test]
fn the_next_command_works() {
    let stored = Stored::new(&[
        dmarc("Receiver", "example.org", 2, &[GOOD, FORGED]),
        dmarc("Receiver", "example.net", 50, &[GOOD]),
        tls("mx.example.org", 990, "certificate-expired", 10),
    ]);
    let mut asked: Vec<Vec<String>> = vec![
        vec![],
        vec!["--since=10d".into()],
        vec!["--all-time".into()],
        vec!["--since=2d".into(), "--until".into(), day(2)],
        vec!["--by=sender".into()],
        vec!["--by=address".into(), "--only=failing".into()],
        vec!["--by=domain".into()],
        vec!["--domain=example.org".into()],
    ];
    let mut followed = 0;
    while let Some(flags) = asked.pop() {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let shown = stored.told(&flags);
        let Some((_, next)) = shown.split_once("\nNext: ") else { continue };
        let command = next.lines().next().expect("a command");
        if let Some((_, mine)) = shown.split_once("If it is yours: email-report-processor ") {
            let mine = mine.lines().next().expect("a command").replace('\'', "");
            assert_eq!(run(mine.split(' ')).code, Some(0), "{mine}");
        }
        let mut words = command.split(' ');
        assert_eq!(words.next(), Some("email-report-processor"));
        let ended = run(words);
        assert!(ended.code == Some(0) && !ended.stdout.contains("No reports"), "{command}");
        followed += 1;
    }
    assert!(followed >= 7, "only {followed} commands were named");
}
