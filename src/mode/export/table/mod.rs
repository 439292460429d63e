//! Table: the records or policies of a store as CSV (RFC 4180), for a spreadsheet: a row each,
//! lists written as one cell.

mod columns;

use std::{
    borrow::Cow,
    fmt::{Display, Write as _},
    io::{self, Write},
    net::IpAddr,
};

use csv::{Terminator, Writer, WriterBuilder};

use self::columns::{DMARC, FAILURE, TLS};
use crate::{
    document::Portion,
    message::{Received, authentication::Authenticated},
    report::{
        AggregateReport, FailureReport, Ids, Kind, Period, Repairs, Report, Text, TlsReport,
        aggregate::{DkimResult, OverrideReason, Record, SpfResult},
        rfc3339,
        tls::{FailureDetail, PolicyResult},
    },
    sanitize,
    senders::{self, Host, Operators, Sender},
};

/// A table that is being written.
pub(super) struct Table<'o, W: Write> {
    out: Writer<W>,
    operators: &'o Operators,
}

impl<'o, W: Write> Table<'o, W> {
    /// Begins with the names of the columns. The operators give senders their names.
    pub(super) fn new(kind: Kind, operators: &'o Operators, out: W) -> io::Result<Table<'o, W>> {
        let mut out = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(out);
        out.write_record(match kind {
            Kind::Dmarc => DMARC,
            Kind::Tls => TLS,
            Kind::Failure => FAILURE,
        })
        .map_err(plain)?;
        Ok(Table { out, operators })
    }

    /// A row for each record or policy.
    pub(super) fn write(&mut self, portion: &Portion) -> io::Result<()> {
        let Portion { report, ids, received, hosts, .. } = portion;
        let known = |address: Option<IpAddr>| address.and_then(|address| hosts.get(&address));
        match report {
            Report::Aggregate(report) => {
                let head = dmarc_head(report, received);
                (0..).zip(&report.records).try_for_each(|(n, one)| {
                    let known = known(one.row.source_ip);
                    let policy = report.policy_published.domain.as_deref();
                    let sender = sender(&senders::of_record(policy, one, known, self.operators));
                    let cells = record(one).into_iter().chain(host(known)).chain(sender);
                    self.row(ids, n, &head, cells)
                })
            }
            Report::Tls(report) => {
                let head = tls_head(report, received);
                (0..)
                    .zip(&report.policies)
                    .try_for_each(|(n, one)| self.row(ids, n, &head, policy(one)))
            }
            Report::Failure(report) => {
                let cells = failure(report).into_iter().chain(host(known(report.source_ip)));
                self.row(ids, 0, &failure_head(report, received), cells)
            }
        }
    }

    fn row<'r>(
        &mut self,
        ids: &Ids,
        n: usize,
        head: &[Cell<'r>],
        rest: impl IntoIterator<Item = Cell<'r>>,
    ) -> io::Result<()> {
        let mut id = Vec::new();
        ids.write(n, &mut id);
        self.out.write_field(id).map_err(plain)?;
        let mut write = |cell: &Cell| self.out.write_field(cell.0.as_bytes()).map_err(plain);
        head.iter().try_for_each(&mut write)?;
        rest.into_iter().try_for_each(|cell| write(&cell))?;
        self.out.write_record(None::<&[u8]>).map_err(plain)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The system's own error, whose kind tells a reader that has seen enough.
fn plain(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// What may be written; there is no other way to one than those below.
struct Cell<'r>(Cow<'r, str>);

const NONE: Cell = Cell(Cow::Borrowed(""));

/// Text from a stranger.
fn text<T: AsRef<str>>(text: Option<&T>) -> Cell<'_> {
    text.map_or(NONE, |text| Cell(sanitize::cell(text.as_ref())))
}

/// A number of our own.
fn number(number: u64) -> Cell<'static> {
    Cell(Cow::Owned(number.to_string()))
}

/// As a date, if there is a calendar for it.
fn time(seconds: i64) -> Cell<'static> {
    text(Some(&rfc3339(seconds).unwrap_or_else(|| seconds.to_string()))).into_owned()
}

fn list<'r, T: 'r>(
    items: impl IntoIterator<Item = &'r T>,
    show: impl Fn(&mut String, &T),
) -> Cell<'static> {
    let mut all = String::new();
    for item in items {
        if !all.is_empty() {
            all.push_str("; ");
        }
        show(&mut all, item);
    }
    text(Some(&all)).into_owned()
}

