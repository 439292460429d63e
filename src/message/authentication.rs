//! Authentication: what the receiving mail server found out about who sent a mail, as it wrote it
//! into the header fields `Authentication-Results` (RFC 8601).
//!
//! Anybody can write such a field into a mail. Those of the own server are told by their
//! authserv-id, which a server takes out of mail that comes from elsewhere (RFC 8601 section 5);
//! and only those are looked at that stand above the `Received` of the server that took the mail
//! in, since what is below was there before the mail arrived. Above it there may be the `Received`
//! of a local delivery (LMTP), which brings nothing in. Some milters put theirs directly below that
//! `Received`; who has them can ask for that place to be believed too.

use mail_parser::Message;
use serde::{Deserialize, Serialize};

use crate::report::Text;

/// What the receiving server vouches for: `received.authenticated`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Authenticated {
    /// A domain that passed is that of the From header, or one is a subdomain of the other.
    ///
    /// This is relaxed alignment (RFC 7489 section 3.1) without the list of public suffixes: two
    /// subdomains of one organisation count only if the server says `dmarc=pass` for the From
    /// domain.
    pub pass: bool,
    /// Domains with a DKIM signature that passed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dkim: Vec<Text>,
    /// Domain of the envelope sender, or the HELO name, if SPF passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spf: Option<Text>,
    /// Domain of the From header, if DMARC passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dmarc: Option<Text>,
}

/// DKIM results kept of one mail, and fields and bytes of each looked at; more is no mail server's
/// work.
const KEPT: usize = 20;
const FIELDS: usize = 50;
const FIELD_BYTES: usize = 16 << 10;

impl Authenticated {
    /// What the server `authserv_id` wrote into a mail that claims to come from the domain `from`,
    /// above its own `Received`; also between that and the next one if `below_received`.
    pub(super) fn of(
        message: &Message,
        authserv_id: &str,
        below_received: bool,
        from: Option<&str>,
    ) -> Authenticated {
        let mut found = Authenticated::default();
        for field in fields_of_own_server(message, below_received) {
            found.add(&field, authserv_id);
        }
        let Some(from) = from.map(fold) else { return found };
        // With two From headers, a server and a reader may look at different ones.
        let one_from =
            message.headers().iter().filter(|header| header.name() == "From").count() == 1;
        found.pass = one_from
            && (found.dmarc.as_ref() == Some(&from)
                || found.dkim.iter().chain(&found.spf).any(|domain| is_aligned(domain, &from)));
        found
    }

    /// Takes in one field.
    fn add(&mut self, field: &str, authserv_id: &str) {
        let field = without_comments(field);
        let mut statements = split(&field, ';').into_iter();
        // `authserv-id [ CFWS authres-version ]`
        let id = statements.next().unwrap_or_default();
        let id = unquote(id.split_whitespace().next().unwrap_or_default());
        if !id.eq_ignore_ascii_case(authserv_id) {
            return;
        }
        for statement in statements {
            self.add_result(statement);
        }
    }

    /// Takes in `dkim=pass reason="…" header.d=example.org`, of which every `=` may have blanks
    /// around.
    fn add_result(&mut self, statement: &str) {
        let mut pairs = pairs(statement).into_iter();
        let Some((method, result)) = pairs.next() else { return };
        if !result.eq_ignore_ascii_case("pass") {
            return;
        }
        let properties: Vec<(String, String)> = pairs.collect();
        let domain = |name: &str| {
            let (_, value) = properties.iter().find(|(property, _)| property == name)?;
            let domain = fold(value.rsplit('@').next().unwrap_or_default());
            Some(domain).filter(|domain| !domain.is_empty() && domain.len() <= 253)
        };
        let method = method.split('/').next().unwrap_or_default().trim();
        match method {
            "dkim" => {
                let domain = domain("header.d").or_else(|| domain("header.i"));
                if let Some(domain) =
                    domain.filter(|domain| self.dkim.len() < KEPT && !self.dkim.contains(domain))
                {
                    self.dkim.push(domain);
                }
            }
            "spf" => self.spf = self.spf.take().or(domain("smtp.mailfrom")).or(domain("smtp.helo")),
            "dmarc" => self.dmarc = self.dmarc.take().or(domain("header.from")),
            _ => {}
        }
    }
}

