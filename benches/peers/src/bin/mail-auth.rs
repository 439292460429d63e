//! The library mail-auth reads each mail, as a program would use it: as a DMARC report, else as a
//! TLS report. How: `parse`, or `json` to write what was read as JSON, too.

use std::{fs, path::Path};

use mail_auth::report::{Report, tlsrpt::TlsReport};
use peers::{Found, run};

/// The most that a report may unpack to, in bytes.
const LIMIT: usize = 256 << 20;

fn main() {
    run(Vec::new, |json, how, path| read(json, how == "json", path));
}

fn read(json: &mut Vec<u8>, writes: bool, path: &Path) -> Found {
    let mail = fs::read(path).expect("a mail");
    json.clear();
    if let Ok(report) = Report::parse_rfc5322(&mail, LIMIT) {
        if writes {
            serde_json::to_writer(json, &report).expect("written");
        }
        Found { reports: 1, records: report.records().len() as u64 }
    } else if let Ok(report) = TlsReport::parse_rfc5322(&mail, LIMIT) {
        if writes {
            serde_json::to_writer(json, &report).expect("written");
        }
        Found { reports: 1, records: 0 }
    } else {
        Found::default()
    }
}
