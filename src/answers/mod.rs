//! Answers: the questions that a store of reports can be asked, and what it answers: who sends in a
//! domain's name, how its mail fares, over which time. Nothing here reads a store: [`Answers`] is
//! what each kind of store does in its own way ([`crate::sqlite`], [`crate::opensearch`]), with the
//! same result.
//!
//! A report belongs to a period if its own period begins in it: each report is counted in exactly
//! one of two periods that follow each other, which an overlap would not give.

mod below;
mod filter;
mod group;
mod history;
mod listed;
pub mod overview;
mod published;
pub(crate) mod recorded;
mod sessions;
mod sums;
mod tally;

pub use self::{
    below::NameBelow,
    filter::{Choice, Filter},
    group::{By, Group, Groups, Key, RawResult},
    history::{Day, Histories, History, Selector, Signs},
    listed::ListedReport,
    published::Published,
    sessions::TlsDay,
    tally::{Disposition, Dispositions, Evaluated, Messages, Outcome, Tally},
};
pub(crate) use self::{
    below::NamesBelow,
    history::Sign,
    listed::ListedReports,
    published::PublishedDays,
    sessions::TlsDays,
    sums::{FailureRow, FailureSums, TlsRow, TlsSums},
    tally::capped_sum,
};

pub use crate::senders::{
    Network, ParseNetworkError, Sender,
    domain::{is_at_or_below, lower as folded},
};

use std::{collections::HashMap, net::IpAddr};

use serde_json::Value;

use self::overview::{Dmarc, Domain, Failures, Overview, SendingServer, Tls};
use crate::{
    report::{Kind, aggregate::PolicyPublished},
    senders::Host,
};

/// How many raw results or ways to fail are told of one source or policy: the most frequent ones. A
/// stranger's report may name any number.
pub const DETAILS: usize = 10;

/// What names a DMARC or TLS report for a person. Two may have the same name, as a corrected one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReportName {
    /// DMARC or TLS.
    pub kind: Kind,
    /// Who reports, if the report says it.
    pub organization: Option<String>,
    /// The reporter's own id of it.
    pub report_id: String,
    /// When its period begins, in seconds since 1970.
    pub begin: i64,
}

/// A record or policy as OpenSearch has it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredDocument {
    /// `_id`: the report's key and what identifies the record in it.
    pub id: String,
    /// The document.
    pub source: Value,
}

/// What a store of reports can be asked. All answers are of one moment, even while reports come in.
pub trait Answers {
    /// Why there is no answer.
    type Error;

    /// Sums over the DMARC records of a filter.
    ///
    /// # Errors
    /// The store can't be read.
    fn totals(&self, filter: &Filter) -> Result<Tally, Self::Error>;

    /// The same by a property of the records: the `top` groups with most messages; of days all.
    ///
    /// # Errors
    /// The store can't be read.
    fn groups(&self, filter: &Filter, by: By, top: usize) -> Result<Groups, Self::Error>;

    /// What is known of each sender, as much as it takes to judge it: the `top` ones with most
    /// messages.
    ///
    /// # Errors
    /// The store can't be read.
    fn histories(&self, filter: &Filter, top: usize) -> Result<Histories, Self::Error>;

    /// [`totals`](Answers::totals) of each of these filters. A store may answer all of them at once.
    ///
    /// # Errors
    /// The store can't be read.
    fn totals_each(&self, filters: &[Filter]) -> Result<Vec<Tally>, Self::Error> {
        filters.iter().map(|filter| self.totals(filter)).collect()
    }

    /// [`groups`](Answers::groups) of each of these filters.
    ///
    /// # Errors
    /// The store can't be read.
    fn groups_each(
        &self,
        filters: &[Filter],
        by: By,
        top: usize,
    ) -> Result<Vec<Groups>, Self::Error> {
        filters.iter().map(|filter| self.groups(filter, by, top)).collect()
    }

    /// [`histories`](Answers::histories) of each of these filters.
    ///
    /// # Errors
    /// The store can't be read.
    fn histories_each(
        &self,
        filters: &[Filter],
        top: usize,
    ) -> Result<Vec<Histories>, Self::Error> {
        filters.iter().map(|filter| self.histories(filter, top)).collect()
    }

    /// [`histories`](Answers::histories) of each of these filters. Of the second ones nothing is
    /// needed of a sender but who it is, its tally and its days: a store may leave out the rest.
    ///
    /// # Errors
    /// The store can't be read.
    fn histories_and_days(
        &self,
        whole: &[Filter],
        days: &[Filter],
        top: usize,
    ) -> Result<(Vec<Histories>, Vec<Histories>), Self::Error> {
        Ok((self.histories_each(whole, top)?, self.histories_each(days, top)?))
    }

