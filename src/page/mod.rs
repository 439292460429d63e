//! Page: what the store says, as web pages made here: HTML that needs no script, with CSV and JSON
//! of the same beside it. [`crate::mode`] has the command that serves it.
//!
//! The address says all that a page depends on ([`asked`]); a [`view`] is what can be asked for,
//! each in a file of its own with its template beside it. Texts out of reports are [`words::Said`],
//! which shows them harmlessly; the templates escape.

mod asked;
mod chart;
mod content;
mod domain;
mod failures;
mod frame;
mod groups;
mod guard;
mod home;
mod host;
mod incoming;
mod news;
mod policy;
mod report;
mod reports;
mod source;
mod standing;
mod store;
mod style;
mod tls;
mod trouble;
mod view;
mod words;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use jiff::Timestamp;
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout_at};
use tracing::{debug, error};

pub use self::store::PageStore;
use self::{
    asked::Asked,
    content::Written,
    frame::Place,
    news::KeptNews,
    store::Question,
    trouble::Trouble,
    view::{Form, View},
};
use crate::{answers::Answers, http::Bounds, maildir::Maildir, verdict::Mine};

/// How long a page may take to make.
const LIMIT: Duration = Duration::from_secs(10);

/// Pages that are made at a time. Each question uses all cores.
const AT_ONCE: usize = 4;

/// What browsers may cost. Those keep several connections each, and a page has three requests.
pub const BOUNDS: Bounds = Bounds {
    connections: 128,
    // Longer than the longest page.
    patience: Duration::from_secs(20),
    workers: 2 * AT_ONCE,
    farewell: Duration::from_secs(5),
};

/// The largest form that is sent here.
const MOST_BODY: usize = 16 << 10;

const ICON: &str = include_str!("icon.svg");

/// What the pages are made from.
#[derive(Debug)]
pub struct Page {
    /// Who is asked.
    pub store: PageStore,
    /// The path below which the pages are, without a slash at its end.
    pub base: String,
    /// Names by which they may be asked for, beside those of this machine itself.
    pub names: Vec<String>,
    /// Whose failed mails are listed.
    pub maildirs: Vec<Arc<Maildir>>,
    /// Whether it is shown what failure reports know of persons.
    pub shows_persons: bool,
}

/// What answers share.
struct Shared {
    page: Page,
    turns: Arc<Semaphore>,
    news: KeptNews,
}

impl Page {
    /// Everything that can be asked for.
    pub fn routes(self) -> Router {
        let base = self.base.clone();
        let mut pages = Router::new();
        for (view, form) in View::all() {
            let answer = move |State(shared): State<Arc<Shared>>, request: Request| async move {
                answer(&shared, view, form, request.uri().query().unwrap_or_default()).await
            };
            pages = pages.route(&view.path(form), get(answer));
        }
        let style = format!("/{}", *style::NAME);
        pages = pages
            .route(&style, get(|| async { file(style::SHEET, "text/css; charset=utf-8") }))
            .route("/icon.svg", get(|| async { file(ICON, "image/svg+xml") }));
        let pages = if base.is_empty() {
            pages
        } else {
            Router::new().nest(&base, pages.clone()).route(&format!("{base}/"), {
                get(move |State(shared): State<Arc<Shared>>, request: Request| async move {
                    let query = request.uri().query().unwrap_or_default();
                    answer(&shared, View::Home, Form::Page, query).await
                })
            })
        };
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let shared = Arc::new(Shared { page: self, turns, news: KeptNews::default() });
        pages
            .fallback(|State(shared): State<Arc<Shared>>| async move {
                refuse(&shared.page, &Trouble::NoPage)
            })
            .method_not_allowed_fallback(|State(shared): State<Arc<Shared>>| async move {
                refuse(&shared.page, &Trouble::NoMethod)
            })
            .layer(DefaultBodyLimit::max(MOST_BODY))
            .layer(middleware::from_fn_with_state(Arc::clone(&shared), guarded))
            .with_state(shared)
    }
}

/// Before and after every answer.
async fn guarded(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let answer = match guard::check(&request, &shared.page.names) {
        Ok(()) => next.run(request).await,
        Err(trouble) => refuse(&shared.page, &trouble),
    };
    guard::protect(answer)
}

