//! Sanitize: the one place through which text from mails goes on its way to a terminal, a log, a
//! header, JSON or a spreadsheet. HTML is escaped where it is made.

use std::{borrow::Cow, fmt::Write};

/// The text without control characters (those of C0, DEL and C1, and the marks that turn the
/// direction of writing), each replaced by U+FFFD, so that nothing in it can move a cursor, forge a
/// log line or hide.
pub fn line(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_dangerous) {
        Cow::Owned(text.chars().map(|c| if is_dangerous(c) { '\u{FFFD}' } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// JSON with the same characters, and all others that only format and can't be seen, written as
/// `\uXXXX`: the same value for a program, and harmless on a terminal. Line feeds between the
/// values stay; within them JSON has none.
pub fn json(json: &str) -> Cow<'_, str> {
    let escapes = |c| c != '\n' && (is_dangerous(c) || is_format(c));
    // Most text is ASCII, in which JSON itself leaves DEL only; looking at whole words is much
    // faster.
    let is_plain = json.is_ascii() && memchr::memchr(0x7F, json.as_bytes()).is_none();
    if is_plain || !json.chars().any(escapes) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if escapes(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// General category Cf of Unicode.
fn is_format(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}' | '\u{890}'..='\u{891}' | '\u{8E2}'
        | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
        | '\u{FFF9}'..='\u{FFFB}' | '\u{110BD}' | '\u{110CD}' | '\u{13430}'..='\u{1343F}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0001}' | '\u{E0020}'..='\u{E007F}')
}

/// The text as a cell of a table that a spreadsheet program may open: on one line, without control
/// characters, and with an apostrophe in front where such a program would begin to compute.
/// Programs of many countries take the semicolon for the separator, whatever quotes stand around
/// it, so a cell may begin behind each.
pub fn cell(text: &str) -> Cow<'_, str> {
    if !text.split(';').any(begins_formula) {
        return line(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for part in text.split_inclusive(';') {
        if begins_formula(part) {
            out.push('\'');
        }
        out.push_str(&line(part));
    }
    Cow::Owned(out)
}

/// True if the first character that is seen begins a formula (OWASP, "CSV Injection").
fn begins_formula(cell: &str) -> bool {
    for character in cell.chars() {
        match character {
            '=' | '+' | '-' | '@' | '\t' | '\r'
            // The same full-width, small, and as a mathematician's minus.
            | '\u{FF1D}' | '\u{FF0B}' | '\u{FF0D}' | '\u{FF20}' | '\u{FE62}' | '\u{FE63}' | '\u{FE66}' | '\u{FE6B}'
            | '\u{2212}' => return true,
            // Passed over, as a spreadsheet program may do.
            '"' | '\u{200B}' | '\u{200C}' | '\u{200D}' | '\u{2060}' | '\u{FEFF}' | '\u{FFFD}' => {}
            _ => {
                if !character.is_whitespace() && !is_dangerous(character) {
                    return false;
                }
            }
        }
    }
    false
}

fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}')
}

/// The text as the value of a mail header: ASCII, one line, at most 900 bytes (RFC 5322 section
/// 2.1.1 allows 998 a line).
pub fn header_value(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { '?' })
        .take(900)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (text, expected) in [
            ("example.org", "example.org"),
            ("a-b+c=d@e", "a-b+c=d@e"),
            ("", ""),
            ("=cmd|'/c calc'!A0", "'=cmd|'/c calc'!A0"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(1)", "'@SUM(1)"),
            ("\t1", "'\u{FFFD}1"),
            ("\r1", "'\u{FFFD}1"),
            (" \u{a0}\u{3000}=1", "' \u{a0}\u{3000}=1"),
            ("\u{feff}=1", "'\u{feff}=1"),
            ("\n\0=1", "'\u{FFFD}\u{FFFD}=1"),
            ("\"=1", "'\"=1"),
            ("＝1", "'＝1"),
            ("＋1", "'＋1"),
            ("－1", "'－1"),
            ("＠x", "'＠x"),
            ("\u{2212}1", "'\u{2212}1"),
            ("'=1", "'=1"),
            ("a;=1; -2;b", "a;'=1;' -2;b"),
            ("a\x1b[31m", "a\u{FFFD}[31m"),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }

    #[test]
    fn control_characters_do_not_survive() {
        assert_eq!(
            line("a\x1b[31mb\r\nc\u{9b}d\u{202e}e"),
            "a\u{FFFD}[31mb\u{FFFD}\u{FFFD}c\u{FFFD}d\u{FFFD}e"
        );
        assert_eq!(line("Grüße 例え"), "Grüße 例え");
        assert_eq!(line("a\u{61c}b"), "a\u{FFFD}b");
        assert_eq!(json("{\n\"a\u{9b}\": \"\u{202e}ü\"}"), "{\n\"a\\u009b\": \"\\u202eü\"}");
        assert_eq!(json("\"a\u{7f}\u{200d}\u{e0041}\""), "\"a\\u007f\\u200d\\udb40\\udc41\"");
        assert_eq!(header_value("ü\nX-Evil: 1"), "??X-Evil: 1");
    }
}
