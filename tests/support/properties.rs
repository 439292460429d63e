//! What holds for all input. The fuzz targets call these functions, one each, and so do the tests with what they found.
//! They panic where something does not hold.

use std::{collections::HashSet, fmt::Write as _, io::BufReader};

use email_report_processor::{
    document::Documents,
    limits::Limits,
    message::{self, Contents, ReadOptions, Received, authentication::Authenticated},
    report::{
        self, AggregateReport, FailureReport, Period, Repairs, Report, Text, TlsReport,
        aggregate::{
            AuthResults, DkimResult, Identifiers, Metadata, OverrideReason, PolicyEvaluated, PolicyPublished, Record,
            Row, SpfResult,
        },
        failure::ReportedMessage,
        repairs::explain,
        tls::{FailureDetail, Policy, PolicyResult, Summary},
    },
    source::{Bytes, mbox::Mbox},
};
use serde_json::Value;

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
    let passed = contents.received.authenticated.as_ref().is_some_and(|authenticated| authenticated.pass);
    if passed {
        assert_eq!(strict.reports, contents.reports);
    } else {
        assert!(strict.reports.is_empty(), "a report of nobody knows whom");
    }
}

fn check_contents(contents: &Contents, limits: &Limits) {
    assert_eq!(contents.is_something_else(), contents.reports.is_empty() && contents.failures.is_empty());
    assert_eq!(contents.complaint().is_none(), contents.failures.is_empty() && !contents.reports.is_empty());
    for report in &contents.reports {
        check_report(report, limits);
        check_documents(report, &contents.received, limits.value_bytes);
    }
}

