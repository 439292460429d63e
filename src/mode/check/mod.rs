//! Check: the mode that says in plain words what is wrong with a set-up, and how to mend it. It
//! changes nothing: no file is made, nothing is sent to a store but questions, and a lock that is
//! tried is let go at once.

mod bundle;
mod dns;
mod events;
mod finding;
mod journal;
mod maildir;
mod opensearch;
mod space;
mod sqlite;
mod text;

use std::{
    io::{self, Write},
    path::Path,
};

use jiff::Timestamp;
use serde::Serialize;

use self::{
    finding::{Finding, Findings, Status},
    text::Looks,
};
use super::print;
use crate::{
    cli::CheckFlags,
    config::{Config, Purpose, Typed},
    exit::{Exit, Failure},
    ingest::counted,
    sanitize,
    sink::Destination,
    terminal::Terminal,
};

/// Everything that `--json` gives; the names are a promise.
#[derive(Serialize)]
struct CheckJson<'f> {
    status: Status,
    findings: &'f [Finding],
}

pub(super) fn run(flags: &CheckFlags, typed: &Typed) -> Result<Exit, Failure> {
    let domains = dns::domains(flags)?;
    let mut findings = Findings::default();
    let config = settings(typed, &mut findings);
    maildir::check_all(&flags.maildirs, config.as_ref(), &mut findings);
    let said = typed.shared.settings.dns_server;
    let dns_server = config.as_ref().map_or(said, |config| config.dns_server);
    let mut rows = None;
    match config.as_ref().map(|config| &config.store) {
        Some(Destination::OpenSearch(config)) => opensearch::check(config, &mut findings),
        Some(Destination::Sqlite(file)) => rows = sqlite::check(file, &mut findings),
        Some(Destination::NdJson(file)) => lines(file.as_deref(), &mut findings),
        Some(Destination::Nothing) | None => {}
    }
    dns::check_all(&domains, dns_server, flags, &mut findings);
    show(&findings, flags.json, typed.shared.quiet)?;
    if let Some(file) = &flags.bundle {
        let rows = rows.as_ref();
        bundle::write(file, &flags.maildirs, typed, config.as_ref(), rows, &findings)?;
    }
    Ok(findings.exit())
}

fn show(findings: &Findings, json: bool, quiet: bool) -> Result<(), Failure> {
    let mut text = Vec::new();
    if json {
        let answer = CheckJson { status: findings.status(), findings: findings.all() };
        let json = serde_json::to_string_pretty(&answer).map_err(io::Error::other)?;
        writeln!(text, "{}", sanitize::json(&json))?;
    } else {
        let Terminal { width, colours, .. } = Terminal::of_stdout();
        text::write(findings, Looks { width, colours, quiet }, &mut text)?;
    }
    print(&text)?;
    Ok(())
}

/// Makes sense of the settings, or says why that is impossible.
fn settings(typed: &Typed, findings: &mut Findings) -> Option<Config> {
    let file = typed.file().map_or("no settings file".into(), |file| file.display().to_string());
    let config = typed.config(&Purpose::default());
    match config.and_then(|config| config.check_storing().map(|()| config)) {
        Ok(config) => {
            findings.ok("settings", &file, format!("the store is {}", config.store));
            Some(config)
        }
        Err(error) => {
            let fix = "Correct it; until then nothing is stored";
            findings.wrong("settings", &file, error.to_string(), fix);
            None
        }
    }
}

/// A store of JSON lines.
fn lines(file: Option<&Path>, findings: &mut Findings) {
    let Some(file) = file else {
        return findings.ok("store.rights", "standard output", "lines go to whoever reads it");
    };
    let about = file.display().to_string();
    if let Some((found, fix)) = space::not_writable(file, false) {
        return findings.wrong("store.rights", &about, found, fix);
    }
    findings.ok("store.rights", &about, "it can be written");
    space::check(file, &about, findings);
}

/// How long ago a second was, in the largest unit that fits twice.
fn age(second: i64, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(second);
    let units = [("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)];
    let Ok(seconds) = u64::try_from(seconds) else { return "in the future".into() };
    let fits = units.into_iter().find(|(_, length)| seconds >= 2 * length);
    let (unit, length) = fits.unwrap_or(("second", 1));
    format!("{} ago", counted(seconds / length, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_the_largest_unit_that_fits_twice() {
        let now = Timestamp::from_second(10_000_000).expect("a time");
        for (seconds, expected) in [
            (0, "0 seconds ago"),
            (1, "1 second ago"),
            (119, "119 seconds ago"),
            (120, "2 minutes ago"),
            (7200, "2 hours ago"),
            (86_400, "24 hours ago"),
            (172_800, "2 days ago"),
            (-5, "in the future"),
        ] {
            assert_eq!(age(10_000_000 - seconds, now), expected);
        }
        assert_eq!(age(i64::MIN, now), age(i64::MIN + 1, now));
    }
}
