//! Learned: which filters mean the domains and reporters that were met.

use std::collections::{HashMap, hash_map::Entry};

use foldhash::fast::RandomState;
use rusqlite::Result;

use super::{
    scan::{Lens, Scan},
    segment::Run,
};

/// Which lenses mean what was met, by the numbers of names.
#[derive(Default)]
pub(super) struct Learned {
    /// Runs of a domain,
    domains: HashMap<u64, Vec<usize>, RandomState>,
    /// and of a reporter besides.
    reporters: HashMap<(u64, u64), Vec<usize>, RandomState>,
}

impl Learned {
    /// The lenses that mean runs like this one; nothing if that was not learned.
    pub(super) fn of(&self, run: &Run) -> Option<&[usize]> {
        self.reporters.get(&(run.domain, run.organization)).map(Vec::as_slice)
    }
}

impl Scan<'_> {
    /// Learns the names of a segment's runs. True if any run is meant.
    pub(super) fn is_any_meant(&self, runs: &[Run]) -> Result<bool> {
        let is_any =
            |lens: &Lens| lens.filter.domains.is_any() && lens.filter.organizations.is_any();
        if self.lenses.iter().all(is_any) {
            return Ok(true);
        }
        let known = |learned: &Learned| {
            let meant = |run: &Run| Some(!learned.of(run)?.is_empty());
            // All are looked at, or one that is not known would be missed.
            runs.iter().map(meant).try_fold(false, |any, meant| Some(any | meant?))
        };
        let is_meant = known(&self.learned.read());
        if let Some(is_meant) = is_meant {
            return Ok(is_meant);
        }
        let mut learned = self.learned.write();
        runs.iter().try_for_each(|run| self.learn(&mut learned, run))?;
        Ok(known(&learned) == Some(true))
    }

    /// True if any filter means some reports on a domain.
    pub(super) fn is_domain_meant(&self, domain: u64) -> Result<bool> {
        if let Some(meant) = self.learned.read().domains.get(&domain) {
            return Ok(!meant.is_empty());
        }
        let mut learned = self.learned.write();
        Ok(!self.learn_domain(&mut learned, domain)?.is_empty())
    }

    /// Which filters mean a domain.
    fn learn_domain<'l>(&self, learned: &'l mut Learned, domain: u64) -> Result<&'l [usize]> {
        Ok(match learned.domains.entry(domain) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let name = self.naming.text(self.connection, domain)?.unwrap_or_default();
                let all = self.lenses.iter().enumerate();
                let meant = all.filter(|(_, lens)| lens.filter.lets_domain(&name));
                new.insert(meant.map(|(number, _)| number).collect())
            }
        })
    }

    /// Which filters mean a domain and a reporter.
    fn learn(&self, learned: &mut Learned, run: &Run) -> Result<()> {
        let Run { domain, organization, .. } = *run;
        if learned.of(run).is_some() {
            return Ok(());
        }
        let name = self.naming.text(self.connection, organization)?;
        let of_domain = self.learn_domain(learned, domain)?.iter().copied();
        let filter = |lens: &usize| self.lenses[*lens].filter;
        let meant = of_domain.filter(|lens| filter(lens).lets_organization(name.as_deref()));
        let meant = meant.collect();
        learned.reporters.insert((domain, organization), meant);
        Ok(())
    }
}
