//! Page: the digest as HTML, for mail programs: one table-free page with its style in it, and
//! nothing that is fetched. What comes out of reports is escaped, and its direction of writing kept
//! to itself.

use std::{borrow::Cow, fmt::Write};

use quick_xml::escape::escape;

use super::{
    Digest, buckets,
    text::{fared, name, reached},
};
use crate::{
    changes::Change,
    sanitize,
    verdict::{counted, number},
};

const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width\"><style>\
    body{font:16px/1.5 sans-serif;max-width:44em;margin:1em auto;padding:0 1em;color:#222;\
    background:#fff}h1{font-size:1.4em}h2{font-size:1.1em;margin-top:1.6em}\
    ul{padding-left:1.2em}.bad{border-left:4px solid #b00020;padding-left:.6em;list-style:none}\
    .todo,footer{color:#555}footer{font-size:.85em;margin-top:2em}\
    </style></head><body>\n";

impl Digest {
    pub(super) fn page(&self) -> String {
        let mut page = HEAD.to_owned();
        // Writing to a String can't fail.
        let _ = writeln!(page, "<h1>{}</h1><p>{}</p>", safe(&self.first_line()), self.days());
        page.push_str("<h2>What changed</h2>\n");
        if self.news.changes.is_empty() {
            page.push_str("<p>Nothing.</p>\n");
        } else {
            page.push_str("<ul>\n");
            self.shown_changes().for_each(|change| tell(change, &mut page));
            if self.more_changes() > 0 {
                let _ = writeln!(page, "<li>and {} more</li>", number(self.more_changes()));
            }
            page.push_str("</ul>\n");
        }
        let dmarc = &self.totals.dmarc;
        let reports = counted(dmarc.reports, "report");
        let messages = counted(dmarc.messages.messages, "message");
        let domains = dmarc.domains.iter().map(|domain| line(&domain.domain, &fared(domain)));
        list(&format!("DMARC: {reports}, {messages}"), domains, dmarc.domains_omitted, &mut page);
        let standings = self.news.standings.iter();
        let standings =
            standings.map(|standing| line(&standing.domain, &buckets(standing).join("; ")));
        list("Senders of the last 30 days", standings, self.news.omitted, &mut page);
        let tls = &self.totals.tls;
        let policies = tls.policies.iter().map(|one| line(&one.policy_domain, &reached(one)));
        let title = format!("SMTP TLS: {}", counted(tls.reports, "report"));
        list(&title, policies, tls.policies_omitted, &mut page);
        let _ = write!(
            page,
            "<h2>Single failures: {}</h2>\n<footer>Store {}, email-report-processor {}</footer>\
             </body></html>\n",
            counted(self.totals.failure.reports, "report"),
            safe(&self.store),
            env!("CARGO_PKG_VERSION")
        );
        page
    }
}

fn safe(text: &str) -> String {
    let line: Cow<str> = sanitize::line(text);
    escape(&*line).into_owned()
}

fn tell(change: &Change, page: &mut String) {
    let class = if change.needs_attention { " class=\"bad\"" } else { "" };
    let front = match change.domain.as_str() {
        "" => String::new(),
        domain => format!("<b><bdi>{}</bdi></b>: ", safe(domain)),
    };
    let _ = write!(page, "<li{class}>{front}<bdi>{}</bdi>", safe(&change.text));
    if !change.todo.is_empty() {
        let _ = write!(page, "<br><span class=\"todo\"><bdi>{}</bdi></span>", safe(&change.todo));
    }
    page.push_str("</li>\n");
}

fn line(domain: &str, text: &str) -> String {
    format!("<li><b><bdi>{}</bdi></b>: <bdi>{}</bdi></li>\n", safe(&name(domain)), safe(text))
}

fn list(title: &str, lines: impl Iterator<Item = String>, omitted: u64, page: &mut String) {
    let _ = writeln!(page, "<h2>{title}</h2>\n<ul>");
    lines.for_each(|line| page.push_str(&line));
    if omitted > 0 {
        let _ = writeln!(page, "<li>and {} more</li>", number(omitted));
    }
    page.push_str("</ul>\n");
}
