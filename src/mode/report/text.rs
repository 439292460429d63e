//! Text: the answer as tables, for 80 columns, without borders, so that it can be read and searched
//! when it is piped.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, Width,
};

use super::ReportJson;
use crate::{
    answers::{
        Messages, RawResult,
        overview::{
            Counted, Dmarc, Domain, FailureDomain, Failures, Overview, SendingServer, Tls,
            TlsPolicy,
        },
    },
    ingest::counted,
    moment::day,
    sanitize,
};

const WIDTH: u16 = 80;

/// Width of the column with names. Every IPv6 address fits in, and numbers of 14 digits beside it.
const NAMES: u16 = 40;

/// Raw results and ways to fail shown for one source or policy; JSON has some more.
const DETAILS: usize = 3;

/// Writes everything.
pub(super) fn write(answer: &ReportJson, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Store: {}", sanitize::line(&answer.store))?;
    writeln!(out, "{}", heading(answer))?;
    if answer.summary.is_empty() {
        return writeln!(out, "\n{}", nothing(answer));
    }
    dmarc(&answer.summary.dmarc, out)?;
    tls(&answer.summary.tls, out)?;
    failures(&answer.summary.failure, out)
}

/// Said where there are no reports: where some are.
fn nothing(answer: &ReportJson) -> String {
    let Overview { newest, newest_of_all, .. } = answer.summary;
    match (newest, newest_of_all, &answer.elsewhere) {
        (Some(newest), _, _) => format!("No reports; newest report here: {}", day(*newest)),
        (None, Some(newest), _) => {
            format!("No reports; newest report here, on another domain: {}", day(*newest))
        }
        (None, None, Some(elsewhere)) => {
            format!("No reports. This store is empty, but {elsewhere}")
        }
        (None, None, None) => "No reports. This store is empty.".into(),
    }
}

fn heading(answer: &ReportJson) -> String {
    let domain = answer
        .domain
        .map(|domain| format!(" on {} and below", sanitize::line(domain)))
        .unwrap_or_default();
    let period = match (&answer.since, &answer.until) {
        (None, None) => " of all time".into(),
        (Some(since), None) => format!(" that begin at {since} or later"),
        (None, Some(until)) => format!(" that begin before {until}"),
        (Some(since), Some(until)) => format!(" that begin at {since} or later and before {until}"),
    };
    format!("Reports{domain}{period}")
}

fn dmarc(dmarc: &Dmarc, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nDMARC: {}", counted(dmarc.reports, "report"))?;
    if dmarc.reports == 0 {
        return Ok(());
    }
    let header = ["Messages", "DMARC", "SPF", "DKIM"];
    let mut domains = Rows::new("Domain", header);
    for Domain { domain, reports, messages } in &dmarc.domains {
        let below = [counted(*reports, "report")].into_iter().chain(disposition(messages));
        domains.add(&name_or(domain, "(no domain)"), below, numbers(messages));
    }
    domains.omitted(dmarc.domains_omitted);
    domains.add("All", disposition(&dmarc.messages), numbers(&dmarc.messages));
    domains.print(out)?;

    let mut sources = Rows::new("Source", header);
    for SendingServer { source_ip, messages, spf, dkim } in &dmarc.sources {
        let mut lines = Vec::new();
        for (mechanism, results) in [("SPF", spf), ("DKIM", dkim)] {
            lines.extend(results.iter().take(DETAILS).map(
                |RawResult { domain, result, messages }| {
                    let result = name_or(result.as_deref().unwrap_or_default(), "(no result)");
                    let domain = name_or(domain.as_deref().unwrap_or_default(), "(no domain)");
                    format!("{mechanism} {result} {domain} {messages}")
                },
            ));
        }
        let name = name_or(source_ip.as_deref().unwrap_or_default(), "(no address)");
        sources.add(&name, lines, numbers(messages));
    }
    sources.omitted(dmarc.sources_omitted);
    sources.print(out)
}

fn tls(tls: &Tls, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nSMTP TLS: {}", counted(tls.reports, "report"))?;
    if tls.reports == 0 {
        return Ok(());
    }
    let numbers = |good: u64, bad: u64| {
        [good.to_string(), bad.to_string(), share(good, good.saturating_add(bad))]
    };
    let mut policies = Rows::new("TLS policy", ["Succeeded", "Failed", "Success"]);
    for TlsPolicy {
        policy_domain,
        policy_type,
        successful_sessions,
        failed_sessions,
        failures,
        ..
    } in &tls.policies
    {
        let domain = name_or(policy_domain, "(no domain)");
        let kind = name_or(policy_type.as_deref().unwrap_or_default(), "(no type)");
        let failures = failures.iter().take(DETAILS).map(|failure| {
            let result = name_or(failure.result_type.as_deref().unwrap_or_default(), "(no reason)");
            format!("{result} {}", failure.sessions)
        });
        policies.add(
            &format!("{domain} {kind}"),
            failures,
            numbers(*successful_sessions, *failed_sessions),
        );
    }
    policies.omitted(tls.policies_omitted);
    policies.add("All", [], numbers(tls.successful_sessions, tls.failed_sessions));
    policies.print(out)
}

