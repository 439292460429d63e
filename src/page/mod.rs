//! Page: what the store says, as web pages made here: HTML that needs no script, with CSV and JSON
//! of the same beside it. [`crate::mode`] has the command that serves it.
//!
//! The address says all that a page depends on ([`asked`]); a [`view`] is what can be asked for,
//! each in a file of its own with its template beside it. Texts out of reports are [`words::Said`],
//! which shows them harmlessly; the templates escape.

mod access;
mod asked;
mod chart;
mod content;
mod denial;
mod domain;
mod entrance;
mod failures;
mod form;
mod frame;
mod groups;
mod guard;
mod home;
mod host;
mod incoming;
mod kept;
mod log_in;
mod making;
mod mine;
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

use std::{path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware,
    response::Response,
    routing::get,
};
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tracing::error;

use self::{
    access::Visitor,
    asked::Asked,
    content::Written,
    denial::Denial,
    entrance::{HasForm, visitor},
    frame::Place,
    kept::KeptAnswers,
    log_in::Waiting,
    making::made,
    news::KeptNews,
    trouble::Trouble,
    view::{Form, View},
};
pub use self::{
    access::{Access, Door, Role, Users, password_line},
    store::PageStore,
};
use crate::{http::Bounds, lookup, maildir::Maildir, verdict::Mine};

/// How long a page may take to make.
const LIMIT: Duration = Duration::from_secs(10);

/// Pages that are made at a time. Each question uses all cores.
const AT_ONCE: usize = 4;

/// Seconds.
const MINUTE: i64 = 60;

/// What browsers may cost. Those keep several connections each, and a page has three requests.
pub const BOUNDS: Bounds = Bounds {
    connections: 128,
    // Longer than the longest page.
    patience: Duration::from_secs(20),
    workers: 2 * AT_ONCE,
    farewell: Duration::from_secs(5),
};

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
    /// The file with what the user said is his.
    pub mine: Option<PathBuf>,
    /// Nobody may change it.
    pub read_only: bool,
    /// Who is let in.
    pub door: Door,
    /// Whether it is shown what failure reports know of persons.
    pub shows_persons: bool,
}

/// What answers share.
struct Shared {
    page: Page,
    turns: Arc<Semaphore>,
    /// Of pages for which the store need not be asked.
    quick_turns: Arc<Semaphore>,
    waiting: Waiting,
    news: KeptNews,
    kept: KeptAnswers,
}

impl Shared {
    /// Where the pages are, for who asks.
    fn place<'s>(&'s self, visitor: Option<&'s Visitor>) -> Place<'s> {
        let may_edit = visitor.is_some_and(Visitor::may_edit);
        let edits = may_edit && self.page.mine.is_some() && !self.page.read_only;
        // Whoever asks for the same within a minute asks for the same time before.
        let now = Timestamp::now().as_second() / MINUTE * MINUTE;
        Place { base: &self.page.base, now, visitor, edits }
    }
}

impl Page {
    /// What the user said is his, as it is now. As on the terminal, a file with a mistake in it is
    /// never passed over.
    fn mine(&self) -> Result<Mine, Trouble> {
        let read = self.mine.as_deref().map_or_else(|| Ok(Mine::default()), lookup::mine);
        read.map_err(|failure| Trouble::Mine(failure.to_string()))
    }

    /// Everything that can be asked for.
    pub fn routes(self) -> Router {
        let base = self.base.clone();
        let mut pages = Router::new();
        for (view, form) in View::all() {
            let answer = move |State(shared): State<Arc<Shared>>, request: Request| async move {
                answer(&shared, view, form, request).await
            };
            pages = pages.route(&view.path(form), get(answer));
        }
        let style = format!("/{}", *style::NAME);
        pages = pages
            .route(&style, get(|| async { file(style::SHEET, "text/css; charset=utf-8") }))
            .route("/icon.svg", get(|| async { file(ICON, "image/svg+xml") }))
            .merge(entrance::forms());
        let pages = if base.is_empty() {
            pages
        } else {
            Router::new().nest(&base, pages.clone()).route(&format!("{base}/"), {
                get(move |State(shared): State<Arc<Shared>>, request: Request| async move {
                    answer(&shared, View::Home, Form::Page, request).await
                })
            })
        };
        let shared = Arc::new(Shared {
            page: self,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            quick_turns: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Waiting::new(),
            news: KeptNews::default(),
            kept: KeptAnswers::default(),
        });
        pages
            .fallback(|State(shared): State<Arc<Shared>>| async move {
                refuse(&shared, &Trouble::NoPage)
            })
            .method_not_allowed_fallback(|State(shared): State<Arc<Shared>>| async move {
                refuse(&shared, &Trouble::NoMethod)
            })
            .layer(middleware::from_fn_with_state(Arc::clone(&shared), entrance::guarded))
            .with_state(shared)
    }
}

/// Makes a page on a thread that may wait for the store.
async fn answer(shared: &Arc<Shared>, view: View, form: Form, request: Request) -> Response {
    let asked = match Asked::read(request.uri().query().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(mistake) => return refuse(shared, &mistake.into()),
    };
    let visitor = visitor(&request);
    let edits = shared.place(Some(&visitor)).edits;
    match made(shared, view, form, asked, visitor).await {
        Ok(written) => {
            let mut response = respond(StatusCode::OK, written);
            if edits && form == Form::Page {
                response.extensions_mut().insert(HasForm);
            }
            response
        }
        Err(trouble) => refuse(shared, &trouble),
    }
}

fn respond(status: StatusCode, written: Written) -> Response {
    let mut response = Response::new(Body::from(written.text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, written.content_type);
    response
}

/// Goes on elsewhere, by GET.
fn see_other(address: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    // Addresses of pages are written in letters that a header takes.
    if let Ok(address) = HeaderValue::from_str(address) {
        response.headers_mut().insert(header::LOCATION, address);
    }
    response
}

fn refuse(shared: &Shared, trouble: &Trouble) -> Response {
    if let Some(reason) = trouble.reason() {
        error!("a page could not be made: {reason}");
    }
    let content_type = HeaderValue::from_static("text/html; charset=utf-8");
    let text = trouble.page(shared.place(None));
    let mut response = respond(trouble.status(), Written { text, content_type });
    if matches!(trouble, Trouble::Denied(Denial::Other(_))) {
        // What follows on this connection may be part of it.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
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