    /// [`policy`](Answers::policy) of each of these filters.
    ///
    /// # Errors
    /// The store can't be read.
    fn policy_each(&self, filters: &[Filter]) -> Result<Vec<Option<PolicyPublished>>, Self::Error> {
        filters.iter().map(|filter| self.policy(filter)).collect()
    }

    /// The policy that the newest report of the period, domains and reporters of a filter has; of
    /// several as new the first by reporter and report id.
    ///
    /// # Errors
    /// The store can't be read.
    fn policy(&self, filter: &Filter) -> Result<Option<PolicyPublished>, Self::Error>;

    /// TLS policies of the period and domains of a filter, the `top` ones with most sessions.
    ///
    /// # Errors
    /// The store can't be read.
    fn tls(&self, filter: &Filter, top: usize) -> Result<Tls, Self::Error>;

    /// Failure reports of the period and domains of a filter, the `top` domains with most messages.
    ///
    /// # Errors
    /// The store can't be read.
    fn failures(&self, filter: &Filter, top: usize) -> Result<Failures, Self::Error>;

    /// TLS sessions of the period, domains and reporters of a filter, day by day; days without a
    /// report are left out.
    ///
    /// # Errors
    /// The store can't be read.
    fn tls_days(&self, filter: &Filter) -> Result<Vec<TlsDay>, Self::Error>;

    /// The newest failure reports of the period, domains and sources of a filter, `most` of them,
    /// newest first, as documents. They name persons.
    ///
    /// # Errors
    /// The store can't be read.
    fn failure_reports(
        &self,
        filter: &Filter,
        most: usize,
    ) -> Result<Vec<StoredDocument>, Self::Error>;

    /// What is known of addresses; those of which nothing is are left out. Nothing is looked up.
    ///
    /// # Errors
    /// The store can't be read.
    fn hosts(&self, addresses: &[IpAddr]) -> Result<HashMap<IpAddr, Host>, Self::Error>;

    /// The records or policies of the reports of this name, in the order of their ids; no more than
    /// `most`.
    ///
    /// # Errors
    /// The store can't be read.
    fn report(&self, name: &ReportName, most: usize) -> Result<Vec<StoredDocument>, Self::Error>;

    /// The newest DMARC or TLS reports that have records or policies of a filter, `most` of them;
    /// of TLS by its period, domains and reporters only.
    ///
    /// # Errors
    /// The store can't be read.
    fn reports(
        &self,
        kind: Kind,
        filter: &Filter,
        most: usize,
    ) -> Result<Vec<ListedReport>, Self::Error>;

    /// How the policy changed in the period, as reports of its domains and reporters found it.
    ///
    /// # Errors
    /// The store can't be read.
    fn published(&self, filter: &Filter) -> Result<Vec<Published>, Self::Error>;

    /// The domains in From of the DMARC records of a period that are below the domain of their
    /// policy, which is exactly this one: the `top` ones with most messages that fail.
    ///
    /// # Errors
    /// The store can't be read.
    fn names_below(
        &self,
        filter: &Filter,
        domain: &str,
        top: usize,
    ) -> Result<Vec<NameBelow>, Self::Error>;

    /// When the newest report of any kind begins, among those of the domains of a filter, whatever
    /// else it says: in seconds since 1970.
    ///
    /// # Errors
    /// The store can't be read.
    fn newest(&self, filter: &Filter) -> Result<Option<i64>, Self::Error>;

    /// What `report` shows.
    ///
    /// # Errors
    /// The store can't be read.
    fn overview(&self, filter: &Filter, top: usize) -> Result<Overview, Self::Error> {
        let newest_of_all = self.newest(&Filter::default())?;
        let newest = if filter.domains.is_any() { newest_of_all } else { self.newest(filter)? };
        let domains = self.groups(filter, By::Domain, top)?;
        let sources = self.groups(filter, By::Address, top)?;
        Ok(Overview {
            dmarc: Dmarc {
                reports: domains.total.reports,
                messages: domains.total.messages,
                domains: domains.groups.into_iter().map(Domain::from).collect(),
                domains_omitted: domains.omitted,
                sources: sources.groups.into_iter().map(SendingServer::from).collect(),
                sources_omitted: sources.omitted,
            },
            tls: self.tls(filter, top)?,
            failure: self.failures(filter, top)?,
            newest,
            newest_of_all,
        })
    }
}
