//! Text: the findings as lines for a person, broken at the width of a terminal, or a line each
//! where they are piped.

use std::io::{self, Write};

use console::{Style, measure_text_width};

use super::finding::{Finding, Findings, Status};
use crate::sanitize;

/// Columns of the word in front and the blanks behind it.
const MARGIN: usize = 9;

/// A narrower terminal is treated as if it had these.
const NARROWEST: usize = 40;

/// How lines are shown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Looks {
    /// Columns of the terminal; nothing where lines are not broken.
    pub(super) width: Option<usize>,
    pub(super) colours: bool,
    /// What is as it should be is left out.
    pub(super) quiet: bool,
}

/// Writes everything, with the numbers at the end.
pub(super) fn write(findings: &Findings, look: Looks, out: &mut impl Write) -> io::Result<()> {
    let is_shown = |finding: &&Finding| !look.quiet || finding.status != Status::Ok;
    for finding in findings.all().iter().filter(is_shown) {
        let word = word(finding.status);
        let blanks = " ".repeat(MARGIN - word.len());
        write!(out, "{}{blanks}", painted(finding.status, look))?;
        for (n, line) in broken(&sentence(finding), look.width).iter().enumerate() {
            let indent = if n == 0 { "" } else { &" ".repeat(MARGIN) };
            writeln!(out, "{indent}{line}")?;
        }
    }
    if look.quiet {
        return out.flush();
    }
    let count = |status| format!("{} {}", findings.count(status), word(status));
    writeln!(out, "\n{}, {}, {}", count(Status::Ok), count(Status::Warning), count(Status::Wrong))?;
    out.flush()
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Warning => "warning",
        Status::Wrong => "wrong",
    }
}

fn painted(status: Status, look: Looks) -> String {
    let style = Style::new().force_styling(look.colours);
    let style = match status {
        Status::Ok => style.green(),
        Status::Warning => style.yellow(),
        Status::Wrong => style.red().bold(),
    };
    style.apply_to(word(status)).to_string()
}

/// On one line, and harmless.
fn sentence(finding: &Finding) -> String {
    let Finding { about, found, fix, .. } = finding;
    let fix = fix.as_ref().map(|fix| format!(". {fix}")).unwrap_or_default();
    sanitize::line(&format!("{about}: {found}{fix}")).into_owned()
}

/// The text in lines of the width that is left. A word that is longer stays whole: it may be a path
/// that is to be copied.
fn broken(text: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width else { return vec![text.to_owned()] };
    let room = width.max(NARROWEST) - MARGIN;
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let columns = measure_text_width(word);
        let last = lines.last_mut().expect("there is one");
        if used > 0 && used + 1 + columns > room {
            lines.push(word.to_owned());
            used = columns;
        } else {
            if used > 0 {
                last.push(' ');
                used += 1;
            }
            last.push_str(word);
            used += columns;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(look: Looks) -> String {
        let mut findings = Findings::default();
        findings.ok(
            "store.version",
            "/var/lib/reports.sqlite",
            "it is of the version of this program",
        );
        findings.warning(
            "dns.dmarc.tags",
            "example.org",
            "the record is \u{1b}[31m\"v=DMARC1\" and says\nnothing of where reports are to \
             go, so none of them will ever come",
            "Add a tag rua= with your address: \
             例え.例え.例え.例え.例え.例え.例え.例え.例え.例え.例え.例え",
        );
        findings.wrong("maildir.rights", "/m", "new/ can't be read", "Run it as its owner");
        let mut out = Vec::new();
        write(&findings, look, &mut out).expect("written");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn lines_fit_into_80_columns_and_200() {
        insta::assert_snapshot!(shown(Looks { width: Some(80), ..Looks::default() }), @r#"
        ok       /var/lib/reports.sqlite: it is of the version of this program
        warning  example.org: the record is �[31m"v=DMARC1" and says�nothing of where
                 reports are to go, so none of them will ever come. Add a tag rua= with
                 your address:
                 例え.例え.例え.例え.例え.例え.例え.例え.例え.例え.例え.例え
        wrong    /m: new/ can't be read. Run it as its owner

        1 ok, 1 warning, 1 wrong
        "#);
        for width in [10, 80, 120, 200] {
            let text = shown(Looks { width: Some(width), ..Looks::default() });
            let columns = text.lines().map(measure_text_width).max();
            assert!(columns <= Some(width.max(80)), "{text}");
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(&text), words(&shown(Looks::default())));
        }
    }

    #[test]
    fn a_finding_is_one_harmless_line_where_it_is_piped() {
        let text = shown(Looks::default());
        assert_eq!(text.lines().count(), 3 + 2, "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.ends_with("\n1 ok, 1 warning, 1 wrong\n"), "{text}");
    }

    #[test]
    fn quiet_leaves_out_what_is_well() {
        let text = shown(Looks { quiet: true, ..Looks::default() });
        let words: Vec<_> = text.lines().map(|line| line.split(' ').next()).collect();
        assert_eq!(words, [Some("warning"), Some("wrong")]);
    }

    #[test]
    fn colours_are_in_the_words_in_front_only() {
        let text = shown(Looks { colours: true, ..Looks::default() });
        assert_eq!(text.matches('\u{1b}').count(), 2 * 3 + 1, "{text:?}");
        assert!(text.contains("\u{1b}[33mwarning\u{1b}[0m"), "{text:?}");
    }
}
