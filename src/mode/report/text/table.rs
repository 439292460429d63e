//! Table: rows of a view in columns. What there is no room for is left out; names and details are
//! never cut.

use console::{Style, measure_text_width};

use super::{drawn::bar, filled, mark, paint, style};
use crate::{
    figures::thousands,
    mode::report::view::{Cell, Mark, Table, TableRow},
    terminal::Terminal,
};

/// Blanks between columns.
const GAP: usize = 2;

/// The column of names is at least as wide as this and as its names are, up to the second one.
const NAMES: (usize, usize) = (20, 44);

/// Columns of the longest bar.
const BARS: (usize, usize) = (10, 40);

/// Blanks in front of details.
const INDENT: usize = 2;

/// The lines of a table, for so many columns.
pub(super) fn lines(table: &Table, width: usize, terminal: Terminal) -> Vec<String> {
    let columns = Columns::new(table, width);
    let titles: Vec<Cell> = table
        .columns
        .iter()
        .map(|column| Cell { text: column.title.into(), ..Cell::default() })
        .collect();
    let mut lines: Vec<String> = columns.row(&titles, terminal);
    lines.push(if terminal.is_unicode { "─" } else { "-" }.repeat(columns.total()));
    for row in &table.rows {
        if row.is_heading(table) {
            lines.extend(row.cells.iter().map(|cell| heading(cell, terminal)));
            continue;
        }
        lines.extend(columns.row(&row.cells, terminal));
        lines.extend(details(row, width, terminal));
    }
    if table.omitted > 0 {
        lines.push(format!("and {} more (--top)", thousands(table.omitted)));
    }
    lines.extend(table.total.iter().flat_map(|total| columns.row(&total.cells, terminal)));
    lines
}

/// A row that stands above others.
fn heading(cell: &Cell, terminal: Terminal) -> String {
    let sign = match cell.mark {
        Mark::Plain => String::new(),
        other => format!("{} ", mark(other, terminal.is_unicode)),
    };
    paint(style(cell.mark).bold(), &format!("{sign}{}", cell.text), terminal)
}

fn details(row: &TableRow, width: usize, terminal: Terminal) -> Vec<String> {
    let width = width.saturating_sub(INDENT);
    let mut lines = Vec::new();
    if !row.details.is_empty() {
        let dot = if terminal.is_unicode { " · " } else { " - " };
        lines.extend(filled(&row.details, dot, width));
    }
    for sentence in &row.sentences {
        let words: Vec<String> = sentence.split(' ').map(str::to_owned).collect();
        lines.extend(filled(&words, " ", width));
    }
    let paint = |line| paint(Style::new().dim(), line, terminal);
    lines.iter().map(|line| format!("{}{}", " ".repeat(INDENT), paint(line))).collect()
}

/// Which columns are shown, and how wide each is.
struct Columns {
    /// Nothing for those that are left out.
    widths: Vec<Option<usize>>,
}

impl Columns {
    fn new(table: &Table, width: usize) -> Columns {
        let natural = |n: usize| {
            let of_cells = table.all_rows().filter(|row| row.cells.len() > 1).filter_map(|row| {
                let cell = row.cells.get(n)?;
                Some(if cell.bar.is_some() { BARS.0 } else { measure_text_width(&cell.text) })
            });
            of_cells.max().unwrap_or(0).max(measure_text_width(table.columns[n].title))
        };
        let mut widths: Vec<Option<usize>> =
            (0..table.columns.len()).map(|n| Some(natural(n))).collect();
        let names = widths.first().copied().flatten().unwrap_or(0).clamp(NAMES.0, NAMES.1);
        for (_, width) in widths.iter_mut().enumerate().filter(|(n, _)| !table.says(*n)) {
            *width = None;
        }
        let mut columns = Columns { widths };
        loop {
            columns.widths[0] = Some(names);
            if columns.total() <= width {
                break;
            }
            let is_shown = |n: &usize| columns.widths[*n].is_some() && table.columns[*n].rank > 0;
            let last =
                (0..table.columns.len()).filter(is_shown).max_by_key(|n| table.columns[*n].rank);
            let Some(last) = last else { break };
            let rank = table.columns[last].rank;
            for (n, column) in table.columns.iter().enumerate() {
                if column.rank == rank {
                    columns.widths[n] = None;
                }
            }
        }
        columns.spread(table, width, natural(0).min(NAMES.1));
        columns
    }

    /// What is left of the width goes to the bars, then to the names.
    fn spread(&mut self, table: &Table, width: usize, names: usize) {
        let has_bar = |n: usize| {
            table.rows.iter().any(|row| row.cells.get(n).is_some_and(|cell| cell.bar.is_some()))
        };
        let left = width.saturating_sub(self.total());
        let bars = (1..self.widths.len()).find(|n| self.widths[*n].is_some() && has_bar(*n));
        if let Some(bars) = bars {
            self.widths[bars] = Some((BARS.0 + left).min(BARS.1));
        }
        if self.total() > width {
            let more = self.total() - width;
            self.widths[0] = self.widths[0].map(|names| names.saturating_sub(more).max(1));
        } else if let Some(first) = self.widths[0].as_mut() {
            *first = (*first).max(names);
        }
    }

    fn total(&self) -> usize {
        let shown = self.widths.iter().flatten();
        shown.clone().sum::<usize>() + GAP * shown.count().saturating_sub(1)
    }

    /// One line, or two where the name is longer than its column.
    fn row(&self, cells: &[Cell], terminal: Terminal) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = String::new();
        for (n, (cell, width)) in cells.iter().zip(&self.widths).enumerate() {
            let Some(width) = *width else { continue };
            let columns = measure_text_width(&cell.text);
            let blanks = " ".repeat(width.saturating_sub(columns));
            let text = paint(style(cell.mark), &cell.text, terminal);
            if n == 0 {
                if columns > width {
                    lines.push(text);
                    line.push_str(&" ".repeat(width));
                } else {
                    line.push_str(&text);
                    line.push_str(&blanks);
                }
                continue;
            }
            line.push_str(&" ".repeat(GAP));
            if let Some(drawn) = cell.bar {
                line.push_str(&painted_bar(drawn, width, terminal));
            } else {
                line.push_str(&blanks);
                line.push_str(&text);
            }
        }
        lines.push(line);
        lines
    }
}

fn painted_bar(drawn: crate::mode::report::view::Bar, width: usize, terminal: Terminal) -> String {
    let (good, rest) = bar(drawn, width, terminal.is_unicode);
    let blanks =
        " ".repeat(width.saturating_sub(measure_text_width(&good) + measure_text_width(&rest)));
    let good = paint(style(Mark::Good), &good, terminal);
    let rest = paint(style(Mark::Bad), &rest, terminal);
    format!("{good}{rest}{blanks}")
}
