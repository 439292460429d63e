//! The mode `export`: what was stored comes out again, all of it, and does no harm where it is
//! opened.

mod cluster;
mod output;
mod selected;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    corpus::Corpus,
    mail,
    program::{Ended, TestMaildir, program, run},
};

/// A store with what a corpus holds.
struct Setup {
    folder: TempDir,
    maildir: TestMaildir,
}

impl Setup {
    fn new(corpus: &Corpus) -> Setup {
        let maildir = TestMaildir::new();
        maildir.deliver_all(corpus.iter());
        Setup::of(maildir)
    }

    fn of(maildir: TestMaildir) -> Setup {
        let setup = Setup { folder: tempfile::tempdir().expect("a folder"), maildir };
        let (maildir, store) = (setup.maildir.path(), &setup.store());
        // A generated report of 100,000 records is larger than what is taken by default.
        let stored = run([
            "once".as_ref(),
            maildir,
            "--store".as_ref(),
            store,
            "--limit-unpacked-bytes=1GiB".as_ref(),
        ]);
        assert_eq!(stored.code, Some(0), "{}", stored.log);
        setup
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn store(&self) -> PathBuf {
        self.path("reports.sqlite")
    }

    fn arguments<'a>(&self, more: &[&'a str]) -> Vec<std::borrow::Cow<'a, str>> {
        let store = self.store().into_os_string().into_string().expect("UTF-8");
        ["export".into(), "--store".into(), store.into()]
            .into_iter()
            .chain(more.iter().map(|a| (*a).into()))
            .collect()
    }

    fn run(&self, more: &[&str]) -> Ended {
        run(self.arguments(more).iter().map(AsRef::<str>::as_ref))
    }

    fn start(&self, more: &[&str]) -> Child {
        let mut command = program(self.arguments(more).iter().map(AsRef::<str>::as_ref));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    }

    /// What a run that ends well writes.
    fn export(&self, more: &[&str]) -> String {
        let ended = self.run(more);
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        ended.stdout
    }

    /// What `--ndjson` makes of the same mails.
    fn ndjson(&self) -> Vec<Value> {
        let ended = run(["--ndjson", "-", "-d", self.maildir.path().to_str().expect("UTF-8")]);
        values(&ended.stdout)
    }
}

