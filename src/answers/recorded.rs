//! Recorded: questions with what a store answered, so that who asks the same again need not ask it.

use std::{
    cell::RefCell,
    collections::HashMap,
    fmt::{self, Write},
    net::IpAddr,
    slice,
};

use super::{
    Answers, By, Filter, Groups, Histories, ListedReport, NameBelow, Published, ReportName,
    StoredDocument, Tally, TlsDay,
    overview::{Failures, Tls},
};
use crate::{
    report::{Kind, aggregate::PolicyPublished},
    senders::Host,
};

/// A question of [`Answers`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asking {
    Totals(Vec<Filter>),
    Groups(Vec<Filter>, By, usize),
    /// Whole ones, and those of which days are enough.
    Histories([Vec<Filter>; 2], usize),
    Policy(Vec<Filter>),
    Tls(Filter, usize),
    Failures(Filter, usize),
    TlsDays(Filter),
    FailureReports(Filter, usize),
    Hosts(Vec<IpAddr>),
    Report(ReportName, usize),
    Reports(Kind, Filter, usize),
    Published(Filter),
    NamesBelow(Filter, String, usize),
    Newest(Filter),
}

/// What is answered to it: the variant of the same name.
#[derive(Clone, Debug)]
pub(crate) enum Answered {
    Totals(Vec<Tally>),
    Groups(Vec<Groups>),
    Histories([Vec<Histories>; 2]),
    Policy(Vec<Option<PolicyPublished>>),
    Tls(Tls),
    Failures(Failures),
    TlsDays(Vec<TlsDay>),
    FailureReports(Vec<StoredDocument>),
    Hosts(HashMap<IpAddr, Host>),
    Report(Vec<StoredDocument>),
    Reports(Vec<ListedReport>),
    Published(Vec<Published>),
    NamesBelow(Vec<NameBelow>),
    Newest(Option<i64>),
}

impl Asking {
    /// Asks a store.
    fn ask<A: Answers>(&self, store: &A) -> Result<Answered, A::Error> {
        Ok(match self {
            Asking::Totals(filters) => Answered::Totals(store.totals_each(filters)?),
            Asking::Groups(filters, by, top) => {
                Answered::Groups(store.groups_each(filters, *by, *top)?)
            }
            Asking::Histories([whole, days], top) => {
                Answered::Histories(store.histories_and_days(whole, days, *top)?.into())
            }
            Asking::Policy(filters) => Answered::Policy(store.policy_each(filters)?),
            Asking::Tls(filter, top) => Answered::Tls(store.tls(filter, *top)?),
            Asking::Failures(filter, top) => Answered::Failures(store.failures(filter, *top)?),
            Asking::TlsDays(filter) => Answered::TlsDays(store.tls_days(filter)?),
            Asking::FailureReports(filter, most) => {
                Answered::FailureReports(store.failure_reports(filter, *most)?)
            }
            Asking::Hosts(addresses) => Answered::Hosts(store.hosts(addresses)?),
            Asking::Report(name, most) => Answered::Report(store.report(name, *most)?),
            Asking::Reports(kind, filter, most) => {
                Answered::Reports(store.reports(*kind, filter, *most)?)
            }
            Asking::Published(filter) => Answered::Published(store.published(filter)?),
            Asking::NamesBelow(filter, domain, top) => {
                Answered::NamesBelow(store.names_below(filter, domain, *top)?)
            }
            Asking::Newest(filter) => Answered::Newest(store.newest(filter)?),
        })
    }
}

/// What was asked of one moment of a store.
#[derive(Debug, Default)]
pub(crate) struct AnswerRecord {
    all: Vec<(Asking, Answered)>,
    /// No less than it takes in memory, as nearly as its text tells.
    pub(crate) bytes: usize,
}

/// It was not asked.
#[derive(Debug)]
pub(crate) struct NotRecorded;

/// Who answers.
pub(crate) trait Respondent {
    type Error;

    /// The variant of the same name.
    fn answer(&self, asking: Asking) -> Result<Answered, Self::Error>;
}

/// A store, and what it was asked.
pub(crate) struct Recorder<'a, A> {
    store: &'a A,
    record: RefCell<AnswerRecord>,
}

impl<'a, A: Answers> Recorder<'a, A> {
    pub(crate) fn new(store: &'a A) -> Recorder<'a, A> {
        Recorder { store, record: RefCell::default() }
    }

    pub(crate) fn finish(self) -> AnswerRecord {
        self.record.into_inner()
    }
}

impl<A: Answers> Respondent for &Recorder<'_, A> {
    type Error = A::Error;

    fn answer(&self, asking: Asking) -> Result<Answered, A::Error> {
        let answered = asking.ask(self.store)?;
        let mut record = self.record.borrow_mut();
        let mut counted = Counted(0);
        // Nothing refuses it.
        let _ = write!(counted, "{asking:?}{answered:?}");
        record.bytes += counted.0 + size_of::<(Asking, Answered)>();
        record.all.push((asking, answered.clone()));
        Ok(answered)
    }
}