impl Cell<'_> {
    fn into_owned(self) -> Cell<'static> {
        Cell(Cow::Owned(self.0.into_owned()))
    }
}

fn dmarc_head<'r>(report: &'r AggregateReport, received: &'r Received) -> Vec<Cell<'r>> {
    let AggregateReport { version, metadata, policy_published: policy, repairs, .. } = report;
    let [begin, end] = period(metadata.date_range);
    let [message_id, at, from, authenticated, repairs] = provenance(received, repairs);
    vec![
        begin,
        end,
        text(metadata.org_name.as_ref()),
        text(metadata.email.as_ref()),
        text(metadata.extra_contact_info.as_ref()),
        text(Some(&metadata.report_id)),
        list(&metadata.error, |out, error| out.push_str(error)),
        text(version.as_ref()),
        text(metadata.generator.as_ref()),
        text(policy.domain.as_ref()),
        text(policy.adkim.as_ref()),
        text(policy.aspf.as_ref()),
        text(policy.p.as_ref()),
        text(policy.sp.as_ref()),
        text(policy.np.as_ref()),
        policy.pct.map_or(NONE, |pct| number(pct.into())),
        text(policy.fo.as_ref()),
        text(policy.testing.as_ref()),
        text(policy.discovery_method.as_ref()),
        message_id,
        at,
        from,
        authenticated,
        repairs,
    ]
}

/// What is known of the sending host.
fn host(host: Option<&Host>) -> [Cell<'_>; 5] {
    let Some(Host { asn, network, organisation, country, name, .. }) = host else {
        return [const { NONE }; 5];
    };
    let asn = asn.map_or(NONE, |asn| number(asn.into()));
    [
        asn,
        text(network.as_ref()),
        text(organisation.as_ref()),
        text(country.as_ref()),
        text(name.as_ref()),
    ]
}

fn sender(sender: &Sender) -> [Cell<'static>; 2] {
    [Some(&sender.name), sender.kind.as_ref()].map(|fact| text(fact).into_owned())
}

fn record(record: &Record) -> Vec<Cell<'_>> {
    let Record { row, identifiers, auth_results, .. } = record;
    let evaluated = &row.policy_evaluated;
    vec![
        text(row.source_ip.map(|ip| ip.to_string()).as_ref()).into_owned(),
        number(row.count),
        Cell(Cow::Borrowed(match evaluated.pass() {
            Some(true) => "true",
            Some(false) => "false",
            None => "",
        })),
        text(evaluated.disposition.as_ref()),
        text(evaluated.dkim.as_ref()),
        text(evaluated.spf.as_ref()),
        list(&evaluated.reason, reason),
        text(identifiers.header_from.as_ref()),
        text(identifiers.envelope_from.as_ref()),
        text(identifiers.envelope_to.as_ref()),
        list(&auth_results.dkim, dkim_result),
        list(&auth_results.spf, spf_result),
    ]
}

fn tls_head<'r>(report: &'r TlsReport, received: &'r Received) -> Vec<Cell<'r>> {
    let [begin, end] = period(report.date_range);
    let [message_id, at, from, authenticated, repairs] = provenance(received, &report.repairs);
    vec![
        begin,
        end,
        text(report.organization_name.as_ref()),
        text(report.contact_info.as_ref()),
        text(Some(&report.report_id)),
        message_id,
        at,
        from,
        authenticated,
        repairs,
    ]
}

fn policy(result: &PolicyResult) -> Vec<Cell<'_>> {
    let PolicyResult { policy, summary, failure_details, .. } = result;
    vec![
        text(policy.policy_type.as_ref()),
        text(policy.policy_domain.as_ref()),
        list(&policy.policy_string, |out, line| out.push_str(line)),
        list(&policy.mx_host, |out, host| out.push_str(host)),
        number(summary.total_successful_session_count),
        number(summary.total_failure_session_count),
        list(failure_details, failure_detail),
    ]
}

fn failure_head<'r>(report: &'r FailureReport, received: &'r Received) -> Vec<Cell<'r>> {
    let head = [report.arrival_date.map_or(NONE, time)];
    head.into_iter().chain(provenance(received, &report.repairs)).collect()
}

