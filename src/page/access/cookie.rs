//! Cookies: one of who has logged in, one that forms are bound to where nobody has, and one by
//! which a browser is known that has logged in before.

use axum::http::{HeaderMap, HeaderValue, header};

/// Of a random text, in base64.
const LENGTH: usize = 43;

/// What cookies are called, and where they are sent to.
#[derive(Debug)]
pub(in crate::page) struct Cookies {
    /// The path below which they are sent.
    path: String,
}

impl Cookies {
    pub(super) fn new(base: &str) -> Cookies {
        Cookies { path: if base.is_empty() { "/".into() } else { base.into() } }
    }

    /// The name of a cookie. By its first letters a browser knows that it must have come by https,
    /// and, where we have all paths of a host, from this very host: another name of the same domain
    /// can't plant one.
    fn name(&self, word: &str, is_secure: bool) -> String {
        let prefix = match (is_secure, self.path.as_str()) {
            (false, _) => "",
            (true, "/") => "__Host-",
            (true, _) => "__Secure-",
        };
        format!("{prefix}erp-{word}")
    }

    /// The session's text that a browser sends.
    pub(super) fn session(&self, headers: &HeaderMap, is_secure: bool) -> Option<String> {
        read(headers, &self.name("session", is_secure))
    }

    /// The text that forms are bound to.
    pub(super) fn visit(&self, headers: &HeaderMap, is_secure: bool) -> Option<String> {
        read(headers, &self.name("visit", is_secure))
    }

    /// By what a browser is known that has logged in before.
    pub(super) fn known(&self, headers: &HeaderMap, is_secure: bool) -> Option<String> {
        read(headers, &self.name("known", is_secure))
    }

    /// Makes a browser known that has logged in, for a year.
    pub(in crate::page) fn know(&self, mark: &str, is_secure: bool) -> HeaderValue {
        self.set("known", mark, "SameSite=Strict; Max-Age=31536000", is_secure)
    }

    /// Gives a session to a browser. It sends it only where it comes from pages of ours.
    pub(in crate::page) fn begin(&self, session: &str, is_secure: bool) -> HeaderValue {
        self.set("session", session, "SameSite=Strict", is_secure)
    }

    /// Takes the session away.
    pub(in crate::page) fn end(&self, is_secure: bool) -> HeaderValue {
        self.set("session", "", "SameSite=Strict; Max-Age=0", is_secure)
    }

    /// What forms are bound to. It is sent with a link from elsewhere, too, or each such link would
    /// have a new one made and end the forms that are open; a form of another site does not send it.
    pub(in crate::page) fn visitor(&self, text: &str, is_secure: bool) -> HeaderValue {
        self.set("visit", text, "SameSite=Lax", is_secure)
    }

    fn set(&self, word: &str, text: &str, more: &str, is_secure: bool) -> HeaderValue {
        let secure = if is_secure { "; Secure" } else { "" };
        let name = self.name(word, is_secure);
        let cookie = format!("{name}={text}; Path={}; HttpOnly; {more}{secure}", self.path);
        // A path of flags and base64 are such letters.
        HeaderValue::from_str(&cookie).unwrap_or(HeaderValue::from_static(""))
    }
}

/// A cookie that is there once, and may be one of ours.
fn read(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    let mut found = pairs.filter(|(known, _)| known.trim() == name).map(|(_, text)| text.trim());
    let text = found.next()?;
    let is_ours = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_one = found.next().is_none() && text.len() == LENGTH && text.bytes().all(is_ours);
    is_one.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_read_once_and_in_its_form() {
        let text = "x".repeat(LENGTH);
        let of = |cookies: &[String]| {
            let mut headers = HeaderMap::new();
            for cookie in cookies {
                headers.append(header::COOKIE, cookie.parse().expect("a value"));
            }
            Cookies::new("").session(&headers, false)
        };
        let good = format!("erp-session={text}");
        assert_eq!(of(std::slice::from_ref(&good)), Some(text.clone()));
        assert_eq!(of(&[format!("a=b; {good}; c")]), Some(text.clone()));
        assert_eq!(of(&[]), None);
        // Another site of the domain may have planted one of them.
        assert_eq!(of(&[format!("{good}; {good}")]), None);
        assert_eq!(of(&[good.clone(), good.clone()]), None);
        assert_eq!(of(&[format!("{good}x")]), None);
        assert_eq!(of(&[good.replace('x', ".")]), None);
        assert_eq!(of(&[format!("x{good}")]), None);
    }

    #[test]
    fn a_cookie_goes_where_it_belongs() {
        let set = |base, is_secure| {
            let value = Cookies::new(base).begin("TEXT", is_secure);
            value.to_str().expect("text").to_owned()
        };
        let end = "HttpOnly; SameSite=Strict";
        assert_eq!(set("", false), format!("erp-session=TEXT; Path=/; {end}"));
        assert_eq!(set("", true), format!("__Host-erp-session=TEXT; Path=/; {end}; Secure"));
        let below = format!("__Secure-erp-session=TEXT; Path=/mail/reports; {end}; Secure");
        assert_eq!(set("/mail/reports", true), below);
    }
}
