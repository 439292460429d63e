//! `alert`: tells what is new of what needs a person, once. For a timer; `watch` does the same
//! after it has stored.

use std::sync::Arc;

use jiff::Timestamp;
use tracing::info;

use super::print;
use crate::{
    alerts,
    cli::AlertFlags,
    config::{Purpose, Typed},
    exit::{Exit, Failure},
    ingest::counted,
    stop::Stop,
};

pub(super) fn run(flags: &AlertFlags, typed: &Typed) -> Result<Exit, Failure> {
    let config = typed.config(&Purpose::default())?;
    if !alerts::is_wanted(&config) && !flags.dry_run {
        return Err(Failure::usage(
            "nobody is told; say --mail-to ADDRESS or --alert-command FILE, or --dry-run",
        ));
    }
    let stop = Arc::new(Stop::default());
    stop.on_signals(false)?;
    let now = Timestamp::now();
    let moment = flags.at.map_or_else(|| now.as_second(), |at| at.begin(now));
    let looked = alerts::tell(&config, moment, flags.dry_run, &stop)?;
    if flags.dry_run {
        let lines: String =
            looked.tellings.iter().map(|telling| alerts::line(telling) + "\n").collect();
        return print(lines.as_bytes());
    }
    match looked.tellings.len() as u64 {
        0 if looked.untold.is_empty() => info!("nothing new to tell"),
        0 => {}
        new => info!("{} told", counted(new, "alert")),
    }
    looked.trouble().map_or(Ok(Exit::Ok), Err)
}
