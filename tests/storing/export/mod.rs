//! The mode `export`: what was stored comes out again, all of it, and does no harm where it is
//! opened.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Stdio},
    sync::OnceLock,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    corpus::Corpus,
    mail,
    program::{Ended, TestMaildir, program, run, wait_until},
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
        let stored = run(["once".as_ref(), maildir, "--store".as_ref(), store, "--limit-unpacked-bytes=1GiB".as_ref()]);
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
        ["export".into(), "--store".into(), store.into()].into_iter().chain(more.iter().map(|a| (*a).into())).collect()
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

/// A DMARC report of 100,000 records.
fn huge() -> &'static Setup {
    static HUGE: OnceLock<Setup> = OnceLock::new();
    HUGE.get_or_init(|| Setup::new(&Corpus { huge: 1, huge_records: 100_000, ..Corpus::new(0) }))
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
    assert_eq!(sorted(values(&setup.export(&["--kind", "dmarc", "--format", "ndjson"]))), sorted(dmarc));
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
        assert_eq!(row["dkim_results"].split("; ").filter(|result| !result.is_empty()).count(), dkim);
    }

    let rows = table(&setup.export(&["--format", "csv", "--kind", "tls"]));
    assert_eq!(rows.len() as u64, sums.tls.policies);
    assert_eq!(sum(&rows, "total_successful_session_count"), sums.tls.successful);
    assert_eq!(sum(&rows, "total_failure_session_count"), sums.tls.failed);
    let details = rows.iter().flat_map(|row| row["failure_details"].split("; ")).filter(|detail| !detail.is_empty());
    assert_eq!(details.count() as u64, sums.tls.failure_details);
}

#[test]
fn failure_reports() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/failure");
    let maildir = TestMaildir::new();
    for file in fs::read_dir(folder).expect("fixtures") {
        let file = file.expect("a file");
        maildir.deliver(file.file_name().to_str().expect("UTF-8"), &fs::read(file.path()).expect("a file"));
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
        assert_eq!(row["message_subject"], failure["message"]["subject"].as_str().unwrap_or_default());
        assert_eq!(row["arrival_date"], failure["arrival_date"].as_str().unwrap_or_default());
        assert!(!row["message_headers"].contains('\n'));
    }
    let domain = ours.iter().find_map(|document| document["failure"]["reported_domain"].as_str()).expect("a domain");
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
    let in_period = select(&|document| (first..="2026-09-19T23:59:59Z").contains(&begin(document).as_str()));
    assert_eq!(sorted(values(&setup.export(&["--since", first, "--until", last]))), in_period);

    let of = |document: &Value| {
        let policies =
            (&document["policies"]["policy"]["policy-domain"], &document["feedback"]["policy_published"]["domain"]);
        let domain = if is_tls(document) { policies.0 } else { policies.1 };
        domain.as_str().unwrap_or_default().to_ascii_lowercase()
    };
    let domain = of(all.iter().find(|document| is_tls(document)).expect("a TLS report"));
    let of_domain = select(&|document| of(document) == domain || of(document).ends_with(&format!(".{domain}")));
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
    maildir
        .deliver("trap", &mail::mail(&mail::attachment("application/gzip", "r.xml.gz", &mail::gzip(TRAPS.as_bytes()))));
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
            assert!(!part.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']), "{column}: {cell}");
        }
        assert!(!cell.contains(|c: char| c.is_control() || c == '\u{202e}'), "{column}: {cell:?}");
    }
    // The lines are data: the same values, and nothing in them that a terminal obeys.
    let lines = setup.export(&[]);
    assert_eq!(values(&lines), setup.ndjson());
    assert!(!lines.trim_end().contains(|c: char| c.is_control() || c == '\u{202e}'), "{lines:?}");
}

