//! Guard: who may ask, and what a browser is told to do with what it gets. Another site can make a
//! browser send a request here, or give a name of its own our address (DNS rebinding): so the name
//! that was asked for must be ours, and a request that another site began is refused.

use std::net::IpAddr;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};

use super::{denial::Denial, trouble::Trouble};

/// Longer addresses no page gives: a report's values are 4 KiB each.
const MOST_ADDRESS: usize = 48 << 10;

/// What every answer says. No script at all; style, pictures and forms of this site only.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // With none at all, a form's request would not tell where it comes from.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// Lets a request through.
///
/// # Errors
/// It asks for another name, another site began it, or it is not as browsers send it.
pub(super) fn check(request: &Request, names: &[String]) -> Result<(), Trouble> {
    if request.uri().to_string().len() > MOST_ADDRESS {
        return Err(Trouble::Forbidden("The address is too long."));
    }
    // No browser's form has a body of unsaid length, and whoever says the length twice means two
    // readers to see two things.
    if request.headers().contains_key(header::TRANSFER_ENCODING) {
        return Err(Denial::Other(StatusCode::LENGTH_REQUIRED).into());
    }
    let host = host(request).ok_or(Trouble::OtherHost)?;
    if !is_ours(&host, names) {
        return Err(Trouble::OtherHost);
    }
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let headers = request.headers();
    if is_read && is_within_another_site(headers) {
        return Err(Trouble::Forbidden("Another site asked for this."));
    }
    match text(headers, &header::ORIGIN) {
        // Whatever the scheme: a proxy may have taken TLS away.
        Some(origin) if origin.split_once("://").is_some_and(|(_, of)| of == host) => Ok(()),
        None if is_read => Ok(()),
        None if text(headers, &SITE) == Some("same-origin") => Ok(()),
        _ => Err(Trouble::Forbidden("Another site asked for this.")),
    }
}

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// True if another site's page asks for something of ours and stays what is seen, as by a picture
/// or a frame. It would not be shown anything, but could keep us busy, and measure how long an
/// answer takes. A link from there is followed.
fn is_within_another_site(headers: &HeaderMap) -> bool {
    let is_other = matches!(text(headers, &SITE), Some("cross-site" | "same-site"));
    let is_visit = text(headers, &MODE) == Some("navigate");
    is_other && !(is_visit && text(headers, &DEST) == Some("document"))
}

/// Name and port that were asked for.
fn host(request: &Request) -> Option<String> {
    let mut all = request.headers().get_all(header::HOST).iter();
    let named = all.next().and_then(|value| value.to_str().ok());
    if all.next().is_some() {
        return None;
    }
    let named = named?.to_ascii_lowercase();
    // A request line may name a host, too: another one is nobody's who means well.
    let of_address = request.uri().authority();
    let is_one = of_address.is_none_or(|name| name.as_str().eq_ignore_ascii_case(&named));
    is_one.then_some(named)
}

/// True for this machine's own names, whatever the port, and for those that were given.
fn is_ours(host: &str, names: &[String]) -> bool {
    let has_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if has_port(port) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name == "localhost"
        || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        || names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Adds what every answer says. What only some may see, no browser keeps.
pub(super) fn protect(mut response: Response, is_private: bool) -> Response {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What is in the store changes, and is nobody else's matter.
    if !headers.contains_key(header::CACHE_CONTROL) {
        let kept = if is_private { "no-store" } else { "private, no-cache" };
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn only_our_names_are_answered() {
        let names = ["reports.example.org".to_owned()];
        for (host, expected) in [
            ("localhost", true),
            ("localhost:8080", true),
            ("127.0.0.1:80", true),
            ("127.8.9.1", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("reports.example.org", true),
            ("Reports.Example.ORG:443", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("192.0.2.1", false),
            ("localhost:evil", false),
            ("", false),
        ] {
            assert_eq!(is_ours(&host.to_ascii_lowercase(), &names), expected, "{host}");
        }
    }

    #[test]
    fn what_another_site_began_is_refused() {
        let ask = |method: &str, headers: &[(&str, &str)]| {
            let mut request = Request::builder().method(method).uri("/");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            check(&request.body(Body::empty()).expect("a request"), &[]).is_ok()
        };
        let host = ("host", "localhost:8080");
        assert!(ask("GET", &[host]));
        assert!(!ask("GET", &[]));
        assert!(!ask("GET", &[host, host]));
        assert!(!ask("POST", &[host]));
        assert!(ask("POST", &[host, ("origin", "http://localhost:8080")]));
        assert!(ask("POST", &[host, ("sec-fetch-site", "same-origin")]));
        assert!(!ask("POST", &[host, ("origin", "http://localhost:9090")]));
        assert!(!ask("POST", &[host, ("origin", "null")]));
        assert!(!ask("GET", &[host, ("origin", "https://evil.example")]));
    }

    #[test]
    fn another_site_may_lead_here_and_show_nothing_of_ours() {
        let ask = |site: &str, mode: &str, dest: &str| {
            let request = Request::builder().uri("/").header("host", "localhost");
            let request = request.header(SITE, site).header(MODE, mode).header(DEST, dest);
            check(&request.body(Body::empty()).expect("a request"), &[]).is_ok()
        };
        assert!(ask("cross-site", "navigate", "document"));
        assert!(ask("none", "navigate", "document"));
        assert!(ask("same-origin", "no-cors", "style"));
        for (mode, dest) in
            [("no-cors", "image"), ("cors", "empty"), ("navigate", "iframe"), ("no-cors", "script")]
        {
            assert!(!ask("cross-site", mode, dest), "{mode} {dest}");
            assert!(!ask("same-site", mode, dest), "{mode} {dest}");
        }
    }

    #[test]
    fn a_request_line_may_name_no_other_host() {
        let ask = |uri: &str, host: &str| {
            let request = Request::builder().uri(uri).header("host", host).body(Body::empty());
            check(&request.expect("a request"), &[]).is_ok()
        };
        assert!(ask("http://LOCALHOST:8080/", "localhost:8080"));
        assert!(!ask("http://localhost:8080/", "evil.example"));
        assert!(!ask("http://evil.example/", "localhost:8080"));
    }
}