fn values(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn sorted(values: impl IntoIterator<Item = Value>) -> Vec<String> {
    let mut lines: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    lines.sort();
    lines
}

/// Rows by column.
fn table(csv: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    reader.deserialize().map(|row| row.expect("a row as long as the header")).collect()
}

fn sum(rows: &[std::collections::BTreeMap<String, String>], column: &str) -> u64 {
    rows.iter().map(|row| row[column].parse::<u64>().expect("a number")).sum()
}

fn is_tls(document: &Value) -> bool {
    document.get("policies").is_some()
}

#[test]
fn lines_are_those_of_ndjson() {
    let setup = Setup::new(&Corpus::new(400));
    let manifest = Corpus::new(400).manifest();
    let (ours, theirs) = (values(&setup.export(&[])), setup.ndjson());
    assert_eq!(ours.len() as u64, manifest.documents);
    assert_eq!(sorted(ours), sorted(theirs.clone()));

    let (tls, dmarc): (Vec<_>, Vec<_>) = theirs.into_iter().partition(is_tls);
    assert_eq!(sorted(values(&setup.export(&["--kind", "tls"]))), sorted(tls));
    assert_eq!(
        sorted(values(&setup.export(&["--kind", "dmarc", "--format", "ndjson"]))),
        sorted(dmarc)
    );
    assert_eq!(setup.export(&[]), setup.export(&["--output", "-"]), "the order stays");
}

#[test]
fn the_log_says_how_much_it_was_and_shows_no_bar() {
    let setup = Setup::new(&Corpus::new(50));
    let sums = Corpus::new(50).manifest();
    let ended = setup.run(&[]);
    assert_eq!(ended.log.lines().count(), 1, "{}", ended.log);
    let expected = format!(
        "exported {} reports ({} DMARC, {} TLS, 0 failure), {} records, {} policies, ",
        sums.dmarc.reports + sums.tls.reports,
        sums.dmarc.reports,
        sums.tls.reports,
        sums.dmarc.records,
        sums.tls.policies
    );
    assert!(ended.log.contains(&expected), "{}", ended.log);
    assert_eq!(setup.run(&["--quiet"]).log, "");
}

#[test]
fn rows_are_the_records_and_policies() {
    let setup = Setup::new(&Corpus::new(400));
    let sums = Corpus::new(400).manifest();
    let csv = setup.export(&["--format", "csv"]);
    assert!(csv.starts_with("id,begin,end,org_name,"), "{csv:.200}");
    assert!(csv.ends_with("\r\n"));
    let rows = table(&csv);
    assert_eq!(rows.len() as u64, sums.dmarc.records);
    assert_eq!(sum(&rows, "count"), sums.dmarc.count_sum);
    let ids: BTreeSet<&String> = rows.iter().map(|row| &row["id"]).collect();
    assert_eq!(ids.len(), rows.len(), "ids are unique");

    // Cell by cell what the documents say, in the same order.
    for (row, document) in rows.iter().zip(values(&setup.export(&["--kind", "dmarc"]))) {
        let feedback = &document["feedback"];
        let (policy, record) = (&feedback["policy_published"], &feedback["record"]);
        assert_eq!(row["begin"], document["@timestamp"]);
        assert_eq!(row["org_name"], feedback["report_metadata"]["org_name"]);
        assert_eq!(row["report_id"], feedback["report_metadata"]["report_id"]);
        assert_eq!(row["domain"], policy["domain"]);
        assert_eq!(row["p"], policy["p"]);
        assert_eq!(row["source_ip"], record["row"]["source_ip"]);
        assert_eq!(row["disposition"], record["row"]["policy_evaluated"]["disposition"]);
        assert_eq!(row["header_from"], record["identifiers"]["header_from"]);
        assert_eq!(row["pass"], document["dmarc"]["pass"].to_string());
        let dkim = record["auth_results"]["dkim"].as_object().map_or(0, serde_json::Map::len);
        assert_eq!(
            row["dkim_results"].split("; ").filter(|result| !result.is_empty()).count(),
            dkim
        );
    }

    let rows = table(&setup.export(&["--format", "csv", "--kind", "tls"]));
    assert_eq!(rows.len() as u64, sums.tls.policies);
    assert_eq!(sum(&rows, "total_successful_session_count"), sums.tls.successful);
    assert_eq!(sum(&rows, "total_failure_session_count"), sums.tls.failed);
    let details = rows
        .iter()
        .flat_map(|row| row["failure_details"].split("; "))
        .filter(|detail| !detail.is_empty());
    assert_eq!(details.count() as u64, sums.tls.failure_details);
}

#[test]
fn failure_reports() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/failure");
    let maildir = TestMaildir::new();
    for file in fs::read_dir(folder).expect("fixtures") {
        let file = file.expect("a file");
        maildir.deliver(
            file.file_name().to_str().expect("UTF-8"),
            &fs::read(file.path()).expect("a file"),
        );
    }
    let setup = Setup::of(maildir);
    let ours = values(&setup.export(&["--kind", "failure"]));
    assert!(!ours.is_empty());
    let theirs: BTreeSet<String> = sorted(setup.ndjson()).into_iter().collect();
    assert!(ours.iter().all(|document| theirs.contains(&document.to_string())));
    let rows = table(&setup.export(&["--kind", "failure", "--format", "csv"]));
    assert_eq!(rows.len(), ours.len());
    for (row, document) in rows.iter().zip(&ours) {
        let failure = &document["failure"];
        assert_eq!(row["feedback_type"], failure["feedback_type"].as_str().unwrap_or_default());
        assert_eq!(
            row["message_subject"],
            failure["message"]["subject"].as_str().unwrap_or_default()
        );
        assert_eq!(row["arrival_date"], failure["arrival_date"].as_str().unwrap_or_default());
        assert!(!row["message_headers"].contains('\n'));
    }
    let domain = ours
        .iter()
        .find_map(|document| document["failure"]["reported_domain"].as_str())
        .expect("a domain");
    assert!(!setup.export(&["--kind", "failure", "--domain", domain]).is_empty());
    assert_eq!(setup.export(&["--kind", "failure", "--domain", "nowhere.example"]), "");
}

#[test]
fn filters() {
    let setup = Setup::new(&Corpus::new(400));
    let all = setup.ndjson();
    let select = |wanted: &dyn Fn(&Value) -> bool| {
        let some = sorted(all.iter().filter(|document| wanted(document)).cloned());
        assert!(!some.is_empty() && some.len() < all.len(), "{} of {}", some.len(), all.len());
        some
    };
    let begin = |document: &Value| document["@timestamp"].as_str().expect("a time").to_owned();
    let (first, last) = ("2026-09-10", "2026-09-19");
    let in_period =
        select(&|document| (first..="2026-09-19T23:59:59Z").contains(&begin(document).as_str()));
    assert_eq!(sorted(values(&setup.export(&["--since", first, "--until", last]))), in_period);

    let of = |document: &Value| {
        let policies = (
            &document["policies"]["policy"]["policy-domain"],
            &document["feedback"]["policy_published"]["domain"],
        );
        let domain = if is_tls(document) { policies.0 } else { policies.1 };
        domain.as_str().unwrap_or_default().to_ascii_lowercase()
    };
    let domain = of(all.iter().find(|document| is_tls(document)).expect("a TLS report"));
    let of_domain =
        select(&|document| of(document) == domain || of(document).ends_with(&format!(".{domain}")));
    assert_eq!(sorted(values(&setup.export(&["--domain", &domain.to_uppercase()]))), of_domain);
    let rows = table(&setup.export(&["--domain", &domain, "--format", "csv"]));
    assert_eq!(rows.len(), of_domain.iter().filter(|line| !line.contains("\"policies\"")).count());

    assert_eq!(setup.export(&["--until", "1999-12-31"]), "");
    assert_eq!(setup.export(&["--until", "1999-12-31", "--format", "csv"]).lines().count(), 1);
}