fn failure(report: &FailureReport) -> Vec<Cell<'_>> {
    let texts = |texts| list(texts, |out, text: &Text| out.push_str(text));
    let message = report.message.as_ref();
    vec![
        text(report.feedback_type.as_ref()),
        text(report.user_agent.as_ref()),
        text(report.version.as_ref()),
        texts(&report.auth_failure),
        text(report.source_ip.map(|ip| ip.to_string()).as_ref()).into_owned(),
        report.source_port.map_or(NONE, |port| number(port.into())),
        texts(&report.reported_domain),
        texts(&report.identity_alignment),
        text(report.delivery_result.as_ref()),
        text(report.original_mail_from.as_ref()),
        texts(&report.original_rcpt_to),
        text(report.original_envelope_id.as_ref()),
        text(report.reporting_mta.as_ref()),
        report.incidents.map_or(NONE, number),
        text(report.dkim_domain.as_ref()),
        text(report.dkim_selector.as_ref()),
        text(report.dkim_identity.as_ref()),
        text(report.dkim_selector_dns.as_ref()),
        texts(&report.spf_dns),
        texts(&report.authentication_results),
        texts(&report.reported_uri),
        text(message.and_then(|message| message.message_id.as_ref())),
        text(message.and_then(|message| message.from.as_ref())),
        message.map_or(NONE, |message| texts(&message.to)),
        text(message.and_then(|message| message.reply_to.as_ref())),
        text(message.and_then(|message| message.subject.as_ref())),
        message.and_then(|message| message.date).map_or(NONE, time),
        text(message.map(|message| &message.headers)),
        text(message.and_then(|message| message.body.as_ref())),
    ]
}

fn period(period: Period) -> [Cell<'static>; 2] {
    [time(period.begin), time(period.end)]
}

fn provenance<'r>(received: &'r Received, repairs: &Repairs) -> [Cell<'r>; 5] {
    [
        text(received.message_id.as_ref()),
        text(received.at.as_ref()),
        text(received.from.as_ref()),
        received.authenticated.as_ref().map_or(NONE, authenticated),
        list(repairs.names(), |out, name| out.push_str(name)),
    ]
}

/// `true dkim=example.org dkim=example.net spf=example.org`: whether it counts as authentic, and by
/// what.
fn authenticated(found: &Authenticated) -> Cell<'static> {
    let mut all = found.pass.to_string();
    for (name, domains) in [
        ("dkim", found.dkim.as_slice()),
        ("spf", found.spf.as_slice()),
        ("dmarc", found.dmarc.as_slice()),
    ] {
        for domain in domains {
            add(&mut all, format_args!(" {name}={domain}"));
        }
    }
    text(Some(&all)).into_owned()
}

/// `mailing_list (of the sender)`.
fn reason(out: &mut String, reason: &OverrideReason) {
    words(out, [&reason.kind]);
    in_brackets(out, reason.comment.as_ref());
}

/// `example.org selector1 pass (of the signature)`.
fn dkim_result(out: &mut String, result: &DkimResult) {
    words(out, [&result.domain, &result.selector, &result.result]);
    in_brackets(out, result.human_result.as_ref());
}

/// `example.org mfrom pass`.
fn spf_result(out: &mut String, result: &SpfResult) {
    words(out, [&result.domain, &result.scope, &result.result]);
    in_brackets(out, result.human_result.as_ref());
}

/// `certificate-expired 3 sending_mta_ip=192.0.2.1 …`.
fn failure_detail(out: &mut String, detail: &FailureDetail) {
    words(out, [&detail.result_type]);
    add(out, format_args!(" {}", detail.failed_session_count));
    for (name, value) in [
        ("sending_mta_ip", &detail.sending_mta_ip),
        ("receiving_mx_hostname", &detail.receiving_mx_hostname),
        ("receiving_mx_helo", &detail.receiving_mx_helo),
        ("receiving_ip", &detail.receiving_ip),
        ("additional_information", &detail.additional_information),
        ("failure_reason_code", &detail.failure_reason_code),
    ] {
        if let Some(value) = value {
            add(out, format_args!(" {name}={value}"));
        }
    }
}

/// Each in its place: a question mark stands for what the report does not say.
fn words<T: AsRef<str>, const N: usize>(out: &mut String, words: [&Option<T>; N]) {
    for (n, word) in words.into_iter().enumerate() {
        let space = if n == 0 { "" } else { " " };
        add(out, format_args!("{space}{}", word.as_ref().map_or("?", AsRef::as_ref)));
    }
}

fn in_brackets<T: Display>(out: &mut String, comment: Option<&T>) {
    if let Some(comment) = comment {
        add(out, format_args!(" ({comment})"));
    }
}

fn add(out: &mut String, text: std::fmt::Arguments) {
    // Writing to a String can't fail.
    let _ = out.write_fmt(text);
}