/// Bytes of a text that is not kept.
struct Counted(usize);

impl Write for Counted {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

impl Respondent for &AnswerRecord {
    type Error = NotRecorded;

    fn answer(&self, asking: Asking) -> Result<Answered, NotRecorded> {
        let found = self.all.iter().find(|(asked, _)| *asked == asking);
        found.map(|(_, answered)| answered.clone()).ok_or(NotRecorded)
    }
}

/// Who answers, asked as a store is.
pub(crate) struct Recorded<R>(pub(crate) R);

macro_rules! answer {
    ($respondent:expr, $kind:ident $asked:tt) => {
        match $respondent.answer(Asking::$kind $asked)? {
            Answered::$kind(answer) => Ok(answer),
            other => unreachable!("another question's answer: {other:?}"),
        }
    };
}

impl<R: Respondent> Answers for Recorded<R> {
    type Error = R::Error;

    fn totals(&self, filter: &Filter) -> Result<Tally, R::Error> {
        Ok(only(self.totals_each(slice::from_ref(filter))?))
    }

    fn groups(&self, filter: &Filter, by: By, top: usize) -> Result<Groups, R::Error> {
        Ok(only(self.groups_each(slice::from_ref(filter), by, top)?))
    }

    fn histories(&self, filter: &Filter, top: usize) -> Result<Histories, R::Error> {
        Ok(only(self.histories_each(slice::from_ref(filter), top)?))
    }

    fn totals_each(&self, filters: &[Filter]) -> Result<Vec<Tally>, R::Error> {
        answer!(self.0, Totals(filters.to_vec()))
    }

    fn groups_each(&self, filters: &[Filter], by: By, top: usize) -> Result<Vec<Groups>, R::Error> {
        answer!(self.0, Groups(filters.to_vec(), by, top))
    }

    fn histories_each(&self, filters: &[Filter], top: usize) -> Result<Vec<Histories>, R::Error> {
        Ok(self.histories_and_days(filters, &[], top)?.0)
    }

    fn histories_and_days(
        &self,
        whole: &[Filter],
        days: &[Filter],
        top: usize,
    ) -> Result<(Vec<Histories>, Vec<Histories>), R::Error> {
        answer!(self.0, Histories([whole.to_vec(), days.to_vec()], top)).map(Into::into)
    }

    fn policy(&self, filter: &Filter) -> Result<Option<PolicyPublished>, R::Error> {
        Ok(only(self.policy_each(slice::from_ref(filter))?))
    }

    fn policy_each(&self, filters: &[Filter]) -> Result<Vec<Option<PolicyPublished>>, R::Error> {
        answer!(self.0, Policy(filters.to_vec()))
    }

    fn tls(&self, filter: &Filter, top: usize) -> Result<Tls, R::Error> {
        answer!(self.0, Tls(filter.clone(), top))
    }

    fn failures(&self, filter: &Filter, top: usize) -> Result<Failures, R::Error> {
        answer!(self.0, Failures(filter.clone(), top))
    }

    fn tls_days(&self, filter: &Filter) -> Result<Vec<TlsDay>, R::Error> {
        answer!(self.0, TlsDays(filter.clone()))
    }

    fn failure_reports(
        &self,
        filter: &Filter,
        most: usize,
    ) -> Result<Vec<StoredDocument>, R::Error> {
        answer!(self.0, FailureReports(filter.clone(), most))
    }

    fn hosts(&self, addresses: &[IpAddr]) -> Result<HashMap<IpAddr, Host>, R::Error> {
        answer!(self.0, Hosts(addresses.to_vec()))
    }

    fn report(&self, name: &ReportName, most: usize) -> Result<Vec<StoredDocument>, R::Error> {
        answer!(self.0, Report(name.clone(), most))
    }

    fn reports(
        &self,
        kind: Kind,
        filter: &Filter,
        most: usize,
    ) -> Result<Vec<ListedReport>, R::Error> {
        answer!(self.0, Reports(kind, filter.clone(), most))
    }

    fn published(&self, filter: &Filter) -> Result<Vec<Published>, R::Error> {
        answer!(self.0, Published(filter.clone()))
    }

    fn names_below(
        &self,
        filter: &Filter,
        domain: &str,
        top: usize,
    ) -> Result<Vec<NameBelow>, R::Error> {
        answer!(self.0, NamesBelow(filter.clone(), domain.to_owned(), top))
    }

    fn newest(&self, filter: &Filter) -> Result<Option<i64>, R::Error> {
        answer!(self.0, Newest(filter.clone()))
    }
}

/// What was answered to the one filter.
fn only<T>(answers: Vec<T>) -> T {
    answers.into_iter().next().expect("an answer to each filter")
}
