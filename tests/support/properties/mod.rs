//! What holds for all input. The fuzz targets call these functions, one each, and so do the tests
//! with what they found. They panic where something does not hold.

mod any_report;
mod documents;
mod mbox;
pub mod read_back;
mod written;

use email_report_processor::{
    document::Documents,
    limits::Limits,
    message::{self, Contents, ReadOptions, Received},
    report::{self, AggregateReport, FailureReport, Repairs, Report, TlsReport, repairs::explain},
};

use self::{
    documents::check_documents,
    read_back::check_read_back,
    written::{json, xml},
};

pub use self::{documents::documents, mbox::mbox};

/// Limits that small inputs reach, for inputs of odd length.
fn limits_for(bytes: &[u8]) -> Limits {
    if bytes.len().is_multiple_of(2) {
        return Limits::default();
    }
    Limits {
        mail_bytes: 16 << 10,
        unpacked_bytes: 16 << 10,
        ratio: 20,
        nesting: 2,
        parts: 8,
        members: 4,
        records: 6,
        // A date has 20.
        value_bytes: 24,
        xml_depth: 8,
        ..Limits::default()
    }
}

/// A mail of any kind, or a bare file.
pub fn message(bytes: &[u8]) {
    let limits = limits_for(bytes);
    let options = ReadOptions {
        limits,
        keep_failed_message: false,
        authserv_id: Some("mx.example.org".into()),
        authserv_below_received: false,
        require_authenticated: false,
    };
    let contents = message::read_with(bytes, &options);
    check_contents(&contents, &options.limits);
    let again = message::read_with(bytes, &options);
    assert_eq!(contents.received, again.received);
    assert_eq!(contents.reports, again.reports, "the same bytes give the same reports");
    assert_eq!(contents.complaint(), again.complaint());
    // Authentication changes what is believed, not what is read.
    let strict = message::read_with(bytes, &ReadOptions { require_authenticated: true, ..options });
    let passed =
        contents.received.authenticated.as_ref().is_some_and(|authenticated| authenticated.pass);
    if passed {
        assert_eq!(strict.reports, contents.reports);
    } else {
        assert!(strict.reports.is_empty(), "a report of nobody knows whom");
    }
}

fn check_contents(contents: &Contents, limits: &Limits) {
    assert_eq!(
        contents.is_something_else(),
        contents.reports.is_empty() && contents.failures.is_empty()
    );
    let lost: usize = contents.reports.iter().map(Report::lost).sum();
    assert_eq!(
        contents.complaint().is_none(),
        contents.failures.is_empty() && !contents.reports.is_empty() && lost == 0
    );
    for report in &contents.reports {
        check_report(report, limits);
        check_documents(report, &contents.received, limits.value_bytes);
        check_read_back(report, &contents.received, limits.value_bytes);
    }
}

/// One XML text.
pub fn aggregate(bytes: &[u8]) {
    let limits = limits_for(bytes);
    for report in check_text(bytes, &limits) {
        if let Report::Aggregate(report) = report {
            let copy = report::parse(xml(&report).as_bytes(), &limits)
                .expect("what was read can be written and read");
            let Report::Aggregate(copy) = copy else { panic!("an aggregate report") };
            assert_eq!(copy.metadata, report.metadata);
            assert_eq!(
                (&copy.version, &copy.policy_published),
                (&report.version, &report.policy_published)
            );
            assert_eq!(copy.records, report.records);
            assert_eq!(copy.lost, 0);
        }
    }
}

/// One JSON text.
pub fn tls(bytes: &[u8]) {
    let limits = limits_for(bytes);
    for report in check_text(bytes, &limits) {
        if let Report::Tls(report) = report {
            // All objects are counted as records, and more of them are written than were read.
            let limits = Limits { records: 1000, ..limits.clone() };
            let copy = report::parse(json(&report).as_bytes(), &limits)
                .expect("what was read can be written and read");
            let Report::Tls(copy) = copy else { panic!("a TLS report") };
            let expected = TlsReport { lost: 0, repairs: copy.repairs.clone(), ..report.clone() };
            assert_eq!(copy, expected);
        }
    }
}

