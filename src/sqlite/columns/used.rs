//! Used: which names and addresses the columns speak of.

use std::{collections::HashSet, iter, net::IpAddr};

use foldhash::fast::RandomState;
use rusqlite::{Connection, Result};

use super::{
    combination::Combination,
    numbers::Broken,
    segment::{Needed, Segment, broken},
};

/// What may be unused: numbers of names, and addresses.
#[derive(Debug, Default)]
pub(in crate::sqlite) struct Unused {
    pub(in crate::sqlite) names: HashSet<u64, RandomState>,
    pub(in crate::sqlite) addresses: HashSet<IpAddr, RandomState>,
}

impl Unused {
    /// Strikes out what the columns speak of.
    pub(in crate::sqlite) fn strike_out_columns(&mut self, connection: &Connection) -> Result<()> {
        let needed = Needed { addresses: !self.addresses.is_empty(), ..Needed::ALL };
        let sql = format!("SELECT runs, {} FROM dmarc_columns", needed.columns());
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            self.strike_out(&Segment::read(row, needed)?).map_err(broken)?;
        }
        Ok(())
    }

    fn strike_out(&mut self, segment: &Segment) -> Result<(), Broken> {
        let Unused { names, addresses } = self;
        for run in &segment.runs {
            names.remove(&run.domain);
            names.remove(&run.organization);
            names.remove(&run.policy);
        }
        for combination in segment.combinations.iter() {
            let Combination { from, spf, dkim, reasons } = Combination::read(combination)?;
            let dkim = dkim
                .into_iter()
                .flat_map(|[domain, rest @ ..]| iter::once(domain >> 1).chain(rest));
            let reasons = reasons.into_iter().map(|[kind, _]| kind);
            for name in
                iter::once(from >> 1).chain(spf.into_iter().flatten()).chain(dkim).chain(reasons)
            {
                names.remove(&name);
            }
        }
        for v4 in &segment.v4 {
            addresses.remove(&IpAddr::V4((*v4).into()));
        }
        for v6 in &segment.v6 {
            addresses.remove(&IpAddr::V6((*v6).into()));
        }
        Ok(())
    }
}
