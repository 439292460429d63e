//! Flags: what was typed, made into what is asked.

use std::io;

use super::{Again, AskedPeriod, ReportError, ReportOptions, Source, run};
use crate::{
    answers::By,
    cli::{PeriodFlags, ReportFlags, ReportFormat},
    config::{self, Purpose, Typed},
    exit::{Exit, Failure},
    sink::Destination,
    terminal::Terminal,
};

/// Asks the store that the settings name, and writes the answer to standard output.
///
/// # Errors
/// The store can't be asked, or the answer can't be written.
pub(in crate::mode) fn show(
    flags: ReportFlags,
    typed: &Typed,
    is_quiet: bool,
) -> Result<Exit, Failure> {
    let config = typed.config(&Purpose::default())?;
    let (operators, mine) = (config.operators()?, config.mine()?);
    let store = match config.store {
        Destination::Sqlite(store) => Source::File(store),
        Destination::OpenSearch(config) => Source::Cluster(Box::new(config)),
        Destination::NdJson(_) | Destination::Nothing => {
            return Err(Destination::unreadable("report"));
        }
    };
    let ReportFlags { period, all_time, filter, by, format, json, top, fail_on } = flags;
    let PeriodFlags { since, until } = period;
    let is_usual = since.is_none() && until.is_none() && !all_time;
    let options = ReportOptions {
        store,
        period: if is_usual { AskedPeriod::Usual } else { AskedPeriod::Given { since, until } },
        filter: filter.filter(),
        by: by.map(By::from),
        format: if json { ReportFormat::Json } else { format },
        top,
        places: config::well_known_stores(),
        terminal: Terminal::of_stdout(),
        operators,
        mine,
        again: Again::typed(typed.matches),
        fail_on,
        is_quiet,
    };
    match run(&options, &mut io::BufWriter::new(io::stdout().lock())) {
        // Whoever reads it has seen enough.
        Err(ReportError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Ok),
        result => Ok(result?),
    }
}
