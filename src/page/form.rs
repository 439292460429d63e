//! Form: what a browser sends when a button is pressed, and where it goes on.

use axum::{body::to_bytes, extract::Request};

use super::{
    access::Visitor, asked::Asked, denial::Denial, frame::Place, trouble::Trouble, view::View,
};

/// The largest form that is sent here: it has the address of a page in it, encoded twice.
const MOST_BODY: usize = 128 << 10;

/// The fields of a form.
#[derive(Debug)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads a form that was made here for this visitor.
    ///
    /// # Errors
    /// It is not ours, too large, or its end did not come.
    pub(super) async fn of_ours(request: Request, visitor: &Visitor) -> Result<Fields, Trouble> {
        let body = to_bytes(request.into_body(), MOST_BODY).await;
        let fields = Fields::parse(&body.map_err(|_| Denial::TooLarge)?);
        let is_ours = visitor.made(fields.one("token").unwrap_or_default());
        if is_ours { Ok(fields) } else { Err(Denial::OldForm.into()) }
    }

    fn parse(body: &[u8]) -> Fields {
        Fields(form_urlencoded::parse(body).into_owned().collect())
    }

    /// The value of a field that is there once.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter().filter(|(key, _)| key == name);
        let (first, rest) = (all.next(), all.next());
        first.filter(|_| rest.is_none()).map(|(_, value)| value.as_str())
    }

    /// The page from which the form came, or to which it leads: made anew from what it says, so it
    /// can only be one of ours.
    pub(super) fn back(&self, place: Place) -> String {
        back_or_home(place, self.one("back").unwrap_or_default())
    }
}

/// The address of a page of ours, as another text has it.
pub(super) fn back(place: Place, text: &str) -> Option<String> {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let path = path.strip_prefix(place.base)?;
    Some(place.link(View::at(path)?, &Asked::read(query).ok()?))
}

/// The same, or the first page.
pub(super) fn back_or_home(place: Place, text: &str) -> String {
    back(place, text).unwrap_or_else(|| format!("{}/", place.base))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_there_twice_is_none() {
        let fields = Fields::parse(b"a=1&b=%3C+%ff&a=2&c");
        assert_eq!(fields.one("a"), None);
        assert_eq!(fields.one("b"), Some("< \u{fffd}"));
        assert_eq!(fields.one("c"), Some(""));
        assert_eq!(fields.one("d"), None);
    }

    #[test]
    fn a_form_leads_back_to_a_page_of_ours_only() {
        for (base, text, expected) in [
            ("", "/", Some("/")),
            ("", "/domain?since=7d&domain=a%26b", Some("/domain?since=7d&domain=a%26b")),
            ("/mail", "/mail/tls?since=all", Some("/mail/tls?since=all")),
            ("/mail", "/mail/", Some("/mail/")),
            ("/mail", "/tls", None),
            ("/mail", "/mailer/tls", None),
            ("", "/tls.csv", None),
            ("", "/log-out", None),
            ("", "//evil.example/tls", None),
            ("", "/\\evil.example", None),
            ("", "https://evil.example/", None),
            ("", "/tls#x", None),
            ("", "/../tls", None),
            ("", "/%2e%2e/tls", None),
            ("", "/tls\r\nSet-Cookie: a=b", None),
            ("", "/tls?domain=%0d%0aSet-Cookie:", Some("/tls?domain=%0D%0ASet-Cookie%3A")),
            ("", "/tls?colour=red", None),
            ("", "javascript:alert(1)", None),
            ("", "", None),
        ] {
            let place = Place { base, now: 0, visitor: None, edits: false };
            assert_eq!(back(place, text).as_deref(), expected, "{base} {text}");
        }
    }
}