/// One XML text.
pub fn aggregate(bytes: &[u8]) {
    let limits = limits_for(bytes);
    for report in check_text(bytes, &limits) {
        if let Report::Aggregate(report) = report {
            let copy = report::parse(xml(&report).as_bytes(), &limits).expect("what was read can be written and read");
            let Report::Aggregate(copy) = copy else { panic!("an aggregate report") };
            assert_eq!(copy.metadata, report.metadata);
            assert_eq!((&copy.version, &copy.policy_published), (&report.version, &report.policy_published));
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
            let copy = report::parse(json(&report).as_bytes(), &limits).expect("what was read can be written and read");
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
    assert_eq!(report::parse(bytes, limits).ok(), all[0].as_ref().ok().cloned(), "the first one is the first one");
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
        let little: Vec<u8> = [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let little = report::parse_all(&little, limits, &Repairs::default());
        assert_eq!(without_repairs(&little), without_repairs(&all), "UTF-16 says the same");
    }
    let reports = all.into_iter().flatten().inspect(|report| {
        check_report(report, limits);
        check_documents(report, &Received::default(), limits.value_bytes);
    });
    reports.collect()
}

fn forget_repairs(report: Report) -> Report {
    match report {
        Report::Aggregate(report) => Report::Aggregate(AggregateReport { repairs: Repairs::default(), ..report }),
        Report::Tls(report) => Report::Tls(TlsReport { repairs: Repairs::default(), ..report }),
        Report::Failure(report) => Report::Failure(FailureReport { repairs: Repairs::default(), ..report }),
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
    let (kept, left_out) = (message::read_with(&marked, &with), message::read_with(&marked, &without));
    check_contents(&left_out, &limits);
    check_contents(&kept, &limits);
    assert_eq!(kept.reports.len(), left_out.reports.len());
    for (kept, left_out) in kept.reports.iter().zip(&left_out.reports) {
        assert_eq!(kept.key(), left_out.key());
        let (Report::Failure(kept), Report::Failure(left_out)) = (kept, left_out) else { continue };
        assert!(left_out.message.as_ref().is_none_or(|message| message.body.is_none()), "personal data");
        let mut source = Vec::new();
        Documents::new(&Report::Failure(left_out.clone()), &Received::default()).write_source(0, &mut source);
        if !bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes()) {
            assert!(!source.windows(MARK.len()).any(|window| window == MARK.as_bytes()), "personal data");
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

/// Reports made of any values, which no parser would let through.
pub fn documents(bytes: &[u8]) {
    let mut from = Source(bytes);
    let received = received_from(&mut from);
    let report = match from.byte() % 3 {
        0 => Report::Aggregate(aggregate_from(&mut from)),
        1 => Report::Tls(tls_from(&mut from)),
        _ => Report::Failure(failure_from(&mut from)),
    };
    let sources = check_documents(&report, &received, usize::MAX);
    for (n, document) in sources.iter().enumerate() {
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
        let number = |pointer: &str| document.pointer(pointer).and_then(Value::as_u64);
        assert_eq!(text("/received/message_id"), received.message_id.as_deref());
        assert_eq!(text("/received/from"), received.from.as_deref());
        match &report {
            Report::Aggregate(report) => {
                let (metadata, record) = (&report.metadata, &report.records[n]);
                assert_eq!(text("/feedback/report_metadata/org_name"), metadata.org_name.as_deref());
                assert_eq!(text("/feedback/report_metadata/report_id"), Some(metadata.report_id.as_str()));
                assert_eq!(text("/feedback/policy_published/domain"), report.policy_published.domain.as_deref());
                let begin = document.pointer("/feedback/report_metadata/date_range/begin").and_then(Value::as_i64);
                assert_eq!(begin, Some(metadata.date_range.begin));
                assert_eq!(number("/feedback/record/row/count"), Some(record.row.count));
                assert_eq!(text("/feedback/record/identifiers/header_from"), record.identifiers.header_from.as_deref());
                for (n, dkim) in record.auth_results.dkim.iter().enumerate() {
                    let pointer = format!("/feedback/record/auth_results/dkim/{n}/selector");
                    assert_eq!(text(&pointer), dkim.selector.as_deref());
                }
                let passed = document.pointer("/dmarc/pass").and_then(Value::as_bool);
                assert_eq!(passed, record.row.policy_evaluated.pass());
            }
            Report::Tls(report) => {
                let policy = &report.policies[n];
                assert_eq!(text("/organization-name"), report.organization_name.as_deref());
                assert_eq!(text("/report-id"), Some(report.report_id.as_str()));
                assert_eq!(text("/policies/policy/policy-domain"), policy.policy.policy_domain.as_deref());
                for (n, detail) in policy.failure_details.iter().enumerate() {
                    let pointer = format!("/policies/failure-details/{n}/failed-session-count");
                    assert_eq!(number(&pointer), Some(detail.failed_session_count));
                }
            }
            Report::Failure(report) => {
                assert_eq!(text("/failure/user_agent"), report.user_agent.as_deref());
                let headers = report.message.as_ref().map(|message| message.headers.as_str());
                assert_eq!(text("/failure/message/headers"), headers.filter(|headers| !headers.is_empty()));
            }
        }
    }
    check_key(&report);
}

/// Another id makes another report; capitals in names do not.
fn check_key(report: &Report) {
    let mut other = report.clone();
    let mut same = report.clone();
    match (&mut other, &mut same) {
        (Report::Aggregate(other), Report::Aggregate(same)) => {
            other.metadata.report_id.push('x');
            same.metadata.org_name = same.metadata.org_name.take().map(|name| name.to_ascii_uppercase());
        }
        (Report::Tls(other), Report::Tls(same)) => {
            other.report_id.push('x');
            same.organization_name = same.organization_name.take().map(|name| name.to_ascii_uppercase());
        }
        (Report::Failure(other), Report::Failure(same)) => {
            let id = other.report_id.take().unwrap_or_default();
            other.report_id = Some(format!("{id}x").into());
            same.reporting_mta = same.reporting_mta.take().map(|name| name.to_ascii_uppercase());
        }
        _ => unreachable!("clones"),
    }
    assert_eq!(same.key(), report.key());
    assert_ne!(other.key(), report.key());
}

/// The documents of a report: each is one line of valid JSON, with an id of its own, the same each time; no value in
/// them is longer than allowed; their sums are those of the report.
fn check_documents(report: &Report, received: &Received, value_bytes: usize) -> Vec<Value> {
    let documents = Documents::new(report, received);
    let again = Documents::new(report, received);
    assert_eq!((documents.len(), documents.kind()), (report.len(), report.kind()));
    let key = report.key();
    assert!(key.as_str().len() == 32 && key.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()));
    let mut ids = HashSet::new();
    let mut sources = Vec::new();
    let (mut mails, mut sessions) = (0_u128, 0_u128);
    for n in 0..documents.len() {
        let (mut id, mut source) = (Vec::new(), Vec::new());
        documents.write_id(n, &mut id);
        documents.write_source(n, &mut source);
        let (mut second_id, mut second_source) = (Vec::new(), Vec::new());
        again.write_id(n, &mut second_id);
        again.write_source(n, &mut second_source);
        assert_eq!((&second_id, &second_source), (&id, &source), "the same each time");
        let part = id.strip_prefix(key.as_str().as_bytes()).and_then(|rest| rest.strip_prefix(b"-"));
        assert!(part.is_some_and(|part| part.len() == 16 && part.iter().all(u8::is_ascii_hexdigit) && part[0] < b'8'));
        assert!(ids.insert(id), "ids are unique within a report");
        assert!(!source.iter().any(|byte| matches!(byte, b'\n' | b'\r')), "one line");
        let document: Value = serde_json::from_slice(&source).expect("a document is JSON");
        check_values(&document, value_bytes);
        let number = |pointer| document.pointer(pointer).and_then(Value::as_u64).map_or(0, u128::from);
        mails += number("/feedback/record/row/count");
        sessions += number("/policies/summary/total-successful-session-count");
        sources.push(document);
    }
    let (mut expected_mails, mut expected_sessions) = (0_u128, 0_u128);
    match report {
        Report::Aggregate(report) => {
            expected_mails = report.records.iter().map(|record| u128::from(record.row.count)).sum();
        }
        Report::Tls(report) => {
            let successful = |policy: &PolicyResult| u128::from(policy.summary.total_successful_session_count);
            expected_sessions = report.policies.iter().map(successful).sum();
        }
        Report::Failure(_) => {}
    }
    assert_eq!((mails, sessions), (expected_mails, expected_sessions));
    sources
}

/// No text is longer than allowed: of the reported mail, the header may have 16 values' length and the body 64.
fn check_values(value: &Value, value_bytes: usize) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| check_values(value, value_bytes)),
        Value::Object(members) => {
            for (name, value) in members {
                let room = match name.as_str() {
                    "headers" => 16,
                    "body" => 64,
                    // Names of repairs and headers of the mail itself.
                    "received" | "@timestamp" => usize::MAX,
                    _ => 1,
                };
                check_values(value, value_bytes.saturating_mul(room));
            }
        }
        // Dates are written in 20 bytes whatever the limit, addresses in 39, and numbers as they are.
        Value::String(text) => assert!(text.len() <= value_bytes.max(40), "{} bytes: {text}", text.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A file of mails.
pub fn mbox(bytes: &[u8]) {
    let limit = limits_for(bytes).mail_bytes;
    // A tiny buffer, so that lines come in pieces.
    let capacity = 1 + bytes.first().map_or(0, |byte| usize::from(*byte));
    let read = |position: u64| -> Vec<_> {
        let rest = &bytes[usize::try_from(position).expect("it fits")..];
        let mails = Mbox::new(BufReader::with_capacity(capacity, rest), position, limit);
        mails.map(|mail| mail.expect("memory can be read")).collect()
    };
    let mails = read(0);
    assert_eq!(mails.is_empty(), bytes.is_empty());
    let mut position = 0;
    for (n, mail) in mails.iter().enumerate() {
        assert_eq!(mail.offset, position, "they follow one another");
        assert!(mail.end > mail.offset);
        position = mail.end;
        let range = usize::try_from(mail.offset).expect("it fits")..usize::try_from(mail.end).expect("it fits");
        let expected = unquoted(&bytes[range]);
        // The blank line at the end counts for the limit, since it may be the last thing that is read.
        match &mail.bytes {
            Bytes::Whole(content) => {
                assert!(content.len() as u64 <= limit);
                assert!(content == &expected, "what is between the separators is in the mail");
            }
            Bytes::TooLarge => assert!(expected.len() as u64 + 2 > limit),
            Bytes::Gone | Bytes::NotAFile => panic!("nobody took it"),
        }
        if n < 4 || n + 2 > mails.len() {
            assert!(read(mail.offset) == mails[n..], "reading goes on anywhere");
        }
    }
    assert_eq!(position, bytes.len() as u64, "to the end");
}

/// The mail in a piece of an mbox: without separator, `>` and the last blank line.
fn unquoted(piece: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (n, line) in piece.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let start = &line[..line.len().min(1024)];
        if n == 0 && email_report_processor::source::mbox::is_separator(start) {
            continue;
        }
        let quotes = start.iter().take_while(|byte| **byte == b'>').count();
        let is_quoted = quotes > 0 && start[quotes..].starts_with(b"From ");
        out.extend_from_slice(&line[usize::from(is_quoted)..]);
    }
    for blank in [&b"\r\n\r\n"[..], b"\n\n"] {
        if out.ends_with(blank) {
            out.truncate(out.len() - blank.len() / 2);
            break;
        }
    }
    out
}

// ---- a report as text again

fn element(out: &mut String, name: &str, value: Option<&Text>) {
    if let Some(value) = value {
        let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = write!(out, "<{name}>{value}</{name}>");
    }
}

/// As text: seconds of far centuries would be taken for milliseconds.
fn dates(period: Period) -> (String, String) {
    let text = |seconds| report::rfc3339(seconds).expect("a time that can be read can be written");
    (text(period.begin), text(period.end))
}

fn xml(report: &AggregateReport) -> String {
    let mut out = String::from("<feedback>");
    let (metadata, policy) = (&report.metadata, &report.policy_published);
    element(&mut out, "version", report.version.as_ref());
    out.push_str("<report_metadata>");
    element(&mut out, "org_name", metadata.org_name.as_ref());
    element(&mut out, "email", metadata.email.as_ref());
    element(&mut out, "extra_contact_info", metadata.extra_contact_info.as_ref());
    element(&mut out, "report_id", Some(&metadata.report_id));
    let (begin, end) = dates(metadata.date_range);
    let _ = write!(out, "<date_range><begin>{begin}</begin><end>{end}</end></date_range>");
    metadata.error.iter().for_each(|error| element(&mut out, "error", Some(error)));
    element(&mut out, "generator", metadata.generator.as_ref());
    out.push_str("</report_metadata><policy_published>");
    for (name, value) in [
        ("domain", &policy.domain),
        ("adkim", &policy.adkim),
        ("aspf", &policy.aspf),
        ("p", &policy.p),
        ("sp", &policy.sp),
        ("np", &policy.np),
        ("fo", &policy.fo),
        ("testing", &policy.testing),
        ("discovery_method", &policy.discovery_method),
    ] {
        element(&mut out, name, value.as_ref());
    }
    if let Some(pct) = policy.pct {
        let _ = write!(out, "<pct>{pct}</pct>");
    }
    out.push_str("</policy_published>");
    report.records.iter().for_each(|record| record_as_xml(record, &mut out));
    out.push_str("</feedback>");
    out
}

fn record_as_xml(record: &Record, out: &mut String) {
    let evaluated = &record.row.policy_evaluated;
    out.push_str("<record><row>");
    if let Some(ip) = record.row.source_ip {
        let _ = write!(out, "<source_ip>{ip}</source_ip>");
    }
    let _ = write!(out, "<count>{}</count><policy_evaluated>", record.row.count);
    element(out, "disposition", evaluated.disposition.as_ref());
    element(out, "dkim", evaluated.dkim.as_ref());
    element(out, "spf", evaluated.spf.as_ref());
    for reason in &evaluated.reason {
        out.push_str("<reason>");
        element(out, "type", reason.kind.as_ref());
        element(out, "comment", reason.comment.as_ref());
        out.push_str("</reason>");
    }
    out.push_str("</policy_evaluated></row><identifiers>");
    element(out, "header_from", record.identifiers.header_from.as_ref());
    element(out, "envelope_from", record.identifiers.envelope_from.as_ref());
    element(out, "envelope_to", record.identifiers.envelope_to.as_ref());
    out.push_str("</identifiers><auth_results>");
    for spf in &record.auth_results.spf {
        out.push_str("<spf>");
        element(out, "domain", spf.domain.as_ref());
        element(out, "scope", spf.scope.as_ref());
        element(out, "result", spf.result.as_ref());
        element(out, "human_result", spf.human_result.as_ref());
        out.push_str("</spf>");
    }
    for dkim in &record.auth_results.dkim {
        out.push_str("<dkim>");
        element(out, "domain", dkim.domain.as_ref());
        element(out, "selector", dkim.selector.as_ref());
        element(out, "result", dkim.result.as_ref());
        element(out, "human_result", dkim.human_result.as_ref());
        out.push_str("</dkim>");
    }
    out.push_str("</auth_results></record>");
}

fn json(report: &TlsReport) -> String {
    let (begin, end) = dates(report.date_range);
    let policies: Vec<Value> =
        report.policies.iter().map(|policy| serde_json::to_value(policy).expect("plain values")).collect();
    let mut object = serde_json::json!({
        "report-id": report.report_id.as_str(),
        "date-range": { "start-datetime": begin, "end-datetime": end },
        "policies": policies,
    });
    for (name, value) in [("organization-name", &report.organization_name), ("contact-info", &report.contact_info)] {
        if let Some(value) = value {
            object[name] = Value::String(value.to_string());
        }
    }
    object.to_string()
}

// ---- a report of any bytes

/// Takes values from bytes, and empty ones when they are used up.
struct Source<'x>(&'x [u8]);

impl Source<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        let length = self.byte() % 9;
        (0..length).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    fn text(&mut self) -> Text {
        let (text, rest) = self.0.split_at(usize::from(self.byte()).min(self.0.len().saturating_sub(1)));
        self.0 = rest;
        String::from_utf8_lossy(text).into()
    }

    fn optional(&mut self) -> Option<Text> {
        (!self.byte().is_multiple_of(4)).then(|| self.text())
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let length = self.byte() % 4;
        (0..length).map(|_| one(self)).collect()
    }

    fn period(&mut self) -> Period {
        Period { begin: self.number().cast_signed(), end: self.number().cast_signed() }
    }

    fn address(&mut self) -> Option<std::net::IpAddr> {
        match self.byte() % 3 {
            0 => None,
            1 => Some(std::net::Ipv4Addr::from(u32::try_from(self.number() >> 32).expect("32 bits")).into()),
            _ => Some(std::net::Ipv6Addr::from(u128::from(self.number()) << 64 | u128::from(self.number())).into()),
        }
    }
}

fn received_from(from: &mut Source) -> Received {
    let authenticated = (from.byte() % 2 == 1).then(|| Authenticated {
        pass: from.byte() % 2 == 1,
        dkim: from.list(Source::text),
        spf: from.optional(),
        dmarc: from.optional(),
    });
    Received {
        message_id: from.optional(),
        at: from.optional().map(String::from),
        from: from.optional(),
        authenticated,
    }
}

fn aggregate_from(from: &mut Source) -> AggregateReport {
    let metadata = Metadata {
        org_name: from.optional(),
        email: from.optional(),
        extra_contact_info: from.optional(),
        report_id: from.text(),
        date_range: from.period(),
        error: from.list(Source::text),
        generator: from.optional(),
    };
    let policy_published = PolicyPublished {
        domain: from.optional(),
        p: from.optional(),
        pct: Some(u32::from(from.byte())),
        fo: from.optional(),
        ..PolicyPublished::default()
    };
    let records = from.list(record_from);
    AggregateReport { version: from.optional(), metadata, policy_published, records, ..AggregateReport::default() }
}

fn record_from(from: &mut Source) -> Record {
    let reason = |from: &mut Source| OverrideReason { kind: from.optional(), comment: from.optional() };
    let spf =
        |from: &mut Source| SpfResult { domain: from.optional(), result: from.optional(), ..SpfResult::default() };
    let dkim = |from: &mut Source| DkimResult {
        selector: from.optional(),
        human_result: from.optional(),
        ..DkimResult::default()
    };
    let result = |from: &mut Source| match from.byte() % 3 {
        0 => Some("pass".into()),
        1 => Some("fail".into()),
        _ => from.optional(),
    };
    Record {
        row: Row {
            source_ip: from.address(),
            count: from.number(),
            policy_evaluated: PolicyEvaluated {
                disposition: from.optional(),
                dkim: result(from),
                spf: result(from),
                reason: from.list(reason),
            },
        },
        identifiers: Identifiers {
            header_from: from.optional(),
            envelope_from: from.optional(),
            envelope_to: from.optional(),
        },
        auth_results: AuthResults { spf: from.list(spf), dkim: from.list(dkim) },
    }
}

fn tls_from(from: &mut Source) -> TlsReport {
    let detail = |from: &mut Source| FailureDetail {
        result_type: from.optional(),
        failed_session_count: from.number(),
        failure_reason_code: from.optional(),
        ..FailureDetail::default()
    };
    TlsReport {
        organization_name: from.optional(),
        date_range: from.period(),
        contact_info: from.optional(),
        report_id: from.text(),
        policies: from.list(|from| PolicyResult {
            policy: Policy {
                policy_type: from.optional(),
                policy_string: from.list(Source::text),
                policy_domain: from.optional(),
                mx_host: from.list(Source::text),
            },
            summary: Summary {
                total_successful_session_count: from.number(),
                total_failure_session_count: from.number(),
            },
            failure_details: from.list(detail),
        }),
        ..TlsReport::default()
    }
}

fn failure_from(from: &mut Source) -> FailureReport {
    FailureReport {
        feedback_type: from.optional(),
        user_agent: from.optional(),
        auth_failure: from.list(Source::text),
        arrival_date: (from.byte() % 2 == 1).then(|| from.number().cast_signed()),
        source_ip: from.address(),
        source_port: Some(u16::from(from.byte())),
        reported_domain: from.list(Source::text),
        original_rcpt_to: from.list(Source::text),
        reporting_mta: from.optional(),
        incidents: Some(from.number()),
        message: (from.byte() % 2 == 1).then(|| ReportedMessage {
            subject: from.optional(),
            to: from.list(Source::text),
            date: Some(from.number().cast_signed()),
            headers: from.text().into(),
            body: from.optional().map(String::from),
            ..ReportedMessage::default()
        }),
        report_id: from.optional(),
        ..FailureReport::default()
    }
}
