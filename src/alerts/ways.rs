//! Ways: by what alerts are told: a command, and mail to each of those who are to have it. Each has
//! its own count of what it was told, so that one that takes nothing keeps nothing from the others,
//! and nobody is told twice for it.

use std::{collections::BTreeMap, path::Path};

use lettre::message::Mailbox;

use super::message;
use crate::{
    changes::situations::Telling,
    config::Config,
    post::{self, MailConfig, PostError},
    stop::Stop,
};

/// By what it is told.
#[derive(Clone, Copy)]
pub(super) enum Way<'c> {
    Command(&'c Path),
    Mail(&'c MailConfig, &'c Mailbox),
}

/// All ways, by the name that each has in the store.
pub(super) fn all(config: &Config) -> BTreeMap<String, Way<'_>> {
    let mut ways = BTreeMap::new();
    if let Some(command) = &config.alert_command {
        ways.insert(format!("command {}", command.display()), Way::Command(command));
    }
    if let Some(mail) = &config.mail {
        for to in &mail.to {
            // Nobody has two addresses that differ in this only.
            let address = to.email.to_string().to_lowercase();
            ways.entry(format!("mail {address}")).or_insert(Way::Mail(mail, to));
        }
    }
    ways
}

impl Way<'_> {
    /// Hands it over; it was taken when this returns.
    pub(super) fn tell(
        &self,
        tellings: &[Telling],
        store: &str,
        stop: &Stop,
    ) -> Result<(), PostError> {
        match self {
            Way::Command(command) => {
                let message = message::json(tellings, store);
                post::hand_to(command, &[], message.as_bytes(), stop)
            }
            Way::Mail(mail, to) => mail.send(to, &message::letter(tellings, store), stop),
        }
    }
}
