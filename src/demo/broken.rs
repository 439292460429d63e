//! Broken: what comes to the address for reports and can't be stored.

use std::io;

use super::{
    DemoMail, Year,
    mail::{date, text},
};

impl Year {
    /// A report that was cut off on its way, and the answer of somebody's mailbox.
    ///
    /// # Errors
    /// None in practice, as of [`Year::mails`].
    pub fn broken(&self) -> io::Result<[DemoMail; 2]> {
        let mut last = self.mails_about(Year::DAYS - 1).into_iter();
        // Its file stands at the end.
        let whole = last.next_back().unwrap_or_else(|| Ok(DemoMail::default()))?;
        let (part, _) = whole.bytes.split_at(whole.bytes.len() / 10 * 9);
        let received = whole.received + 1800;
        let body =
            text("text/plain; charset=us-ascii", "I am away until Monday and read my mail then.");
        let answer = format!(
            "Return-Path: <>\n\
             Date: {}\n\
             From: Sam <sam@outpost.example>\n\
             To: <dmarc@example.com>\n\
             Subject: Out of office\n\
             Auto-Submitted: auto-replied\n\
             MIME-Version: 1.0\n\
             {body}",
            date(received)
        );
        Ok([
            DemoMail { received: whole.received, bytes: part.to_vec() },
            DemoMail { received, bytes: answer.into_bytes() },
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message;

    #[test]
    fn neither_is_a_report_that_can_be_read() {
        let year = Year::new(1, jiff::civil::Date::constant(2026, 9, 30));
        for mail in year.broken().expect("mails") {
            let contents = message::read_with(&mail.bytes, &message::ReadOptions::default());
            assert!(contents.complaint().is_some(), "{}", String::from_utf8_lossy(&mail.bytes));
            assert!(contents.reports.is_empty());
        }
    }
}
