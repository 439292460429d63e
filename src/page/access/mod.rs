//! Access: who asks, from where, and what that person may do.
//!
//! There are three ways to know it. Nobody is asked, and whoever uses this machine may look. Or a
//! name and a password are asked for ([`users`], [`sessions`], [`attempts`]). Or a proxy has asked
//! already, and names the person in a header.

mod attempts;
mod cookie;
mod sessions;
mod token;
mod users;

use std::net::IpAddr;

use axum::{
    extract::{ConnectInfo, Request},
    http::{HeaderMap, HeaderName},
};

pub use self::users::{Role, Users, password_line};
pub(super) use self::{attempts::Attempt, users::User};
use self::{
    attempts::Attempts,
    cookie::Cookies,
    sessions::Sessions,
    token::{Secret, random},
};
use super::{trouble::Trouble, words::Said};
use crate::{answers::Network, http::Peer};

/// Longer names of persons are none.
const MOST_NAME: usize = 256;

/// What proxies add to a request that they pass on.
const FORWARDED: [&str; 5] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/// How it is known who asks.
#[derive(Debug)]
pub enum Access {
    /// It is not: everybody who can connect may do this.
    Anybody(Role),
    /// By a name and a password.
    LogIn(Users),
    /// A proxy says it.
    Header {
        /// Where.
        name: HeaderName,
        /// Who may say what is his; the others may read.
        editors: Vec<String>,
    },
}

/// What is known of those who ask, and who of them is let in.
#[derive(Debug)]
pub struct Door {
    access: Access,
    /// Whose word on clients is believed.
    proxies: Vec<Network>,
    secret: Secret,
    pub(super) cookies: Cookies,
    pub(super) sessions: Sessions,
    pub(super) attempts: Attempts,
}

/// Who asks, and from where.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    /// The address, as far as it is known.
    pub(super) address: IpAddr,
    /// The browser asked by https.
    pub(super) is_secure: bool,
    /// Nobody, where a log-in is needed.
    pub(super) person: Option<Person>,
    /// By what the browser shows as whom it has logged in before.
    pub(super) known: Option<String>,
    /// The cookie is to be set.
    pub(super) new_visit: Option<String>,
    /// What a form of this visitor's is to carry.
    pub(super) token: String,
}

/// Who is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    /// If it is known.
    pub(super) name: Option<Said>,
    pub(super) role: Role,
    /// There is a log-in to be ended.
    pub(super) session: Option<String>,
}

impl Door {
    /// Proxies are addresses whose word on clients is believed; the pages are below a path without
    /// a slash at its end.
    pub fn new(access: Access, proxies: Vec<Network>, base: &str) -> Door {
        Door {
            access,
            proxies,
            secret: Secret::new(),
            cookies: Cookies::new(base),
            sessions: Sessions::default(),
            attempts: Attempts::default(),
        }
    }

    /// Those who log in, if that is the way.
    pub(super) fn users(&self) -> Option<&Users> {
        match &self.access {
            Access::LogIn(users) => Some(users),
            Access::Anybody(_) | Access::Header { .. } => None,
        }
    }

    /// Who asks.
    ///
    /// # Errors
    /// A proxy should say it, and does not.
    pub(super) fn visitor(&self, request: &Request) -> Result<Visitor, Trouble> {
        let headers = request.headers();
        let peer = request.extensions().get::<ConnectInfo<Peer>>();
        let peer = peer.map_or(IpAddr::from([0, 0, 0, 0]), |ConnectInfo(peer)| peer.address());
        let by_proxy = self.is_proxy(peer);
        let address = if by_proxy { self.client(headers).unwrap_or(peer) } else { peer };
        let is_secure = by_proxy && last(headers, "x-forwarded-proto") == Some("https");
        let session = self.cookies.session(headers, is_secure);
        let person = self.person(headers, by_proxy, session)?;
        let found = self.cookies.visit(headers, is_secure);
        let bound_to = person.as_ref().and_then(|person| person.session.clone());
        let kept = bound_to.or(found);
        let new_visit = kept.is_none().then(random);
        let bound_to = kept.or_else(|| new_visit.clone()).unwrap_or_default();
        let name = person.as_ref().and_then(|person| person.name.as_ref());
        let token = self.secret.token(&bound_to, name.map_or("", Said::whole));
        let known = self.cookies.known(headers, is_secure);
        Ok(Visitor { address, is_secure, person, known, new_visit, token })
    }

