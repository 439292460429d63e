//! Making: how a page comes to be: by what the store answers, or by what it answered before.

use std::{sync::Arc, time::Instant};

use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout_at};
use tracing::debug;

use super::{
    LIMIT, Page, Shared,
    access::Visitor,
    asked::Asked,
    content::{self, Written},
    domain, failures,
    frame::Place,
    home, incoming,
    kept::{Kept, may_be_kept},
    mine::Claims,
    news::KeptNews,
    report, reports, source,
    store::Question,
    tls,
    trouble::Trouble,
    view::{Form, View},
};
use crate::{
    answers::{
        Answers,
        recorded::{AnswerRecord, Recorded, Recorder},
    },
    verdict::Mine,
};

/// By answers that are kept, or by those of the store.
pub(super) async fn made(
    shared: &Arc<Shared>,
    view: View,
    form: Form,
    asked: Asked,
    visitor: Visitor,
) -> Result<Written, Trouble> {
    let wanted = Instant::now();
    let until = wanted + LIMIT;
    let shelf = shared.kept.shelf(view, &asked);
    let page = Arc::new(WantedPage { view, form, asked, visitor });
    let mut tried: Option<Arc<Kept>> = None;
    loop {
        let held = timeout_at(until.into(), Arc::clone(&shelf).lock_owned()).await;
        let mut held = held.map_err(|_| Trouble::TooLate)?;
        let kept = held.clone();
        let kept = kept.filter(|kept| !tried.as_ref().is_some_and(|old| Arc::ptr_eq(old, kept)));
        let (of_thread, page) = (Arc::clone(shared), Arc::clone(&page));
        let Some(kept) = kept else {
            // Held until there are answers, even if the one who asks has gone meanwhile.
            let work = move || page.ask(&of_thread, until, &mut held);
            return on_thread(&shared.turns, until, work).await;
        };
        drop(held);
        tried = Some(Arc::clone(&kept));
        let work = move || page.again(&of_thread, wanted, &kept);
        match on_thread(&shared.quick_turns, until, work).await {
            Err(Trouble::NotKept) => {}
            made => return made,
        }
    }
}

/// Makes a page when it is its turn.
async fn on_thread(
    turns: &Arc<Semaphore>,
    until: Instant,
    make: impl FnOnce() -> Result<Written, Trouble> + Send + 'static,
) -> Result<Written, Trouble> {
    let turn = timeout_at(until.into(), Arc::clone(turns).acquire_owned());
    let Ok(Ok(turn)) = turn.await else { return Err(Trouble::TooLate) };
    let work = spawn_blocking(move || {
        let _turn = turn;
        make()
    });
    match timeout_at(until.into(), work).await {
        Ok(Ok(written)) => written,
        Ok(Err(panic)) => Err(Trouble::Broken(panic.to_string())),
        Err(_) => Err(Trouble::TooLate),
    }
}

/// What somebody asks for.
struct WantedPage {
    view: View,
    form: Form,
    asked: Asked,
    visitor: Visitor,
}

impl WantedPage {
    /// By what the store answers, which is kept.
    fn ask(
        &self,
        shared: &Shared,
        until: Instant,
        held: &mut Option<Arc<Kept>>,
    ) -> Result<Written, Trouble> {
        let started = Instant::now();
        let moment = shared.kept.moment(&shared.page.store);
        let mine = shared.page.mine()?;
        let made = shared.page.store.ask(&Recording(self.made(shared, &mine)), until);
        debug!("{:?} in {:.3} s", self.view, started.elapsed().as_secs_f64());
        let record = made.as_ref().ok().map(|(_, record)| record.bytes);
        let bytes = record.filter(|bytes| may_be_kept(self.view, *bytes) && moment.is_some());
        shared.kept.weigh(self.view, &self.asked, bytes.unwrap_or(0));
        let (written, record) = made?;
        *held = moment
            .filter(|_| bytes.is_some())
            .map(|moment| Arc::new(Kept::new(record, moment, started)));
        Ok(written)
    }

    /// By what the store answered before, as long as that is good.
    fn again(&self, shared: &Shared, wanted: Instant, kept: &Kept) -> Result<Written, Trouble> {
        if !shared.kept.is_good(kept, wanted, &shared.page.store) {
            return Err(Trouble::NotKept);
        }
        let mine = shared.page.mine()?;
        self.made(shared, &mine).ask(&Recorded(&kept.record))
    }

    fn made<'a>(&'a self, shared: &'a Shared, mine: &'a Mine) -> Made<'a> {
        let Shared { page, news, .. } = shared;
        let place = shared.place(Some(&self.visitor));
        Made { place, view: self.view, form: self.form, asked: &self.asked, page, mine, news }
    }
}

/// A page that is to be made, and what the store answers for it.
struct Recording<'a>(Made<'a>);

impl Question for Recording<'_> {
    type Made = (Written, AnswerRecord);

    fn ask<A: Answers>(&self, answers: &A) -> Result<(Written, AnswerRecord), Trouble>
    where
        Trouble: From<A::Error>,
    {
        let recorder = Recorder::new(answers);
        let written = self.0.ask(&Recorded(&recorder))?;
        Ok((written, recorder.finish()))
    }
}

/// A page that is to be made.
struct Made<'a> {
    place: Place<'a>,
    view: View,
    form: Form,
    asked: &'a Asked,
    page: &'a Page,
    mine: &'a Mine,
    news: &'a KeptNews,
}

impl Question for Made<'_> {
    type Made = Written;

    fn ask<A: Answers>(&self, answers: &A) -> Result<Written, Trouble>
    where
        Trouble: From<A::Error>,
    {
        let Made { place, form, asked, mine, news, page, .. } = *self;
        let claims = Claims { mine, may_edit: place.edits };
        match self.view {
            View::Home => {
                content::write(&home::Home::ask(answers, place, asked, mine, news)?, form)
            }
            View::Domain => {
                content::write(&domain::DomainPage::ask(answers, place, asked, claims)?, form)
            }
            View::Sender | View::Address => {
                let view = self.view;
                content::write(&source::SourcePage::ask(answers, place, view, asked, claims)?, form)
            }
            View::Report => content::write(&report::ReportPage::ask(answers, place, asked)?, form),
            View::Tls => content::write(&tls::TlsPage::ask(answers, place, asked)?, form),
            View::Failures => content::write(
                &failures::FailuresPage::ask(answers, place, asked, page.shows_persons)?,
                form,
            ),
            View::Incoming => {
                let maildirs = &page.maildirs;
                content::write(&incoming::Incoming::ask(answers, place, asked, maildirs)?, form)
            }
            View::Reports => {
                content::write(&reports::ReportList::ask(answers, place, asked)?, form)
            }
        }
    }
}