/// The fields `Authentication-Results` above the `Received` of the server that took the mail in,
/// and those directly below it if asked for.
fn fields_of_own_server(message: &Message, below_received: bool) -> Vec<String> {
    let mut fields = Vec::new();
    let mut is_below = false;
    for header in message.headers() {
        let name = header.name();
        let raw = message.raw_message.get(header.offset_start as usize..header.offset_end as usize);
        if name.eq_ignore_ascii_case("Authentication-Results") {
            let raw = raw.filter(|raw| raw.len() <= FIELD_BYTES).unwrap_or_default();
            fields.push(String::from_utf8_lossy(raw).into_owned());
            if fields.len() == FIELDS {
                break;
            }
        } else if name.eq_ignore_ascii_case("Received") {
            let is_delivery = !is_below && raw.is_some_and(is_local_delivery);
            let goes_on = if below_received { !is_below } else { is_delivery && fields.is_empty() };
            if !goes_on {
                break;
            }
            is_below = !is_delivery;
        }
    }
    fields
}

/// True for `from … by … with LMTP` (RFC 3848). A sender can choose the name behind `from`, which
/// must not open a comment or hold what looks like a blank, and what stands in comments; everything
/// else is the receiving server's, which has no tab but at the beginning of a folded line.
fn is_local_delivery(received: &[u8]) -> bool {
    let start = &received[..received.len().min(FIELD_BYTES)];
    let text = String::from_utf8_lossy(start);
    let name = text.split_ascii_whitespace().nth(1).unwrap_or_default();
    let is_odd = |line: &str| line.trim_start_matches([' ', '\t']).contains(char::is_control);
    if !text.is_ascii() || text.lines().any(is_odd) || name.contains(['(', ')', '"', '\\']) {
        return false;
    }
    let field = without_comments(&text);
    let words: Vec<&str> = field.split_ascii_whitespace().take(6).collect();
    match words.as_slice() {
        ["from", _, "by", _, "with", protocol] | ["by", _, "with", protocol, ..] => {
            let protocol = protocol.trim_end_matches(';').to_ascii_uppercase();
            ["LMTP", "LMTPA", "LMTPS", "LMTPSA", "UTF8LMTP", "UTF8LMTPA", "UTF8LMTPS", "UTF8LMTPSA"]
                .contains(&protocol.as_str())
        }
        _ => false,
    }
}

fn fold(domain: &str) -> Text {
    domain.trim().trim_matches(['<', '>']).trim_end_matches('.').to_lowercase().into()
}

/// Equal, or one is a subdomain of the other. A name without a dot is nobody's domain.
fn is_aligned(domain: &str, from: &str) -> bool {
    let is_below = |name: &str, parent: &str| {
        parent.contains('.') && name.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'))
    };
    domain == from || is_below(domain, from) || is_below(from, domain)
}

/// The text without comments (RFC 5322 section 3.2.2: nested, in parentheses), each a blank, and
/// without line breaks.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for character in text.chars() {
        let was_escaped = escaped;
        escaped = character == '\\' && !escaped && (quoted || depth > 0);
        match character {
            '"' if depth == 0 && !was_escaped => quoted = !quoted,
            '(' if !quoted && !was_escaped => depth += 1,
            ')' if depth > 0 && !was_escaped => {
                depth -= 1;
                out.push(' ');
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            out.push(if character.is_whitespace() { ' ' } else { character });
        }
    }
    out
}

/// Splits at a character outside of quotation marks.
fn split(text: &str, at: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |character| {
        let was_escaped = escaped;
        escaped = character == '\\' && quoted && !escaped;
        quoted ^= character == '"' && !was_escaped;
        character == at && !quoted
    })
    .collect()
}

fn unquote(text: &str) -> String {
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(inner) => {
            let mut out = String::with_capacity(inner.len());
            let mut characters = inner.chars();
            while let Some(character) = characters.next() {
                out.extend(if character == '\\' { characters.next() } else { Some(character) });
            }
            out
        }
        None => text.to_owned(),
    }
}

