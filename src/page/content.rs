//! Content: what a page shows, in each form: for a person, for a spreadsheet, for a program.

use askama::Template;
use axum::http::HeaderValue;
use csv::{Terminator, WriterBuilder};
use serde::Serialize;

use super::{trouble::Trouble, view::Form};
use crate::sanitize;

/// What a page shows.
pub(super) trait Content: Template + Serialize {
    /// Its main table.
    fn table(&self) -> Table;
}

/// A table for a spreadsheet.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

/// A text, and what it is.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) text: String,
    pub(super) content_type: HeaderValue,
}

/// Writes a page in a form.
///
/// # Errors
/// Only by a mistake in this program.
pub(super) fn write(content: &impl Content, form: Form) -> Result<Written, Trouble> {
    let (text, content_type) = match form {
        Form::Page => (content.render()?, "text/html; charset=utf-8"),
        Form::Csv => (csv(&content.table())?, "text/csv; charset=utf-8; header=present"),
        Form::Json => {
            let text = serde_json::to_string_pretty(content)
                .map_err(|error| Trouble::Broken(error.to_string()))?;
            (sanitize::json(&text).into_owned() + "\n", "application/json")
        }
    };
    Ok(Written { text, content_type: HeaderValue::from_static(content_type) })
}

/// RFC 4180; no cell is a formula.
fn csv(table: &Table) -> Result<String, Trouble> {
    let broken = |error: csv::Error| Trouble::Broken(error.to_string());
    let mut out = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    out.write_record(&table.columns).map_err(broken)?;
    for row in &table.rows {
        out.write_record(row.iter().map(|cell| sanitize::cell(cell).into_owned().into_bytes()))
            .map_err(broken)?;
    }
    let bytes = out.into_inner().map_err(|error| Trouble::Broken(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| Trouble::Broken(error.to_string()))
}
