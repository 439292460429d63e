//! Tags: the list `name=value; name=value` that records are (RFC 6376 section 3.2), and the
//! addresses in it.

use percent_encoding::percent_decode_str;

/// The tags of a record, names in small letters, in their order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tags(Vec<(String, String)>);

impl Tags {
    /// Reads what can be read, and tells what can't.
    pub(super) fn parse(text: &str) -> (Tags, Vec<String>) {
        let (mut tags, mut faults) = (Vec::<(String, String)>::new(), Vec::new());
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let Some((name, value)) = part.split_once('=') else {
                faults.push(format!("{:?} is no tag: there is no = in it", excerpt(part)));
                continue;
            };
            let name = name.trim().to_ascii_lowercase();
            if tags.iter().any(|(known, _)| *known == name) {
                faults.push(format!("the tag {} is there twice", excerpt(&name)));
            }
            tags.push((name, value.trim().to_owned()));
        }
        (Tags(tags), faults)
    }

    /// The value of the first tag of this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// True if a record is of this version, `DMARC1` or `TLSRPTv1`; only the blanks that the grammars
/// allow are passed over.
pub(super) fn is_version(text: &str, version: &str) -> bool {
    let wsp = [' ', '\t'];
    let rest = text.strip_prefix('v').map(|rest| rest.trim_start_matches(wsp));
    let rest = rest.and_then(|rest| rest.strip_prefix('='));
    let rest = rest.and_then(|rest| rest.trim_start_matches(wsp).strip_prefix(version));
    rest.is_some_and(|rest| {
        let rest = rest.trim_start_matches(wsp);
        rest.is_empty() || rest.starts_with(';')
    })
}

/// True if somebody meant it to be of this version.
pub(super) fn is_nearly_version(text: &str, version: &str) -> bool {
    let letters = text.chars().filter(char::is_ascii_alphanumeric);
    let letters: String = letters.take(40).collect();
    letters.to_ascii_lowercase().contains(&format!("v{}", version.to_ascii_lowercase()))
}

/// A place for reports in `rua`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RuaAddress {
    /// A mail address.
    Mail(String),
    /// An https URL.
    Web(String),
    /// What is neither, and why.
    Bad(String),
}

/// The places in the value of `rua`, separated by commas. `with_size`: RFC 7489 lets a limit follow
/// each, such as `!10m`.
pub(super) fn places(value: &str, with_size: bool) -> Vec<RuaAddress> {
    value.split(',').map(|text| place(text.trim(), with_size)).collect()
}

fn place(text: &str, with_size: bool) -> RuaAddress {
    let whole = excerpt(text);
    let bad = |reason: &str| RuaAddress::Bad(format!("{whole:?} {reason}"));
    let uri = match text.rsplit_once('!') {
        Some((uri, size)) if with_size && is_size(size) => uri,
        Some(_) => return bad("has a ! in it, which is written %21"),
        None => text,
    };
    if text.is_empty() {
        return bad("is no place: there is a comma too many");
    }
    let (scheme, rest) = uri.split_once(':').unwrap_or(("", uri));
    match scheme.to_ascii_lowercase().as_str() {
        "mailto" => {
            let address = rest.split('?').next().unwrap_or_default();
            let address = percent_decode_str(address).decode_utf8_lossy().into_owned();
            let is_whole = address
                .rsplit_once('@')
                .is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'));
            if !is_whole || address.contains(char::is_whitespace) {
                return bad("is no mail address");
            }
            RuaAddress::Mail(address)
        }
        "https" => RuaAddress::Web(uri.to_owned()),
        _ if uri.contains('@') => bad("has no mailto: in front"),
        _ => bad("is neither mailto: nor https:"),
    }
}

fn is_size(text: &str) -> bool {
    let digits = text.trim_end_matches(['k', 'm', 'g', 't', 'K', 'M', 'G', 'T']);
    text.len() - digits.len() <= 1
        && !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// True if both are the same address: domains have no case, and no server of today tells local
/// parts apart by it.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    one.trim_end_matches('.').eq_ignore_ascii_case(other.trim_end_matches('.'))
}

/// The beginning of a stranger's text.
pub(super) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_as_receivers_do() {
        for (text, is, nearly) in [
            ("v=DMARC1", true, true),
            ("v = DMARC1 ; p=none", true, true),
            ("v=DMARC1;p=none", true, true),
            (" v=DMARC1;", false, true),
            ("V=DMARC1;", false, true),
            ("v=dmarc1;", false, true),
            ("\"v=DMARC1; p=none\"", false, true),
            ("v=DMARC1, p=none", false, true),
            ("v=DMARC12", false, true),
            ("p=none; v=DMARC1", false, true),
            ("v=spf1 -all", false, false),
            ("", false, false),
        ] {
            assert_eq!(is_version(text, "DMARC1"), is, "{text}");
            assert_eq!(is_nearly_version(text, "DMARC1"), nearly, "{text}");
        }
        assert!(is_version("v=TLSRPTv1; rua=mailto:a@example.org", "TLSRPTv1"));
        assert!(!is_version("v=TLSRPTV1; rua=mailto:a@example.org", "TLSRPTv1"));
    }

    #[test]
    fn tags_are_read_and_faults_told() {
        let (tags, faults) = Tags::parse("v=DMARC1; P = none ;rua=a=b; oops; p=reject;;");
        assert_eq!(
            (tags.get("p"), tags.get("rua"), tags.get("sp")),
            (Some("none"), Some("a=b"), None)
        );
        assert_eq!(faults, ["\"oops\" is no tag: there is no = in it", "the tag p is there twice"]);
    }

    #[test]
    fn places_are_read() {
        let mail = |address: &str| RuaAddress::Mail(address.into());
        for (text, expected) in [
            ("mailto:a@example.org", mail("a@example.org")),
            ("MAILTO:a%21b@example.org!10m", mail("a!b@example.org")),
            ("mailto:a@example.org?subject=x", mail("a@example.org")),
            ("https://example.org/x", RuaAddress::Web("https://example.org/x".into())),
            ("a@example.org", RuaAddress::Bad("\"a@example.org\" has no mailto: in front".into())),
            (
                "mailto:example.org",
                RuaAddress::Bad("\"mailto:example.org\" is no mail address".into()),
            ),
            ("ftp:x", RuaAddress::Bad("\"ftp:x\" is neither mailto: nor https:".into())),
            ("", RuaAddress::Bad("\"\" is no place: there is a comma too many".into())),
            (
                "mailto:a!b@example.org",
                RuaAddress::Bad(
                    "\"mailto:a!b@example.org\" has a ! in it, which is written %21".into(),
                ),
            ),
        ] {
            assert_eq!(places(text, true), [expected]);
        }
        assert_eq!(places("mailto:a@b.example , mailto:c@d.example", false).len(), 2);
        assert!(matches!(places("mailto:a@b.example!10m", false)[..], [RuaAddress::Bad(_)]));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "[v=;,!:@% a-zA-Z0-9é\\x00-\\x1f]{0,60}|.{0,300}") {
            let (tags, _) = Tags::parse(&text);
            for (name, value) in tags.iter() {
                let _ = (excerpt(name), places(value, true), places(value, false));
            }
            let is = is_version(&text, "DMARC1");
            assert!(!is || is_nearly_version(&text, "DMARC1"), "{text:?}");
        }
    }

    #[test]
    fn excerpts_are_short() {
        assert_eq!(excerpt(&"ü".repeat(200)).chars().count(), 200);
        assert_eq!(excerpt(&"ü".repeat(201)).chars().count(), 201);
    }
}
