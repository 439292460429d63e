//! Text of XML as reporters write it.

use std::fmt::Write as _;

/// Writes XML with a reporter's indentation.
pub(super) struct Xml {
    pub(super) out: String,
    pub(super) indent: Option<&'static str>,
    pub(super) depth: usize,
}

impl Xml {
    pub(super) fn line(&mut self, text: impl FnOnce(&mut String)) {
        if let Some(indent) = self.indent {
            (0..self.depth).for_each(|_| self.out.push_str(indent));
        }
        text(&mut self.out);
        if self.indent.is_some() {
            self.out.push('\n');
        }
    }

    pub(super) fn within(&mut self, name: &str, children: impl FnOnce(&mut Xml)) {
        self.line(|out| {
            let _ = write!(out, "<{name}>");
        });
        self.depth += 1;
        children(self);
        self.depth -= 1;
        self.line(|out| {
            let _ = write!(out, "</{name}>");
        });
    }

    pub(super) fn leaf(&mut self, name: &str, value: &str) {
        self.line(|out| {
            let _ = write!(out, "<{name}>");
            for character in value.chars() {
                match character {
                    '&' => out.push_str("&amp;"),
                    '<' => out.push_str("&lt;"),
                    '>' => out.push_str("&gt;"),
                    other => out.push(other),
                }
            }
            let _ = write!(out, "</{name}>");
        });
    }
}
