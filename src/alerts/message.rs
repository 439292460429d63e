//! Message: alerts in words, for a mail, and as JSON, for a command.

use std::fmt::Write;

use quick_xml::escape::escape;
use serde_json::{Value, json};

use crate::{
    changes::situations::{Telling, Turn},
    moment::day,
    post::{Letter, TOLD_AT_MOST},
    report::rfc3339,
    sanitize,
    verdict::{counted, number},
};

/// What a person reads of a turn.
pub(crate) fn word(turn: Turn) -> &'static str {
    match turn {
        Turn::Opened => "new",
        Turn::Worse => "worse",
        Turn::Closed => "over",
    }
}

/// A telling in a line, without what to do.
pub(crate) fn line(telling: &Telling) -> String {
    let change = &telling.change;
    let front = match change.domain.as_str() {
        "" => String::new(),
        domain => format!("{domain}: "),
    };
    let since = match telling.turn {
        Turn::Opened => String::new(),
        Turn::Worse => format!(" It is so since {}.", day(telling.opened)),
        Turn::Closed => format!(" It was so since {}, and is over.", day(telling.opened)),
    };
    sanitize::line(&format!("{}: {front}{}{since}", word(telling.turn), change.text)).into_owned()
}

pub(super) fn letter(tellings: &[Telling], store: &str) -> Letter {
    let subject = match tellings {
        [one] => {
            let domain = match one.change.domain.as_str() {
                "" => one.change.who.as_str(),
                domain => domain,
            };
            format!("{} {}: {}", word(one.turn), domain, one.change.kind)
        }
        many => format!("DMARC and TLS reports: {}", counted(many.len() as u64, "alert")),
    };
    let (mut text, mut html) = (String::new(), HEAD.to_owned());
    for telling in &tellings[..tellings.len().min(TOLD_AT_MOST)] {
        let (line, todo) = (line(telling), sanitize::line(&telling.change.todo));
        // Writing to a String can't fail.
        let _ = writeln!(text, "{line}");
        let _ = write!(html, "<p><bdi>{}</bdi>", escape(line.as_str()));
        if !todo.is_empty() {
            let _ = writeln!(text, "    {todo}");
            let _ = write!(html, "<br><i><bdi>{}</bdi></i>", escape(&*todo));
        }
        text.push('\n');
        html.push_str("</p>\n");
    }
    let more = tellings.len().saturating_sub(TOLD_AT_MOST) as u64;
    if more > 0 {
        let _ = writeln!(text, "and {} more\n", number(more));
        let _ = writeln!(html, "<p>and {} more</p>", number(more));
    }
    let store = sanitize::line(store);
    let _ = write!(text, "--\nStore {store}\n");
    let _ = writeln!(html, "<p><small>Store {}</small></p></body></html>", escape(&*store));
    Letter { subject: sanitize::line(&subject).into_owned(), text, html }
}

const HEAD: &str =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"></head><body>\n";

/// The names are a promise.
pub(super) fn json(tellings: &[Telling], store: &str) -> String {
    let all: Vec<Value> = tellings
        .iter()
        .map(|telling| {
            let change = &telling.change;
            json!({
                "turn": telling.turn,
                "since": rfc3339(telling.opened),
                "kind": change.kind,
                "domain": change.domain,
                "who": change.who,
                "needs_attention": change.needs_attention,
                "grade": change.grade,
                "text": change.text,
                "todo": change.todo,
            })
        })
        .collect();
    let json = json!({ "store": store, "situations": all }).to_string();
    format!("{}\n", sanitize::json(&json))
}
