//! What is written as text, JSON, CSV and HTML, be reports as hostile as they like.

use serde_json::Value;

use super::{FORGED, GOOD, Row, Stored, dmarc, tls};

const FORMATS: [&str; 4] = ["text", "json", "csv", "html"];

/// Names that would do harm to a terminal, a page, a spreadsheet, or its reader's eyes.
const HOSTILE: [&str; 8] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "=cmd|'/c calc'!A0",
    "@SUM(1)",
    "\u{202e}gro.elpmaxe",
    "a\u{9b}31mb",
    "x', '$(reboot)",
    "{{ 7 * 7 }}",
];

#[test]
fn hostile_names_are_harmless_in_every_format() {
    let reports: Vec<String> = HOSTILE
        .iter()
        .flat_map(|name| {
            let row = Row { signer: name, dkim: "pass", ..FORGED };
            [dmarc(name, name, 2, &[GOOD, row]), tls(name, 1, name, 1)]
        })
        .collect();
    let stored = Stored::new(&reports);
    let is_harmless = |c: char| {
        matches!(c, '\n' | '\r') || !(c.is_control() || matches!(c, '\u{202a}'..='\u{202e}'))
    };
    for format in FORMATS {
        for by in ["", "sender", "address", "organization", "domain", "day", "result"] {
            let by = if by.is_empty() { vec![] } else { vec!["--by", by] };
            let shown = stored.told(&[&["--format", format], &by[..]].concat());
            assert!(shown.chars().all(is_harmless), "{format} {by:?}: {shown:?}");
            match format {
                "html" => {
                    let lower = shown.to_ascii_lowercase();
                    assert!(!lower.contains("<script") && !lower.contains("<img"), "{shown}");
                    assert!(!lower.contains("http:") && !lower.contains("url("), "{shown}");
                }
                "csv" => {
                    let mut rows = csv::Reader::from_reader(shown.as_bytes());
                    for row in rows.records().map(|row| row.expect("a row")) {
                        let begins = |cell: &str| cell.starts_with(['=', '+', '-', '@']);
                        assert!(!row.iter().any(begins), "{row:?}");
                    }
                }
                "json" => {
                    serde_json::from_str::<Value>(&shown).expect("JSON");
                }
                _ => {}
            }
        }
    }
    let json: Value = serde_json::from_str(&stored.told(&["--json", "--by=domain"])).expect("JSON");
    let rows = json["groups"]["rows"].as_array().expect("rows");
    let values: Vec<&str> = rows.iter().filter_map(|row| row["value"].as_str()).collect();
    assert!(values.contains(&HOSTILE[4]), "the values are the same: {values:?}");
    let next = stored.told(&[]);
    assert!(!next.contains("--domain '"), "no hostile name is to be typed: {next}");
}

/// Scripts know these.
#[test]
fn the_columns_of_csv_are_a_promise() {
    let stored = Stored::usual();
    let csv = stored.told(&["--format", "csv"]);
    assert_eq!(
        csv.lines().next(),
        Some(
            "domain,reports,records,messages,pass,spf_aligned,dkim_aligned,disposition_none,\
             disposition_pass,disposition_quarantine,disposition_reject,disposition_other,first,last"
        )
    );
    assert!(csv.contains("\r\nexample.org,1,2,100,90,90,90,90,0,0,10,0,"), "{csv}");
    assert!(stored.told(&["--format=csv", "--by=day"]).starts_with("day,"));
}

#[test]
fn html_is_one_file_that_says_the_same() {
    let stored = Stored::usual();
    let html = stored.told(&["--format", "html"]);
    assert!(html.starts_with("<!DOCTYPE html>") && html.trim_end().ends_with("</html>"));
    for part in
        ["example.org", "mx.example.org sts", "certificate-expired 10", "<svg class=\"days\""]
    {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(stored.told(&["--format=html", "--by=address"]).contains("<svg class=\"bar\""));
}

#[test]
fn an_empty_store_has_every_format() {
    let stored = Stored::new(&[dmarc("Receiver", "example.org", 2, &[GOOD])]);
    let all = ["prune", "--older-than=1h", "--store", &stored.path()];
    assert_eq!(crate::support::program::run(all).code, Some(0));
    for format in FORMATS {
        let shown = stored.told(&["--format", format]);
        assert_eq!(shown.contains("This store is empty"), ["text", "html"].contains(&format));
    }
    assert_eq!(stored.told(&["--format", "csv"]).lines().count(), 1);
}

#[test]
fn many_domains_are_rows_and_no_longer_a_screen_each() {
    let domains: Vec<String> = (0..200).map(|n| format!("d{n}.example")).collect();
    let reports: Vec<String> = (0..)
        .zip(&domains)
        .map(|(n, domain)| {
            let forged = Row { messages: n + 1, ..FORGED };
            dmarc("Receiver", domain, 2, &[GOOD, forged])
        })
        .collect();
    let stored = Stored::new(&reports);
    let shown = stored.told(&[]);
    let at = |name: &str| shown.find(name).unwrap_or_else(|| panic!("{name}: {shown}"));
    assert!(at("\nd199.example ·") < at("\nd198.example ·"), "worst first: {shown}");
    assert!(at("\nd198.example ·") < at("\nd196.example "), "{shown}");
    assert!(shown.contains("and 177 more (--top)"), "{shown}");
    assert!(shown.lines().count() < 70, "{} lines", shown.lines().count());
    let all = stored.told(&["--top", "1000"]);
    assert!(domains.iter().all(|domain| all.contains(domain.as_str())), "{all}");
}