fn failures(failures: &Failures, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nDMARC failures: {}", counted(failures.reports, "report"))?;
    if failures.reports == 0 {
        return Ok(());
    }
    let numbers = |messages: u64, reports: u64| [messages.to_string(), reports.to_string()];
    let mut domains = Rows::new("Domain", ["Messages", "Reports"]);
    for FailureDomain { domain, reports, messages, sources, auth_failures, delivery_results } in
        &failures.domains
    {
        let details =
            [("source", sources), ("failure", auth_failures), ("delivery", delivery_results)];
        let details = details.into_iter().flat_map(|(kind, list)| {
            list.iter().take(DETAILS).map(move |Counted { value, messages }| {
                format!(
                    "{kind} {} {messages}",
                    name_or(value.as_deref().unwrap_or_default(), "(not said)")
                )
            })
        });
        domains.add(&name_or(domain, "(no domain)"), details, numbers(*messages, *reports));
    }
    domains.omitted(failures.domains_omitted);
    domains.add("All", [], numbers(failures.messages, failures.reports));
    domains.print(out)
}

fn name_or<'t>(text: &'t str, empty: &'static str) -> Cow<'t, str> {
    if text.is_empty() { Cow::Borrowed(empty) } else { sanitize::line(text) }
}

fn numbers(messages: &Messages) -> [String; 4] {
    let Messages { messages: all, pass, spf_aligned, dkim_aligned, .. } = *messages;
    [all.to_string(), share(pass, all), share(spf_aligned, all), share(dkim_aligned, all)]
}

/// Lines below a name. `pass` (RFC 9990) is counted with `none`: both mean that the mails were left
/// alone.
fn disposition(messages: &Messages) -> impl Iterator<Item = String> {
    let d = &messages.disposition;
    let done = [
        ("none", d.none.saturating_add(d.pass)),
        ("quarantine", d.quarantine),
        ("reject", d.reject),
        ("other disposition", d.other),
    ];
    done.into_iter()
        .filter(|(_, number)| *number > 0)
        .map(|(name, number)| format!("{name} {number}"))
}

/// Per cent, rounded down: 100.0% means all.
fn share(part: u64, whole: u64) -> String {
    match (u128::from(part) * 1000).checked_div(u128::from(whole)) {
        Some(thousandths) => format!("{}.{}%", thousandths / 10, thousandths % 10),
        None => "-".into(),
    }
}

/// A table whose rows have lines below their names, as long as they are: in the column of names
/// they would be broken.
struct Rows {
    table: Table,
    /// The lines; in the table each is represented by [`BELOW`] and its number.
    below: Vec<String>,
}

/// A blank that is in no name.
const BELOW: char = '\u{a0}';

impl Rows {
    fn new<const N: usize>(names: &str, header: [&str; N]) -> Rows {
        let mut table = Table::new();
        table
            .load_style(
                TableStyle::new().header_separator(LineStyle::none().fill('-').junction('-')),
            )
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(WIDTH)
            .set_header([names].into_iter().chain(header));
        for (n, column) in table.column_iter_mut().enumerate() {
            if n == 0 {
                column
                    .set_padding((0, 1))
                    .set_constraint(ColumnConstraint::Absolute(Width::Fixed(NAMES)));
            } else {
                // The same in all tables, so that they stand below each other: a blank and
                // "100.0%".
                column.set_padding((1, 0)).set_cell_alignment(CellAlignment::Right);
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(7)));
            }
        }
        Rows { table, below: Vec::new() }
    }

    /// A row: a name with lines about it below, and numbers.
    fn add<const N: usize>(
        &mut self,
        name: &str,
        below: impl IntoIterator<Item = String>,
        numbers: [String; N],
    ) {
        let mut name = name.replace(BELOW, " ");
        for line in below {
            name.extend(["\n", &BELOW.to_string(), &self.below.len().to_string()]);
            self.below.push(line);
        }
        self.table.add_row([name].into_iter().chain(numbers).map(Cell::new));
    }

    fn omitted(&mut self, number: u64) {
        if number > 0 {
            self.table.add_row([format!("and {number} more (--top)")]);
        }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out)?;
        for line in self.table.trim_fmt().lines() {
            let below = line
                .strip_prefix(BELOW)
                // What follows is the rest of a number too long for its column.
                .and_then(|cells| self.below.get(cells.split(' ').next()?.parse::<usize>().ok()?));
            match below {
                Some(below) => writeln!(out, "  {below}")?,
                None => writeln!(out, "{line}")?,
            }
        }
        Ok(())
    }
}
