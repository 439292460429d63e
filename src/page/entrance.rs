//! Entrance: what every request goes through, before and after; and the forms that are sent here.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{Method, header},
    middleware::Next,
    response::Response,
    routing::{get, post},
};
use tokio::task::spawn_blocking;

use super::{
    Shared,
    access::Visitor,
    denial::Denial,
    form::{self, Fields},
    guard, log_in, mine, refuse, see_other, style,
    trouble::Trouble,
};

/// Longer addresses are not gone back to after a log-in.
const LONG_BACK: usize = 8 << 10;

/// What is sent by forms.
pub(super) fn forms() -> Router<Arc<Shared>> {
    let log_in = post(|State(shared): State<Arc<Shared>>, request: Request| async move {
        let sent = log_in::log_in(&shared, &visitor(&request), request).await;
        sent.unwrap_or_else(|trouble| refuse(&shared, &trouble))
    });
    let log_out = post(|State(shared): State<Arc<Shared>>, request: Request| async move {
        let sent = log_in::log_out(&shared, &visitor(&request), request).await;
        sent.unwrap_or_else(|trouble| refuse(&shared, &trouble))
    });
    let said = post(|State(shared): State<Arc<Shared>>, request: Request| async move {
        let sent = said(&shared, visitor(&request), request).await;
        sent.unwrap_or_else(|trouble| refuse(&shared, &trouble))
    });
    let form = get(|State(shared): State<Arc<Shared>>, request: Request| async move {
        let query = request.uri().query().unwrap_or_default();
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let wanted = pairs.find(|(key, _)| key == "back").map(|(_, value)| value);
        log_in::page(&shared, &visitor(&request), &wanted.unwrap_or_default())
    });
    Router::new()
        .route(log_in::PATH, form.merge(log_in))
        .route(log_in::OUT, log_out)
        .route(mine::PATH, said)
}

/// Before and after every answer.
pub(super) async fn guarded(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    let answer = match enter(&shared, &request) {
        Ok(visitor) => {
            let (is_secure, visit) = (visitor.is_secure, visitor.new_visit.clone());
            request.extensions_mut().insert(visitor);
            let mut answer = next.run(request).await;
            // A form is bound to it.
            if let Some(visit) = visit
                && answer.extensions().get::<HasForm>().is_some()
            {
                let cookie = shared.page.door.cookies.visitor(&visit, is_secure);
                answer.headers_mut().append(header::SET_COOKIE, cookie);
            }
            answer
        }
        Err(Refused::LogIn(address)) => see_other(&address),
        Err(Refused::For(trouble)) => refuse(&shared, &trouble),
    };
    guard::protect(in_words(&shared, answer), shared.page.door.users().is_some())
}

/// An answer has a form in it.
#[derive(Clone, Copy)]
pub(super) struct HasForm;

/// Why somebody is not let in.
enum Refused {
    /// The log-in is at this address.
    LogIn(String),
    For(Trouble),
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Refused {
        Refused::For(trouble)
    }
}

/// Finds out who asks, and lets in who may read: nobody else reaches a page.
fn enter(shared: &Shared, request: &Request) -> Result<Visitor, Refused> {
    guard::check(request, &shared.page.names)?;
    let visitor = shared.page.door.visitor(request)?;
    let uri = request.uri();
    let path = uri.path().strip_prefix(&*shared.page.base);
    let style = format!("/{}", *style::NAME);
    let is_open = path.is_some_and(|path| [log_in::PATH, "/icon.svg", &style].contains(&path));
    if visitor.person.is_some() || is_open {
        return Ok(visitor);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Trouble::from(Denial::Unknown).into());
    }
    let wanted = uri.path_and_query().map_or("", |wanted| wanted.as_str());
    let back = form::back(shared.place(None), wanted).filter(|back| back.len() < LONG_BACK);
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(back.map(|back| ("back", back)))
        .finish();
    Err(Refused::LogIn(format!("{}{}?{query}", shared.page.base, log_in::PATH)))
}

/// Who asks. Nothing comes to a handler but by [`enter`].
pub(super) fn visitor(request: &Request) -> Visitor {
    request.extensions().get::<Visitor>().cloned().unwrap_or_else(Visitor::nobody)
}

/// What refuses a request before it comes to us says so in a word or none.
fn in_words(shared: &Shared, answer: Response) -> Response {
    let status = answer.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if is_error && !answer.headers().contains_key(header::CONTENT_TYPE) {
        return refuse(shared, &Denial::Other(status).into());
    }
    answer
}

/// Something was said to be the user's own, or not any more.
async fn said(
    shared: &Arc<Shared>,
    visitor: Visitor,
    request: Request,
) -> Result<Response, Trouble> {
    let fields = Fields::of_ours(request, &visitor).await?;
    let place = shared.place(Some(&visitor));
    let back = fields.back(place);
    let path = shared.page.mine.clone().filter(|_| place.edits).ok_or(Denial::ReadOnly)?;
    let work = spawn_blocking(move || mine::change(&path, &fields, &visitor));
    work.await.unwrap_or_else(|panic| Err(Trouble::Broken(panic.to_string())))?;
    Ok(see_other(&back))
}
