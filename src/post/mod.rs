//! Post: hands a message over to who is to know: as a mail, to sendmail or an SMTP server; or as
//! JSON, to a command. It says whether it was taken, and knows nothing of what is in it.

mod command;
mod letter;
mod smtp;

use std::path::PathBuf;

use lettre::message::Mailbox;

pub(crate) use self::{
    command::hand_to,
    letter::TOLD_AT_MOST,
    smtp::{Security, SmtpConfig},
};
use crate::stop::Stop;

/// Where mails go.
#[derive(Clone, Debug)]
pub(crate) struct MailConfig {
    /// Who is to have them; never empty.
    pub(crate) to: Vec<Mailbox>,
    /// In whose name.
    pub(crate) from: Mailbox,
    /// By what way.
    pub(crate) by: Carrier,
}

/// How a mail leaves.
#[derive(Clone, Debug)]
pub(crate) enum Carrier {
    /// This program takes it on its standard input, as sendmail does.
    Sendmail(PathBuf),
    /// An SMTP server takes it.
    Smtp(SmtpConfig),
}

/// What a mail says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    /// One line, without control characters.
    pub(crate) subject: String,
    /// For those who read text.
    pub(crate) text: String,
    /// The same as a page, with nothing that is fetched.
    pub(crate) html: String,
}

/// A message was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    /// It can't be written down as a mail.
    #[error("no mail can be made: {0}")]
    Letter(#[from] lettre::error::Error),
    /// A program did not take it.
    #[error("{}: {reason}", .program.display())]
    Command {
        /// The program.
        program: PathBuf,
        /// What it or the system said.
        reason: String,
        /// It had its say about this message.
        is_answer: bool,
    },
    /// The server did not take it.
    #[error("{server}: {reason}")]
    Smtp {
        /// Its name and port.
        server: String,
        /// What it or the system said.
        reason: String,
        /// It had its say about this message.
        is_answer: bool,
    },
    /// Work is to end.
    #[error("stopped before the message was taken, as asked")]
    Stopped,
}

impl PostError {
    /// True if another message, to somebody else, would fare alike: nobody answers, or nobody is
    /// let in.
    pub(crate) fn is_of_all(&self) -> bool {
        match self {
            PostError::Letter(_) => false,
            PostError::Command { is_answer, .. } | PostError::Smtp { is_answer, .. } => !is_answer,
            PostError::Stopped => true,
        }
    }
}

impl MailConfig {
    /// Hands a mail over to one of those who are to have it: one that is refused keeps it from
    /// nobody else.
    ///
    /// # Errors
    /// It was not taken, or nobody knows.
    pub(crate) fn send(&self, to: &Mailbox, letter: &Letter, stop: &Stop) -> Result<(), PostError> {
        let mail = letter.mail(self, to)?;
        match &self.by {
            Carrier::Sendmail(program) => {
                // Lines that are a lone dot are text; the envelope is not looked for in the mail.
                let mut arguments = vec!["-i".into(), "-f".into()];
                arguments.extend(mail.envelope().from().map(ToString::to_string));
                arguments.push("--".to_owned());
                arguments.extend(mail.envelope().to().iter().map(ToString::to_string));
                hand_to(program, &arguments, &letter::lines(&mail.formatted()), stop)
            }
            Carrier::Smtp(config) => {
                if stop.is_asked() {
                    return Err(PostError::Stopped);
                }
                config.send(&mail)
            }
        }
    }
}
