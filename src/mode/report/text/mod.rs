//! Text: the view as lines for a terminal, as wide as that is, or for a file.

mod drawn;
mod table;

use std::{
    borrow::Cow,
    io::{self, Write},
};

use console::{Style, measure_text_width};

use self::drawn::spark;
use super::view::{Block, Line, Mark, View};
use crate::terminal::{Terminal, USUAL_WIDTH};

/// A narrower terminal is treated as if it had these columns.
const NARROWEST: usize = 40;

/// Columns of the mark and of what a line is about, with the blanks behind each.
const MARGIN: usize = 2 + 13;

/// Writes everything.
pub(super) fn write(view: &View, terminal: Terminal, out: &mut impl Write) -> io::Result<()> {
    Lines { terminal, out }.view(view)
}

struct Lines<'o, W: Write> {
    terminal: Terminal,
    out: &'o mut W,
}

impl<W: Write> Lines<'_, W> {
    fn view(&mut self, view: &View) -> io::Result<()> {
        self.heading(&view.title, &Style::new())?;
        for block in &view.blocks {
            self.block(block)?;
        }
        let next = view.next.iter().map(|command| ("Next", command));
        let all = next.chain(view.if_yours.iter().map(|command| ("If it is yours", command)));
        for (n, (about, command)) in all.enumerate() {
            // A command is copied, so that it stays on one line.
            let command = self.paint(Style::new().bold(), command);
            let before = if n == 0 { "\n" } else { "" };
            self.line(&format!("{before}{about}: {command}"))?;
        }
        Ok(())
    }

    fn block(&mut self, block: &Block) -> io::Result<()> {
        writeln!(self.out)?;
        if !block.heading.is_empty() {
            self.heading(&block.heading, &Style::new().bold())?;
        }
        for line in &block.lines {
            self.sentence(line)?;
        }
        for (n, table) in block.tables.iter().enumerate() {
            if n > 0 || !block.heading.is_empty() || !block.lines.is_empty() {
                writeln!(self.out)?;
            }
            for line in table::lines(table, self.width(), self.terminal) {
                self.line(&line)?;
            }
        }
        Ok(())
    }

    /// Facts with a dot between, the first in this style.
    fn heading(&mut self, facts: &[String], style: &Style) -> io::Result<()> {
        let dot = if self.terminal.is_unicode { " · " } else { " - " };
        for (n, line) in filled(facts, dot, self.width()).iter().enumerate() {
            let line = match (n, facts.first()) {
                (0, Some(first)) => {
                    let rest = line.strip_prefix(first.as_str()).unwrap_or_default();
                    format!("{}{rest}", self.paint(style.clone(), first))
                }
                _ => line.clone(),
            };
            self.line(&line)?;
        }
        Ok(())
    }

    /// A mark, what the line is about, the text, and days behind or below it.
    fn sentence(&mut self, line: &Line) -> io::Result<()> {
        let room = self.width().saturating_sub(MARGIN);
        let words: Vec<String> = line.text.split(' ').map(str::to_owned).collect();
        let mut lines = filled(&words, " ", room);
        let days = spark(&line.days, room, self.terminal.is_unicode);
        if !days.is_empty() {
            let days = self.paint(Style::new().cyan(), &days);
            match lines.last_mut() {
                Some(last) if measure_text_width(last) + 3 + line.days.len() <= room => {
                    *last = format!("{last}   {days}");
                }
                _ => lines.push(days),
            }
        }
        for (n, text) in lines.iter().enumerate() {
            if n == 0 {
                let mark = self.paint(style(line.mark), mark(line.mark, self.terminal.is_unicode));
                self.line(&format!("{mark} {:<13}{text}", line.about))?;
            } else {
                self.line(&format!("{}{text}", " ".repeat(MARGIN)))?;
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{}", shown(line.trim_end(), self.terminal.is_unicode))
    }

    fn paint(&self, style: Style, text: &str) -> String {
        paint(style, text, self.terminal)
    }

    fn width(&self) -> usize {
        self.terminal.width.unwrap_or(USUAL_WIDTH).max(NARROWEST)
    }
}

fn paint(style: Style, text: &str, terminal: Terminal) -> String {
    style.force_styling(terminal.colours).apply_to(text).to_string()
}

fn style(mark: Mark) -> Style {
    match mark {
        Mark::Plain => Style::new(),
        Mark::Good => Style::new().green(),
        Mark::Warning => Style::new().yellow(),
        Mark::Bad => Style::new().red(),
    }
}

fn mark(mark: Mark, is_unicode: bool) -> &'static str {
    match (mark, is_unicode) {
        (Mark::Plain, _) => " ",
        (Mark::Good, true) => "✔",
        (Mark::Good, false) => "+",
        (Mark::Warning, _) => "!",
        (Mark::Bad, true) => "✖",
        (Mark::Bad, false) => "x",
    }
}

/// What the locale has no character for, in ASCII.
fn shown(text: &str, is_unicode: bool) -> Cow<'_, str> {
    if is_unicode || text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0'..='\x7f' => ascii.push(c),
            '–' | '·' | '▼' => ascii.push('-'),
            '…' => ascii.push_str("..."),
            '▲' => ascii.push('+'),
            '→' => ascii.push_str("->"),
            _ => ascii.extend(c.escape_unicode()),
        }
    }
    Cow::Owned(ascii)
}

/// Pieces with something between them, in lines of so many columns. A longer piece stays whole: it
/// may be a name that is to be copied.
fn filled(pieces: &[String], between: &str, width: usize) -> Vec<String> {
    let gap = measure_text_width(between);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for piece in pieces {
        let columns = measure_text_width(piece);
        if used > 0 && used + gap + columns > width {
            lines.push(String::new());
            used = 0;
        }
        let last = lines.last_mut().expect("there is one");
        if used > 0 {
            last.push_str(between);
            used += gap;
        }
        last.push_str(piece);
        used += columns;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_has_a_way_to_write_everything() {
        assert_eq!(shown("1–30 Nov · a…b ▼3 ü", true), "1–30 Nov · a…b ▼3 ü");
        assert_eq!(shown("1–30 Nov · a…b ▼3 ü", false), "1-30 Nov - a...b -3 \\u{fc}");
    }

    #[test]
    fn lines_are_filled_and_no_piece_is_broken() {
        let pieces = ["one", "two", "something-long", "x"].map(str::to_owned);
        assert_eq!(filled(&pieces, " · ", 9), ["one · two", "something-long", "x"]);
        assert_eq!(filled(&[], " ", 9), [""]);
    }
}
