//! Letter: what is to be told, as a mail.

use lettre::{
    Message,
    message::{
        Mailbox, MultiPart,
        header::{Header, HeaderName, HeaderValue},
    },
};

use super::{Letter, MailConfig};
use crate::sanitize;

/// What one letter tells one by one at most: strangers' reports could make it so long that no
/// server takes it.
pub(crate) const TOLD_AT_MOST: usize = 200;

/// Says that no person wrote it, so that nobody's absence is told in answer (RFC 3834 section 5).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".into())
    }
}

impl Letter {
    /// The mail to one of those who are to have it: text and page.
    pub(super) fn mail(
        &self,
        config: &MailConfig,
        to: &Mailbox,
    ) -> Result<Message, lettre::error::Error> {
        let builder = Message::builder()
            .from(config.from.clone())
            .to(to.clone())
            .subject(sanitize::line(&self.subject))
            .date_now()
            .message_id(None)
            .header(AutoSubmitted);
        builder.multipart(MultiPart::alternative_plain_html(self.text.clone(), self.html.clone()))
    }
}

/// A mail with lines ended as programs on this system end them: sendmail's of some mail servers
/// take a carriage return for a part of the line.
pub(super) fn lines(mail: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(mail.len());
    let mut bytes = mail.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\r' || bytes.peek() != Some(&b'\n') {
            lines.push(byte);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::post::Carrier;

    #[test]
    fn nothing_in_a_subject_begins_a_line() {
        let mailbox = "ops@example.org".parse::<lettre::message::Mailbox>().expect("an address");
        let config = MailConfig {
            to: vec![mailbox.clone()],
            from: mailbox,
            by: Carrier::Sendmail(PathBuf::from("/bin/true")),
        };
        let subject = "a\r\nBcc: victim@example.net\r\n\r\n<b>\u{202e}gro".to_owned();
        let letter = Letter { subject, text: "ü\n.\n".into(), html: "<p>ü".into() };
        let mail = letter.mail(&config, &config.to[0]).expect("a mail").formatted();
        let mail = String::from_utf8(lines(&mail)).expect("UTF-8");
        assert!(!mail.contains('\r') && !mail.contains("\nBcc"), "{mail}");
        let header = mail.split_once("\n\n").expect("a header").0;
        assert!(header.contains("\nAuto-Submitted: auto-generated\n"), "{mail}");
        assert!(header.is_ascii(), "{mail}");
        assert_eq!(header.lines().filter(|line| line.starts_with("Subject:")).count(), 1);
    }
}
