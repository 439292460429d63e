//! Sanitize: the one place through which text from mails goes on its way to a terminal, a log or a header.

use std::{borrow::Cow, fmt::Write};

/// The text without control characters (those of C0, DEL and C1, and the marks that turn the direction of
/// writing), each replaced by U+FFFD, so that nothing in it can move a cursor, forge a log line or hide.
pub fn line(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_dangerous) {
        Cow::Owned(text.chars().map(|c| if is_dangerous(c) { '\u{FFFD}' } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// JSON with the same characters written as `\uXXXX`: the same value for a program, and harmless on a terminal. Line feeds
/// between the values stay; within them JSON has none.
pub fn json(json: &str) -> Cow<'_, str> {
    if !json.chars().any(|c| c != '\n' && is_dangerous(c)) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if c != '\n' && is_dangerous(c) {
            // All of them are of the Basic Multilingual Plane: four digits are enough.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}')
}

/// The text as the value of a mail header: ASCII, one line, at most 900 bytes (RFC 5322 section 2.1.1 allows 998 a line).
pub fn header_value(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { '?' }).take(900).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_survive() {
        assert_eq!(line("a\x1b[31mb\r\nc\u{9b}d\u{202e}e"), "a\u{FFFD}[31mb\u{FFFD}\u{FFFD}c\u{FFFD}d\u{FFFD}e");
        assert_eq!(line("Grüße 例え"), "Grüße 例え");
        assert_eq!(json("{\n\"a\u{9b}\": \"\u{202e}ü\"}"), "{\n\"a\\u009b\": \"\\u202eü\"}");
        assert_eq!(header_value("ü\nX-Evil: 1"), "??X-Evil: 1");
    }
}