/// `a=b c.d = "e f"` as pairs, names in small letters.
fn pairs(statement: &str) -> Vec<(String, String)> {
    // The blanks around the first `=` of a word mean nothing.
    let mut tight = String::with_capacity(statement.len());
    let (mut quoted, mut in_value, mut value_at) = (false, false, 0);
    for character in statement.trim().chars() {
        match character {
            '=' if !quoted && !in_value => {
                tight.truncate(tight.trim_end().len());
                in_value = true;
                value_at = tight.len() + 1;
            }
            ' ' if !quoted && in_value && value_at == tight.len() => continue,
            ' ' if !quoted => in_value = false,
            '"' => quoted = !quoted,
            _ => {}
        }
        tight.push(character);
    }
    let pair = |word: &str| {
        let (name, value) = word.split_once('=')?;
        Some((name.to_ascii_lowercase(), unquote(value)))
    };
    split(&tight, ' ').into_iter().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;

    use super::*;

    fn of(headers: &str) -> Authenticated {
        let mail = format!("{headers}From: Reports <dmarc@reporter.example>\r\n\r\n");
        let message = MessageParser::default().parse(mail.as_bytes()).expect("a mail");
        Authenticated::of(&message, "mx.example.org", false, Some("reporter.example"))
    }

    #[test]
    fn results_of_the_own_server_are_read() {
        let found = of(
            "Received: from here by localhost with LMTP; Mon, 2 Oct 2023 10:00:00 +0000\r\n\
             Authentication-Results: MX.example.org 1 (a (nested; \"comment\")); dkim = pass (2048-bit; key)\r\n\
             \theader.d = Reporter.Example. header.s=a; DKIM/1=pass header.i=@mail.example.net;\r\n\
             \tdkim=fail header.d=broken.example; spf=pass smtp.mailfrom=\"bounces@bounce.reporter.example\"\r\n\
             Authentication-Results: mx.example.org; dmarc=pass (p=none) header.from=reporter.example\r\n",
        );
        assert_eq!(found.dkim, ["reporter.example", "mail.example.net"]);
        assert_eq!(found.spf.as_deref(), Some("bounce.reporter.example"));
        assert_eq!(found.dmarc.as_deref(), Some("reporter.example"));
        assert!(found.pass);
    }

    #[test]
    fn others_cannot_vouch() {
        let own = "Authentication-Results: mx.example.org; dkim=pass header.d=reporter.example\r\n";
        assert!(of(own).pass);
        // Another server's word, though it names ours.
        for other in [
            "Authentication-Results: evil.example; dkim=pass header.d=reporter.example\r\n",
            "Authentication-Results: (mx.example.org) evil.example; dkim=pass header.d=reporter.example\r\n",
            "Authentication-Results: \"mx.example.org;\"; dkim=pass header.d=reporter.example\r\n",
            "Authentication-Results: mx.example.org; x=\"; dkim=pass header.d=reporter.example\"\r\n",
            "Authentication-Results: mx.example.org; none (; dkim=pass header.d=reporter.example)\r\n",
            "Authentication-Results: mx.example.org; dkim=fail reason=\"dkim=pass header.d=reporter.example\"\r\n",
        ] {
            assert_eq!(of(other), Authenticated::default(), "{other}");
        }
        // The mail brought the field along: it is below the topmost block.
        let received =
            "Received: from evil.example by mx.example.org; Mon, 2 Oct 2023 10:00:00 +0000\r\n";
        let failed =
            "Authentication-Results: mx.example.org; dkim=fail header.d=reporter.example\r\n";
        assert_eq!(of(&format!("{failed}{received}{own}")), Authenticated::default());
        let of_another = "Authentication-Results: filter.example.org; spf=none\r\n";
        assert_eq!(of(&format!("{of_another}{received}{own}")), Authenticated::default());
    }

    #[test]
    fn passing_for_another_domain_is_no_pass() {
        for (domain, pass) in [
            ("reporter.example", true),
            ("mail.reporter.example", true),
            ("example", false),
            ("evilreporter.example", false),
            ("reporter.example.evil.example", false),
        ] {
            let found = of(&format!(
                "Authentication-Results: mx.example.org; dkim=pass header.d={domain}\r\n"
            ));
            assert_eq!((found.dkim, found.pass), (vec![Text::from(domain)], pass));
        }
        let two = "From: a@other.example\r\nAuthentication-Results: mx.example.org; dkim=pass header.d=reporter.example\r\n";
        assert!(!of(two).pass, "two From headers");
    }
}