/// The reports in a text, which do not depend on how it was encoded.
fn check_text(bytes: &[u8], limits: &Limits) -> Vec<Report> {
    let all = report::parse_all(bytes, limits, &Repairs::default());
    assert!(!all.is_empty());
    assert_eq!(
        report::parse(bytes, limits).ok(),
        all[0].as_ref().ok().cloned(),
        "the first one is the first one"
    );
    assert!(all.len() <= limits.members + 1);
    let without_repairs = |reports: &[Result<Report, _>]| -> Vec<Option<Report>> {
        reports.iter().map(|report| report.as_ref().ok().cloned().map(forget_repairs)).collect()
    };
    if let Ok(text) = std::str::from_utf8(bytes)
        && bytes.len() < 16 << 10
        && text.starts_with(['<', '{'])
        // Zeros between the first characters are the mark of UTF-16.
        && !text.contains(['\0', '\u{FEFF}'])
    {
        let little: Vec<u8> =
            [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let little = report::parse_all(&little, limits, &Repairs::default());
        assert_eq!(without_repairs(&little), without_repairs(&all), "UTF-16 says the same");
    }
    let reports = all.into_iter().flatten().inspect(|report| {
        check_report(report, limits);
        check_documents(report, &Received::default(), limits.value_bytes);
        check_read_back(report, &Received::default(), limits.value_bytes);
    });
    reports.collect()
}

fn forget_repairs(report: Report) -> Report {
    match report {
        Report::Aggregate(report) => {
            Report::Aggregate(AggregateReport { repairs: Repairs::default(), ..report })
        }
        Report::Tls(report) => Report::Tls(TlsReport { repairs: Repairs::default(), ..report }),
        Report::Failure(report) => {
            Report::Failure(FailureReport { repairs: Repairs::default(), ..report })
        }
    }
}

/// What the model promises of a report that was read.
fn check_report(report: &Report, limits: &Limits) {
    for name in report.repairs().names() {
        assert!(explain(name).is_some(), "{name}");
    }
    let period = report.period();
    assert!(period.begin <= period.end);
    assert!(report.len() + report.lost() <= limits.records.max(1) + report.lost());
    match report {
        Report::Aggregate(report) => {
            assert!(!report.metadata.report_id.is_empty());
            assert!(report.metadata.org_name.as_ref().is_some_and(|name| !name.is_empty()));
        }
        Report::Tls(report) => {
            assert!(!report.report_id.is_empty());
            assert!(report.organization_name.is_some() || report.contact_info.is_some());
        }
        Report::Failure(_) => {}
    }
}

/// A mail with a failure report.
pub fn failure(bytes: &[u8]) {
    const MARK: &str = "body-of-the-mail";
    let limits = limits_for(bytes);
    // What comes behind an empty line is no header, so it is in no document.
    let marked = [bytes, b"\n\n", MARK.as_bytes()].concat();
    let without = ReadOptions { limits: limits.clone(), ..ReadOptions::default() };
    let with = ReadOptions { keep_failed_message: true, ..without.clone() };
    let (kept, left_out) =
        (message::read_with(&marked, &with), message::read_with(&marked, &without));
    check_contents(&left_out, &limits);
    check_contents(&kept, &limits);
    assert_eq!(kept.reports.len(), left_out.reports.len());
    for (kept, left_out) in kept.reports.iter().zip(&left_out.reports) {
        assert_eq!(kept.key(), left_out.key());
        let (Report::Failure(kept), Report::Failure(left_out)) = (kept, left_out) else { continue };
        assert!(
            left_out.message.as_ref().is_none_or(|message| message.body.is_none()),
            "personal data"
        );
        let mut source = Vec::new();
        Documents::new(&Report::Failure(left_out.clone()), &Received::default())
            .write_source(0, &mut source);
        if !bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes()) {
            assert!(
                !source.windows(MARK.len()).any(|window| window == MARK.as_bytes()),
                "personal data"
            );
        }
        let mut same = kept.clone();
        if let Some(message) = &mut same.message {
            message.body = None;
        }
        // Only a body can be too long to be kept.
        same.repairs = left_out.repairs.clone();
        assert_eq!(&same, left_out);
    }
}