/// Makes a page on a thread that may wait for the store.
async fn answer(shared: &Arc<Shared>, view: View, form: Form, query: &str) -> Response {
    let asked = match Asked::read(query) {
        Ok(asked) => asked,
        Err(mistake) => return refuse(&shared.page, &mistake.into()),
    };
    match made(shared, view, form, asked).await {
        Ok(written) => respond(StatusCode::OK, written),
        Err(trouble) => refuse(&shared.page, &trouble),
    }
}

async fn made(
    shared: &Arc<Shared>,
    view: View,
    form: Form,
    asked: Asked,
) -> Result<Written, Trouble> {
    let until = Instant::now() + LIMIT;
    let turn = timeout_at(until.into(), Arc::clone(&shared.turns).acquire_owned());
    let Ok(Ok(turn)) = turn.await else { return Err(Trouble::TooLate) };
    let started = Instant::now();
    let of_thread = Arc::clone(shared);
    let work = spawn_blocking(move || {
        let _turn = turn;
        let place = Place { base: &of_thread.page.base, now: Timestamp::now().as_second() };
        let Shared { page: Page { maildirs, shows_persons, .. }, news, .. } = &*of_thread;
        let shows_persons = *shows_persons;
        let question = Made { place, view, form, asked: &asked, maildirs, news, shows_persons };
        of_thread.page.store.ask(&question, until)
    });
    let written = match timeout_at(until.into(), work).await {
        Ok(Ok(written)) => written,
        Ok(Err(panic)) => Err(Trouble::Broken(panic.to_string())),
        Err(_) => Err(Trouble::TooLate),
    };
    debug!("{view:?} in {:.3} s", started.elapsed().as_secs_f64());
    written
}

/// A page that is to be made.
struct Made<'a> {
    place: Place<'a>,
    view: View,
    form: Form,
    asked: &'a Asked,
    maildirs: &'a [Arc<Maildir>],
    news: &'a KeptNews,
    shows_persons: bool,
}

impl Question for Made<'_> {
    type Made = Written;

    fn ask<A: Answers>(&self, answers: &A) -> Result<Written, Trouble>
    where
        Trouble: From<A::Error>,
    {
        let Made { place, form, asked, news, .. } = *self;
        let mine = &Mine::default();
        match self.view {
            View::Home => {
                content::write(&home::Home::ask(answers, place, asked, mine, news)?, form)
            }
            View::Domain => {
                content::write(&domain::DomainPage::ask(answers, place, asked, mine)?, form)
            }
            View::Sender | View::Address => {
                let view = self.view;
                content::write(&source::SourcePage::ask(answers, place, view, asked, mine)?, form)
            }
            View::Report => content::write(&report::ReportPage::ask(answers, place, asked)?, form),
            View::Tls => content::write(&tls::TlsPage::ask(answers, place, asked)?, form),
            View::Failures => content::write(
                &failures::FailuresPage::ask(answers, place, asked, self.shows_persons)?,
                form,
            ),
            View::Incoming => {
                let maildirs = self.maildirs;
                content::write(&incoming::Incoming::ask(answers, place, asked, maildirs)?, form)
            }
            View::Reports => {
                content::write(&reports::ReportList::ask(answers, place, asked)?, form)
            }
        }
    }
}

fn respond(status: StatusCode, written: Written) -> Response {
    let mut response = Response::new(Body::from(written.text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, written.content_type);
    response
}

fn refuse(page: &Page, trouble: &Trouble) -> Response {
    if let Some(reason) = trouble.reason() {
        error!("a page could not be made: {reason}");
    }
    let content_type = HeaderValue::from_static("text/html; charset=utf-8");
    let mut response =
        respond(trouble.status(), Written { text: trouble.page(&page.base), content_type });
    if matches!(trouble, Trouble::NoMethod) {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    let cache = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, cache);
    response
}

/// A file of our own. The name of one that may be kept for ever changes with it.
fn file(text: &'static str, content_type: &'static str) -> Response {
    let content_type = HeaderValue::from_static(content_type);
    let mut response = respond(StatusCode::OK, Written { text: text.into(), content_type });
    let cache = HeaderValue::from_static("public, max-age=31536000, immutable");
    response.headers_mut().insert(header::CACHE_CONTROL, cache);
    response
}
