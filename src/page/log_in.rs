//! Log-in: the form, what comes of it, and its end.

use std::{sync::Arc, time::Duration};

use askama::Template;
use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use tokio::{sync::Semaphore, task::spawn_blocking};
use tracing::{info, warn};

use super::{
    Shared,
    access::{Attempt, User, Visitor},
    content::Written,
    denial::Denial,
    entrance::HasForm,
    form::{self, Fields},
    frame::{Frame, Place},
    refuse, respond, see_other,
    trouble::Trouble,
};

/// Passwords that are looked at, at a time: each takes 19 MiB and most of a core.
const AT_ONCE: usize = 2;
/// Those that wait for that; further ones are sent away.
const MOST_WAITING: usize = 32;

/// The path of the form.
pub(super) const PATH: &str = "/log-in";
/// Where a log-in ends.
pub(super) const OUT: &str = "/log-out";

/// Who waits for a password to be looked at.
pub(super) struct Waiting {
    room: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Waiting {
    pub(super) fn new() -> Waiting {
        let [room, turns] = [MOST_WAITING, AT_ONCE].map(|most| Arc::new(Semaphore::new(most)));
        Waiting { room, turns }
    }
}

/// Why there was no log-in.
enum Refusal {
    Wrong,
    /// There were too many attempts; how long to wait.
    TooOften(Duration),
    Busy,
}

#[derive(Template)]
#[template(path = "page/log_in.html")]
struct LogInPage {
    frame: Frame,
    words: Option<String>,
    token: String,
    back: String,
}

/// The form. `wanted` is the address to go on to.
pub(super) fn page(shared: &Shared, visitor: &Visitor, wanted: &str) -> Response {
    if shared.page.door.users().is_none() {
        return refuse(shared, &Trouble::NoPage);
    }
    let place = shared.place(Some(visitor));
    let back = form::back_or_home(place, wanted);
    written(place, visitor, &back, None)
}

fn written(place: Place, visitor: &Visitor, back: &str, refusal: Option<&Refusal>) -> Response {
    let (status, words, wait) = match refusal {
        None => (StatusCode::OK, None, None),
        Some(Refusal::Wrong) => {
            (StatusCode::FORBIDDEN, Some("The name or the password is wrong.".to_owned()), None)
        }
        Some(Refusal::TooOften(wait)) => {
            let minutes = wait.as_secs().div_ceil(60);
            let words = format!("Too many attempts failed. Try again in {minutes} minutes.");
            (StatusCode::TOO_MANY_REQUESTS, Some(words), Some(*wait))
        }
        Some(Refusal::Busy) => {
            let words = "Too many log in at this moment. Try again.".to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, Some(words), Some(Duration::from_secs(5)))
        }
    };
    let frame = Frame::bare(place, "Log in");
    let page = LogInPage { frame, words, token: visitor.token.clone(), back: back.into() };
    let content_type = HeaderValue::from_static("text/html; charset=utf-8");
    let text = page.render().unwrap_or_else(|_| "Log in".into());
    let mut response = respond(status, Written { text, content_type });
    response.extensions_mut().insert(HasForm);
    if let Some(wait) = wait {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    response
}

/// The form was sent.
///
/// # Errors
/// It is not our form.
pub(super) async fn log_in(
    shared: &Arc<Shared>,
    visitor: &Visitor,
    request: Request,
) -> Result<Response, Trouble> {
    let fields = Fields::of_ours(request, visitor).await?;
    let (Some(name), Some(password)) = (fields.one("name"), fields.one("password")) else {
        return Err(Denial::BadForm.into());
    };
    let place = shared.place(Some(visitor));
    let back = fields.back(place);
    match check(shared, visitor, name, password).await {
        Ok((user, session)) => {
            if let Some(old) = visitor.session() {
                shared.page.door.sessions.end(old);
            }
            let mut response = see_other(&back);
            let cookies = &shared.page.door.cookies;
            for cookie in [
                cookies.begin(&session, visitor.is_secure),
                cookies.know(&user.mark(), visitor.is_secure),
            ] {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            Ok(response)
        }
        Err(refusal) => Ok(written(place, visitor, &back, Some(&refusal))),
    }
}

/// Gives a person and his session, if it is the right password.
async fn check(
    shared: &Arc<Shared>,
    visitor: &Visitor,
    name: &str,
    password: &str,
) -> Result<(User, String), Refusal> {
    let Waiting { room, turns } = &shared.waiting;
    let Ok(_room) = room.try_acquire() else { return Err(Refusal::Busy) };
    let door = &shared.page.door;
    // What is no name may be a password, typed in the wrong place.
    let user = door.users().and_then(|users| users.find(name));
    let from = visitor.address;
    let is_known = user.as_ref().is_some_and(|user| visitor.is_known_as(user));
    let attempt = Attempt { from, name, is_known };
    let called = user.map_or("somebody who is not known".into(), |user| user.name);
    if let Err(wait) = door.attempts.begin(&attempt) {
        warn!("{from} tries to log in as {called} too often");
        return Err(Refusal::TooOften(wait));
    }
    let turn = Arc::clone(turns).acquire_owned().await.map_err(|_| Refusal::Busy)?;
    let work = {
        let (shared, name, password) = (Arc::clone(shared), name.to_owned(), password.to_owned());
        spawn_blocking(move || {
            let _turn = turn;
            shared.page.door.users().and_then(|users| users.check(&name, &password))
        })
    };
    match work.await {
        Ok(Some(user)) => {
            door.attempts.succeeded(&attempt);
            info!("{from} logged in as {called}");
            let session = door.sessions.begin(&user.name, user.credential());
            Ok((user, session))
        }
        Ok(None) => {
            warn!("{from} failed to log in as {called}");
            Err(Refusal::Wrong)
        }
        Err(_) => Err(Refusal::Busy),
    }
}

/// The log-in ends.
///
/// # Errors
/// It is not our form.
pub(super) async fn log_out(
    shared: &Shared,
    visitor: &Visitor,
    request: Request,
) -> Result<Response, Trouble> {
    Fields::of_ours(request, visitor).await?;
    if let Some(session) = visitor.session() {
        shared.page.door.sessions.end(session);
    }
    let mut response = see_other(&format!("{}{PATH}", shared.page.base));
    response
        .headers_mut()
        .append(header::SET_COOKIE, shared.page.door.cookies.end(visitor.is_secure));
    Ok(response)
}