/// A DMARC report with a trap wherever text is free.
const TRAPS: &str = "<?xml version=\"1.0\"?><feedback><version>=1+1</version><report_metadata>\
<org_name>=cmd|'/c calc'!A0</org_name><email>@SUM(1+1)</email><extra_contact_info>+1</extra_contact_info>\
<report_id>-1</report_id><date_range><begin>1788220800</begin><end>1788307199</end></date_range>\
<error>fine</error><error>=second</error></report_metadata>\
<policy_published><domain>example.org</domain><p>＝none</p><sp>a,\"b\",c</sp><np>x;=1</np><fo>a\n=b</fo></policy_published>\
<record><row><source_ip>192.0.2.1</source_ip><count>7</count><policy_evaluated><disposition>none</disposition>\
<reason><type>-other</type><comment>&#27;[31mred\u{9b}0m\u{202e}</comment></reason></policy_evaluated></row>\
<identifiers><header_from>=HYPERLINK(\"https://evil.example\")</header_from><envelope_from>\u{a0}＠x</envelope_from>\
<envelope_to>'quoted'</envelope_to></identifiers>\
<auth_results><dkim><domain>example.org</domain><selector>s1</selector><result>pass</result></dkim>\
<dkim><domain>=evil</domain><result>fail</result><human_result>bad, \"really\"</human_result></dkim>\
<spf><domain>-x</domain><scope>mfrom</scope><result>pass</result></spf></auth_results></record></feedback>";

#[test]
fn no_cell_computes_or_moves_a_cursor() {
    let maildir = TestMaildir::new();
    maildir.deliver(
        "trap",
        &mail::mail(&mail::attachment(
            "application/gzip",
            "r.xml.gz",
            &mail::gzip(TRAPS.as_bytes()),
        )),
    );
    let setup = Setup::of(maildir);
    let csv = setup.export(&["--format", "csv"]);
    let rows = table(&csv);
    assert_eq!(rows.len(), 1);
    for (column, expected) in [
        ("version", "'=1+1"),
        ("org_name", "'=cmd|'/c calc'!A0"),
        ("email", "'@SUM(1+1)"),
        ("extra_contact_info", "'+1"),
        ("report_id", "'-1"),
        ("error", "fine;' =second"),
        ("p", "'＝none"),
        ("sp", "a,\"b\",c"),
        ("np", "x;'=1"),
        ("count", "7"),
        ("source_ip", "192.0.2.1"),
        ("header_from", "'=HYPERLINK(\"https://evil.example\")"),
        ("envelope_to", "'quoted'"),
        ("dkim_results", "example.org s1 pass;' =evil ? fail (bad, \"really\")"),
        ("spf_results", "'-x mfrom pass"),
    ] {
        assert_eq!(rows[0][column], expected, "{column}");
    }
    let reason = &rows[0]["reason"];
    assert!(reason.starts_with("'-other (") && reason.contains("[31mred"), "{reason}");
    for (column, cell) in &rows[0] {
        // As a program sees it that splits at semicolons whatever the quotes say.
        for part in cell.split(';') {
            let part = part.trim_start();
            assert!(
                !part.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']),
                "{column}: {cell}"
            );
        }
        assert!(!cell.contains(|c: char| c.is_control() || c == '\u{202e}'), "{column}: {cell:?}");
    }
    // The lines are data: the same values, and nothing in them that a terminal obeys.
    let lines = setup.export(&[]);
    assert_eq!(values(&lines), setup.ndjson());
    assert!(!lines.trim_end().contains(|c: char| c.is_control() || c == '\u{202e}'), "{lines:?}");
}

#[test]
fn a_store_that_is_not_there_is_named() {
    let missing = run(["export", "--store", "/nonexistent/reports.sqlite"]);
    assert_eq!(missing.code, Some(78));
    assert!(
        missing.log.contains("there is no store /nonexistent/reports.sqlite"),
        "{}",
        missing.log
    );
    assert!(!Path::new("/nonexistent").exists());
}
