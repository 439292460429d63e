//! JSON: one object for programs. Its names are a promise; contrib/guide/report.md lists them.

use std::io::{self, Write};

use serde::Serialize;

use super::{Told, rows::RowsJson};
use crate::{answers::overview::Overview, report::rfc3339, sanitize};

/// Everything that `--format json` gives.
#[derive(Serialize)]
struct ReportJson<'t> {
    /// The file that was read, or the nodes that were asked.
    store: &'t str,
    /// Another store that has reports, if this one has none.
    other_store: Option<String>,
    /// First second, RFC 3339.
    since: Option<String>,
    /// First second after the period, RFC 3339.
    until: Option<String>,
    /// The first domain that was asked for.
    domain: Option<&'t str>,
    /// When the newest report of the domains, or of all, begins, whatever its period.
    newest_report: Option<String>,
    #[serde(flatten)]
    overview: Option<&'t Overview>,
    /// The table that was asked for with `--by`.
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<RowsJson>,
}

pub(super) fn write(told: &Told, out: &mut impl Write) -> io::Result<()> {
    let answer = &told.answer;
    let object = ReportJson {
        store: &told.store,
        other_store: told.elsewhere.as_ref().map(|other| other.store.display().to_string()),
        since: answer.period.since.and_then(rfc3339),
        until: answer.period.until.and_then(rfc3339),
        domain: answer.filter.domains.only.first().map(String::as_str),
        newest_report: answer.newest.and_then(rfc3339),
        overview: answer.overview.as_ref(),
        groups: answer.by.as_ref().map(|(by, groups)| RowsJson::new(*by, groups)),
    };
    let json = serde_json::to_string_pretty(&object).map_err(io::Error::other)?;
    writeln!(out, "{}", sanitize::json(&json))
}
