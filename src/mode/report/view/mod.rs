//! View: the answer put into words and tables, for a person: what [`super::text`] and
//! [`super::html`] draw, each in its own way. Whatever came from a report is harmless from here on.

mod by;
mod domain;
mod failures;
mod first;
mod senders;
mod tls;

use std::borrow::Cow;

pub(super) use self::first::view;
use crate::{figures, sanitize};

/// Everything that is shown.
#[derive(Debug, Default)]
pub(super) struct View {
    /// Which period, which mail, which store.
    pub(super) title: Vec<String>,
    pub(super) blocks: Vec<Block>,
    /// Commands that show more, best first.
    pub(super) next: Vec<String>,
    /// The command that says of an unknown sender that it is one's own.
    pub(super) if_yours: Option<String>,
}

/// What belongs together, such as all about a domain.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// What it is about, and facts beside it.
    pub(super) heading: Vec<String>,
    pub(super) lines: Vec<Line>,
    pub(super) tables: Vec<Table>,
}

/// A sentence with what it is about.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) mark: Mark,
    /// What it is about, in a word or two.
    pub(super) about: &'static str,
    pub(super) text: String,
    /// A number for each day of the period, if they are drawn behind it.
    pub(super) days: Vec<u64>,
}

/// How good something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mark {
    /// Neither.
    #[default]
    Plain,
    Good,
    Warning,
    Bad,
}

/// Rows of facts, a column each.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<TableRow>,
    /// Rows that are left out.
    pub(super) omitted: u64,
    /// Of all rows.
    pub(super) total: Option<TableRow>,
}

/// A column. The first one has names, the others numbers or words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) title: &'static str,
    /// Where room is short, those of the highest rank are left out first; those of 0 never.
    pub(super) rank: u8,
}

/// A row.
#[derive(Debug, Default)]
pub(super) struct TableRow {
    /// As many as there are columns; one in a row that is a heading for those below.
    pub(super) cells: Vec<Cell>,
    /// Facts below the name, one after the other.
    pub(super) details: Vec<String>,
    /// What is to be said of it.
    pub(super) sentences: Vec<String>,
}

/// A fact.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) mark: Mark,
    /// Messages that are drawn as a bar in place of the text: good ones, and all.
    pub(super) bar: Option<Bar>,
}

/// A bar, whose length is a part of the longest one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bar {
    /// Thousandths of the longest bar.
    pub(super) length: u64,
    /// Thousandths of this bar that are good.
    pub(super) good: u64,
}

impl Mark {
    /// As style sheets know it.
    pub(super) fn class(self) -> &'static str {
        match self {
            Mark::Plain => "plain",
            Mark::Good => "good",
            Mark::Warning => "warning",
            Mark::Bad => "bad",
        }
    }
}

impl TableRow {
    /// True if it stands above others.
    pub(super) fn is_heading(&self, table: &Table) -> bool {
        self.cells.len() == 1 && table.columns.len() > 1
    }

    /// Its cells in the columns that say something.
    pub(super) fn shown<'r>(&'r self, table: &'r Table) -> impl Iterator<Item = &'r Cell> {
        self.cells.iter().enumerate().filter(|(n, _)| table.says(*n)).map(|(_, cell)| cell)
    }
}

impl Table {
    /// True if a column says something in any row; those of rank 0 always do.
    pub(super) fn says(&self, n: usize) -> bool {
        let is_something =
            |cell: &Cell| cell.bar.is_some() || !matches!(cell.text.as_str(), "" | "-");
        let has = |row: &TableRow| row.cells.get(n).is_some_and(is_something);
        self.columns.get(n).is_some_and(|column| column.rank == 0) || self.all_rows().any(has)
    }

    /// The columns that say something.
    pub(super) fn titles(&self) -> impl Iterator<Item = &'static str> {
        let all = self.columns.iter().enumerate();
        all.filter(|(n, _)| self.says(*n)).map(|(_, column)| column.title)
    }

    /// The rows and the one of all.
    pub(super) fn all_rows(&self) -> impl Iterator<Item = &TableRow> {
        self.rows.iter().chain(&self.total)
    }
}

impl Bar {
    /// Thousandths of the longest bar that are good ones of this.
    pub(super) fn good_part(self) -> u64 {
        self.length * self.good / 1000
    }
}

impl Line {
    /// The days in hundredths of the highest; what is not nothing is one at least.
    pub(super) fn heights(&self) -> impl Iterator<Item = u64> {
        let highest = self.days.iter().copied().max().unwrap_or(0);
        self.days.iter().map(move |day| {
            let height = (u128::from(*day) * 100).checked_div(u128::from(highest)).unwrap_or(0);
            u64::try_from(height).unwrap_or(100).max(u64::from(*day > 0))
        })
    }

    fn new(mark: Mark, about: &'static str, text: impl Into<String>) -> Line {
        Line { mark, about, text: text.into(), days: Vec::new() }
    }
}

impl Column {
    const fn new(title: &'static str, rank: u8) -> Column {
        Column { title, rank }
    }
}

impl Cell {
    fn of(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), ..Cell::default() }
    }

    fn marked(mark: Mark, text: impl Into<String>) -> Cell {
        Cell { mark, ..Cell::of(text) }
    }

    /// A number; nothing is drawn where there is none.
    fn number(number: u64) -> Cell {
        Cell::of(if number == 0 { "-".into() } else { figures::thousands(number) })
    }

    /// A share, marked where not all are meant.
    fn share(part: u64, whole: u64) -> Cell {
        let mark = match figures::thousandths(part, whole) {
            Some(0..500) => Mark::Bad,
            Some(500..950) => Mark::Warning,
            Some(950..) => Mark::Good,
            None => Mark::Plain,
        };
        Cell::marked(mark, figures::share(part, whole))
    }

    fn bar(length: u64, good: u64) -> Cell {
        Cell { bar: Some(Bar { length, good }), ..Cell::default() }
    }
}

impl From<Vec<Cell>> for TableRow {
    fn from(cells: Vec<Cell>) -> TableRow {
        TableRow { cells, ..TableRow::default() }
    }
}

/// Longer names are cut: no domain and no address is.
const LONGEST: usize = 255;

/// Sentences may have names in them.
const LONGEST_SENTENCE: usize = 1000;

/// A stranger's word, harmless; or what is said where there is none.
fn word<'t>(text: Option<&'t str>, empty: &'static str) -> Cow<'t, str> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Cow::Borrowed(empty) };
    cut(text, LONGEST)
}

/// A sentence with strangers' words in it, harmless.
fn sentence(text: &str) -> String {
    cut(text, LONGEST_SENTENCE).into_owned()
}

fn cut(text: &str, longest: usize) -> Cow<'_, str> {
    match text.char_indices().nth(longest) {
        None => sanitize::line(text),
        Some((end, _)) => Cow::Owned(sanitize::line(&text[..end]).into_owned() + "…"),
    }
}
