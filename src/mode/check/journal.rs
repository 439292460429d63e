//! Journal: the last lines that the services logged, as systemd's journal has them, without what
//! they say of mails.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::sanitize;

/// So many lines, of all services together.
const LINES: &str = "--lines=200";

/// The last lines, oldest first, or why there are none.
pub(super) fn last_lines() -> Value {
    let mut command = Command::new("journalctl");
    command.args([
        LINES,
        "--unit=email-report-processor*",
        "--output=json",
        "--no-pager",
        "--quiet",
    ]);
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).lines().filter_map(line).collect()
        }
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            sanitize::line(said.trim()).into_owned().into()
        }
        Err(error) => format!("journalctl: {error}").into(),
    }
}

/// One entry; nothing of one that is no text.
fn line(entry: &str) -> Option<Value> {
    let entry: Value = serde_json::from_str(entry).ok()?;
    let text = without_mail(entry["MESSAGE"].as_str()?);
    Some(json!({
        "microseconds": entry["__REALTIME_TIMESTAMP"],
        "unit": entry["_SYSTEMD_UNIT"],
        "priority": entry["PRIORITY"],
        "text": text,
    }))
}

/// A line up to the name of a mail's file, behind which stands what the mail says of itself; of
/// what was stored, only that something was.
fn without_mail(text: &str) -> String {
    const STORED: &str = "stored ";
    if text.starts_with(STORED) {
        return format!("{STORED}…");
    }
    let folder = ["/new/", "/cur/"].iter().filter_map(|name| text.find(name)).min();
    match folder {
        Some(at) => {
            let name = at + "/new/".len();
            let rest = &text[name..];
            format!("{}…", &text[..name + rest.find(char::is_whitespace).unwrap_or(rest.len())])
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_mail_only_its_file_is_named() {
        for (text, expected) in [
            ("watching maildir=/home/x/.Reports", "watching maildir=/home/x/.Reports"),
            ("/m/new/1.x (\"secret\" from a@b) holds no report; moved", "/m/new/1.x…"),
            ("/m/cur/1.x:2,S: secret in /new/x", "/m/cur/1.x:2,S:…"),
            ("/m/new/1", "/m/new/1…"),
            ("stored google.com → example.org, 12 records", "stored …"),
        ] {
            assert_eq!(without_mail(text), expected);
        }
    }

    #[test]
    fn a_line_that_is_no_text_is_left_out() {
        assert_eq!(line(r#"{"MESSAGE":[1,2]}"#), None);
        let entry =
            r#"{"MESSAGE":"a","PRIORITY":"6","_SYSTEMD_UNIT":"u","__REALTIME_TIMESTAMP":"1"}"#;
        let expected = json!({"text": "a", "priority": "6", "unit": "u", "microseconds": "1"});
        assert_eq!(line(entry), Some(expected));
    }
}