#[test]
fn a_file_appears_when_it_is_complete() {
    let setup = Setup::new(&Corpus::new(50));
    let all = setup.export(&[]);
    let file = setup.path("all.ndjson");
    let name = file.to_str().expect("UTF-8");
    assert_eq!(setup.export(&["--output", name]), "");
    assert_eq!(fs::read_to_string(&file).expect("a file"), all);

    // It keeps its rights, and a link stays a link.
    fs::write(&file, "old").expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("changed");
    let link = setup.path("link");
    symlink(&file, &link).expect("a link");
    setup.export(&["-o", link.to_str().expect("UTF-8")]);
    assert_eq!(fs::read_to_string(&file).expect("a file"), all);
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o640);
    assert!(link.is_symlink());

    // A device is not replaced.
    assert_eq!(setup.export(&["--output", "/dev/stdout"]), all);
    let full = setup.run(&["--output", "/dev/full"]);
    assert_eq!(full.code, Some(75), "{}", full.log);
    assert!(full.log.contains("can't write /dev/full"), "{}", full.log);

    let nowhere = setup.run(&["--output", setup.path("no/such/folder").to_str().expect("UTF-8")]);
    assert_eq!(nowhere.code, Some(64), "{}", nowhere.log);
    let store = setup.store();
    let itself = setup.run(&["--output", store.to_str().expect("UTF-8")]);
    assert_eq!(itself.code, Some(64), "{}", itself.log);
    assert_eq!(setup.export(&[]), all, "the store is whole");
}

#[test]
fn an_export_that_is_stopped_leaves_the_old_file() {
    let setup = huge();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("all.csv");
    fs::write(&file, "old").expect("written");
    let mut child = setup.start(&["--format", "csv", "--output", file.to_str().expect("UTF-8")]);
    let files = || fs::read_dir(folder.path()).expect("a folder").count();
    wait_until("a temporary file", Duration::from_secs(30), || files() == 2);
    kill_process(Pid::from_child(&child), Signal::TERM).expect("signalled");
    assert_eq!(child.wait().expect("an end").code(), Some(75));
    assert_eq!(fs::read_to_string(&file).expect("a file"), "old");
    assert_eq!(files(), 1, "what was begun is gone");
}

#[test]
fn who_reads_on_no_further_is_no_error() {
    let mut child = huge().start(&[]);
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    stdout.read_line(&mut String::new()).expect("a line");
    drop(stdout);
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// Reads it to its end; how many lines there were, and the most memory that the program took up to
/// shortly before, in KiB.
fn highest(child: &mut Child) -> (usize, u64) {
    let status = format!("/proc/{}/status", child.id());
    let mut stdout: ChildStdout = child.stdout.take().expect("a pipe");
    let (mut lines, mut highest, mut buffer) = (0, 0, vec![0; 64 * 1024]);
    loop {
        // While it waits for the pipe to be read. After its end there is no such line.
        let status = fs::read_to_string(&status).expect("it was not waited for");
        if let Some(line) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
            highest = line.trim().trim_end_matches(" kB").parse().expect("a number");
        }
        match stdout.read(&mut buffer).expect("a pipe") {
            0 => break,
            read => lines += memchr::memchr_iter(b'\n', &buffer[..read]).count(),
        }
    }
    assert!(child.wait().expect("an end").success());
    (lines, highest)
}

#[test]
fn memory_does_not_grow_with_a_report() {
    let small = Setup::new(&Corpus { huge: 1, huge_records: 3000, ..Corpus::new(0) });
    for format in ["ndjson", "csv"] {
        let (lines, of_small) = highest(&mut small.start(&["--format", format]));
        assert_eq!(lines, 3000 + usize::from(format == "csv"));
        let (lines, of_huge) = highest(&mut huge().start(&["--format", format]));
        assert_eq!(lines, 100_000 + usize::from(format == "csv"));
        println!("{format}: peak {of_small} KiB for 3,000 records, {of_huge} KiB for 100,000");
        assert!(of_huge < of_small + 4096, "{format}: {of_small} KiB, then {of_huge} KiB");
    }
}

#[test]
fn a_store_that_is_not_there_is_named() {
    let missing = run(["export", "--store", "/nonexistent/reports.sqlite"]);
    assert_eq!(missing.code, Some(78));
    assert!(missing.log.contains("there is no store /nonexistent/reports.sqlite"), "{}", missing.log);
    let elsewhere = run(["export", "--opensearch", "http://localhost:9200"]);
    assert_eq!(elsewhere.code, Some(64));
    assert!(elsewhere.log.contains("--store FILE"), "{}", elsewhere.log);
    assert!(!Path::new("/nonexistent").exists());
}