    fn person(
        &self,
        headers: &HeaderMap,
        by_proxy: bool,
        session: Option<String>,
    ) -> Result<Option<Person>, Trouble> {
        match &self.access {
            Access::Anybody(role) => {
                // Whoever comes through a proxy that nobody told of may be anywhere.
                let passed_on = FORWARDED.iter().any(|name| headers.contains_key(*name));
                let role = if passed_on { Role::Reader } else { *role };
                Ok(Some(Person { name: None, role, session: None }))
            }
            Access::LogIn(users) => {
                let Some(session) = session else { return Ok(None) };
                let found = self.sessions.find(&session).and_then(|(name, credential)| {
                    users.find(&name).filter(|user| user.credential() == credential)
                });
                Ok(found.map(|user| Person {
                    name: Some(user.name.as_str().into()),
                    role: user.role,
                    session: Some(session),
                }))
            }
            Access::Header { name, editors } => {
                if !by_proxy {
                    return Err(Trouble::Forbidden("Only the proxy may ask for these pages."));
                }
                let name = named(headers, name)?;
                let is_editor = editors.contains(&name);
                let role = if is_editor { Role::Editor } else { Role::Reader };
                Ok(Some(Person { name: Some(name.into()), role, session: None }))
            }
        }
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|known| known.contains(address))
    }

    /// The client as the proxy saw it. Each proxy adds the one that it was asked by at the end, so
    /// what stands before the first one that is not known may be made up.
    fn client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let all: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        let addresses = all.iter().rev().map_while(|text| text.trim().parse().ok());
        let mut last = None;
        for address in addresses.map(|address: IpAddr| address.to_canonical()) {
            last = Some(address);
            if !self.is_proxy(address) {
                break;
            }
        }
        last
    }
}

/// The person that a header names, once.
fn named(headers: &HeaderMap, name: &HeaderName) -> Result<String, Trouble> {
    let unnamed = Trouble::Forbidden("The proxy does not say who asks.");
    let mut all = headers.get_all(name).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return Err(unnamed) };
    let text = str::from_utf8(value.as_bytes()).ok().map(str::trim);
    let text = text.filter(|text| !text.is_empty() && text.len() <= MOST_NAME);
    text.map(str::to_owned).ok_or(unnamed)
}

/// The last value of a header, which is the nearest proxy's.
fn last<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get_all(name).iter().next_back()?.to_str().ok()
}

impl Visitor {
    /// Of whom nothing is known.
    pub(super) fn nobody() -> Visitor {
        Visitor {
            address: IpAddr::from([0, 0, 0, 0]),
            is_secure: false,
            person: None,
            known: None,
            new_visit: None,
            token: random(),
        }
    }

    /// True if a form was made for this visitor.
    pub(super) fn made(&self, token: &str) -> bool {
        token::are_equal(&self.token, token)
    }

    /// True if the browser has logged in as this person before.
    pub(super) fn is_known_as(&self, user: &User) -> bool {
        self.known.as_deref().is_some_and(|mark| token::are_equal(mark, &user.mark()))
    }

    /// True if what is said to be the user's own may be changed.
    pub(super) fn may_edit(&self) -> bool {
        self.person.as_ref().is_some_and(|person| person.role == Role::Editor)
    }

    /// The text that forms are bound to, if that is a session's.
    pub(super) fn session(&self) -> Option<&str> {
        self.person.as_ref()?.session.as_deref()
    }
}
