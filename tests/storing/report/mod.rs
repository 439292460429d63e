//! `report` as a user runs it: its flags, its formats, its terminal, its exit code.

mod flags;
mod formats;
mod many;
mod screen;

use std::{fs, path::PathBuf};

use jiff::{Timestamp, ToSpan};
use tempfile::TempDir;

use crate::support::{
    corpus::Corpus,
    program::{Ended, program, run, run_command},
};

/// A folder with a store in it.
struct Stored {
    folder: TempDir,
}

/// A record of a report.
#[derive(Clone, Copy)]
struct Row<'r> {
    source: &'r str,
    messages: u64,
    disposition: &'r str,
    spf: &'r str,
    dkim: &'r str,
    /// Who signed; the signature's result is that of DKIM.
    signer: &'r str,
}

const GOOD: Row = Row {
    source: "192.0.2.1",
    messages: 90,
    disposition: "none",
    spf: "pass",
    dkim: "pass",
    signer: "example.org",
};

const FORGED: Row = Row {
    source: "198.51.100.7",
    messages: 10,
    disposition: "reject",
    spf: "fail",
    dkim: "fail",
    signer: "other.example",
};

/// The second in which a day begins, so many days before today.
fn days_ago(days: i64) -> i64 {
    let now = Timestamp::now().as_second();
    (now.div_euclid(86400) - days) * 86400
}

/// The day, as `2026-11-26`.
fn day(days_ago: i64) -> String {
    let then = Timestamp::now().checked_sub((24 * days_ago).hours()).expect("a day");
    then.to_string()[..10].to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A bare DMARC report.
fn dmarc(reporter: &str, domain: &str, days: i64, rows: &[Row]) -> String {
    let [reporter, domain] = [reporter, domain].map(escaped);
    let record = |row: &Row| {
        let Row { source, messages, disposition, spf, dkim, signer } = row;
        let signer = escaped(signer);
        format!(
            "<record><row><source_ip>{source}</source_ip><count>{messages}</count><policy_evaluated>\
             <disposition>{disposition}</disposition><dkim>{dkim}</dkim><spf>{spf}</spf>\
             </policy_evaluated></row><identifiers><header_from>{domain}</header_from></identifiers>\
             <auth_results><dkim><domain>{signer}</domain><result>{dkim}</result></dkim>\
             <spf><domain>{signer}</domain><result>{spf}</result></spf></auth_results></record>"
        )
    };
    let (begin, records) = (days_ago(days), rows.iter().map(record).collect::<String>());
    format!(
        "<?xml version=\"1.0\"?><feedback><report_metadata><org_name>{reporter}</org_name>\
         <email>d@r.example</email><report_id>{reporter}{domain}{days}</report_id><date_range>\
         <begin>{begin}</begin><end>{}</end></date_range></report_metadata><policy_published>\
         <domain>{domain}</domain><p>none</p></policy_published>{records}</feedback>",
        begin + 86399
    )
}

/// A bare TLS report of yesterday.
fn tls(domain: &str, good: u64, failure: &str, bad: u64) -> String {
    let day = day(1);
    serde_json::json!({
        "organization-name": "Receiver", "contact-info": "t@r.example", "report-id": format!("{domain}{day}"),
        "date-range": { "start-datetime": format!("{day}T00:00:00Z"), "end-datetime": format!("{day}T23:59:59Z") },
        "policies": [{
            "policy": { "policy-type": "sts", "policy-string": [], "policy-domain": domain },
            "summary": { "total-successful-session-count": good, "total-failure-session-count": bad },
            "failure-details": [{ "result-type": failure, "failed-session-count": bad }],
        }],
    })
    .to_string()
}

impl Stored {
    fn new(reports: &[String]) -> Stored {
        let stored = Stored { folder: tempfile::tempdir().expect("a folder") };
        let files: Vec<String> = (0..)
            .zip(reports)
            .map(|(n, report)| {
                let file = stored.folder.path().join(format!("{n}"));
                fs::write(&file, report).expect("written");
                file.to_str().expect("UTF-8").to_owned()
            })
            .collect();
        let store = stored.path();
        let arguments = ["--store", &store].into_iter().chain(files.iter().map(String::as_str));
        let ended = run(arguments);
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        stored
    }

    /// Two domains and TLS, of the last days and of those before.
    fn usual() -> Stored {
        let before = [Row { messages: 99, ..GOOD }, Row { messages: 1, ..FORGED }];
        Stored::new(&[
            dmarc("Receiver", "example.org", 2, &[GOOD, FORGED]),
            dmarc("Other", "mail.example.org", 3, &[GOOD]),
            dmarc("Receiver", "example.net", 2, &[Row { signer: "example.net", ..GOOD }]),
            dmarc("Receiver", "example.org", 40, &before),
            tls("mx.example.org", 990, "certificate-expired", 10),
        ])
    }

    /// The demonstration's mails are of the generator, too.
    fn corpus(corpus: &Corpus) -> Stored {
        let stored = Stored { folder: tempfile::tempdir().expect("a folder") };
        let mails = stored.folder.path().join("mails");
        fs::create_dir(&mails).expect("a folder");
        for mail in corpus.iter() {
            fs::write(mails.join(&mail.name), &mail.bytes).expect("written");
        }
        let (store, mails) = (stored.path(), mails.to_str().expect("UTF-8").to_owned());
        let ended = run(["import", "--fresh", "--store", &store, &mails]);
        assert_eq!(ended.code, Some(65), "{}", ended.log);
        stored
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("reports.sqlite")
    }

    fn path(&self) -> String {
        self.file().to_str().expect("UTF-8").to_owned()
    }

    /// `report` with these flags, in a locale that has more than ASCII.
    fn report(&self, flags: &[&str]) -> Ended {
        let store = self.path();
        let mut command = program(["report", "--store", &store].iter().chain(flags));
        command.env("LC_ALL", "C.UTF-8");
        run_command(command)
    }

    /// What it says if all is well.
    fn told(&self, flags: &[&str]) -> String {
        let ended = self.report(flags);
        assert_eq!(ended.code, Some(0), "{flags:?}: {}", ended.log);
        ended.stdout
    }
}
