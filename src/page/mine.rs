//! Mine: buttons by which a person says that something is a domain's own, or takes that back; and
//! what becomes of it.

use std::path::Path;

use serde::Serialize;
use tracing::info;

use super::{access::Visitor, denial::Denial, form::Fields, trouble::Trouble, words::Said};
use crate::{
    answers::{Key, Network, folded, is_at_or_below},
    lookup, sanitize,
    verdict::{Mine, Whose, domain_name},
};

/// Where the buttons' form is sent.
pub(super) const PATH: &str = "/mine";

/// A button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// Its name: `add` or `remove`.
    pub(super) change: ClaimChange,
    /// What it sends: the domain, a blank, and what is its own.
    pub(super) value: String,
    /// What it does.
    pub(super) title: Said,
}

/// What is done to what was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClaimChange {
    Add,
    Remove,
}

impl ClaimChange {
    /// As the form has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            ClaimChange::Add => "add",
            ClaimChange::Remove => "remove",
        }
    }

    /// On the button.
    pub(super) fn words(self) -> &'static str {
        match self {
            ClaimChange::Add => "mine",
            ClaimChange::Remove => "not mine",
        }
    }
}

/// Something that the user said.
#[derive(Debug, Serialize)]
pub(super) struct SaidOwn {
    what: Said,
    /// Of which domain; one above holds, too.
    of: Said,
    #[serde(skip)]
    pub(super) claim: Option<Claim>,
}

impl SaidOwn {
    pub(super) fn what(&self) -> &Said {
        &self.what
    }

    pub(super) fn of(&self) -> &Said {
        &self.of
    }
}

/// Who may say something, and what was said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claims<'m> {
    pub(super) mine: &'m Mine,
    /// Who looks may change it.
    pub(super) may_edit: bool,
}

impl Claims<'_> {
    /// The button for something of a domain: that it is not its own any more, if that was said of it
    /// or of more; else that it is.
    pub(super) fn button(&self, domain: &str, whose: &Whose) -> Option<Claim> {
        let domain = domain_name(domain).filter(|_| self.may_edit)?;
        let said = self.holding(&domain).find(|(_, known)| covers(known, whose));
        match said {
            Some((of, known)) => claim(ClaimChange::Remove, of, known),
            None => claim(ClaimChange::Add, &domain, whose),
        }
    }

    /// The button for an address that sends in a domain's name.
    pub(super) fn of_address(&self, domain: &str, address: &Key) -> Option<Claim> {
        match address {
            Key::Address(Some(address)) => {
                self.button(domain, &Whose::Network(Network::one(*address)))
            }
            _ => None,
        }
    }

    /// What was said that holds for a domain.
    pub(super) fn of(&self, domain: &str) -> Vec<SaidOwn> {
        let domain = folded(domain);
        let all = self.holding(&domain).map(|(of, whose)| SaidOwn {
            what: whose.to_string().into(),
            of: of.into(),
            claim: claim(ClaimChange::Remove, of, whose).filter(|_| self.may_edit),
        });
        all.collect()
    }

    fn holding(&self, domain: &str) -> impl Iterator<Item = (&str, &Whose)> {
        self.mine.iter().filter(move |(top, _)| is_at_or_below(domain, top))
    }
}

/// True if what was said makes something a domain's own.
fn covers(said: &Whose, whose: &Whose) -> bool {
    match (said, whose) {
        (Whose::Network(said), Whose::Network(network)) => said.has(network),
        (Whose::Sender(said), Whose::Sender(name)) => said.eq_ignore_ascii_case(name),
        _ => said == whose,
    }
}

/// Nothing if it could not be read again as it is written.
fn claim(change: ClaimChange, domain: &str, whose: &Whose) -> Option<Claim> {
    let text = whose.to_string();
    if text.parse().as_ref() != Ok(whose) {
        return None;
    }
    let title = match change {
        ClaimChange::Add => format!("Say that {text} is {domain}'s own"),
        ClaimChange::Remove => format!("Take back that {text} is {domain}'s own"),
    };
    Some(Claim { change, value: format!("{domain} {text}"), title: title.into() })
}

/// Does what a button says.
///
/// # Errors
/// The form makes no sense, or the file can't be changed.
pub(super) fn change(path: &Path, fields: &Fields, visitor: &Visitor) -> Result<(), Trouble> {
    let (change, value) = match (fields.one("add"), fields.one("remove")) {
        (Some(value), None) => (ClaimChange::Add, value),
        (None, Some(value)) => (ClaimChange::Remove, value),
        _ => return Err(Denial::BadForm.into()),
    };
    let (domain, whose) = value.split_once(' ').ok_or(Denial::BadForm)?;
    let domain = domain_name(domain).ok_or(Denial::BadForm)?;
    let whose: Whose = whose.parse().map_err(|_| Denial::BadForm)?;
    let changed = lookup::change_mine(path, |text| {
        let changed = match change {
            ClaimChange::Add => Mine::with(text, &domain, &whose)?,
            ClaimChange::Remove => Mine::without(text, &domain, &whose)?,
        };
        Ok(changed.unwrap_or_else(|| text.to_owned()))
    });
    if changed.map_err(|failure| Trouble::Mine(failure.to_string()))? {
        let name = visitor.person.as_ref().and_then(|person| person.name.as_ref());
        let who = name.map_or_else(|| visitor.address.to_string(), ToString::to_string);
        let done = if change == ClaimChange::Add { "is" } else { "is not any more" };
        let line = format!("{who} says: {whose} {done} {domain}'s own");
        info!("{}", sanitize::line(&line));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whose(text: &str) -> Whose {
        text.parse().expect(text)
    }

    #[test]
    fn a_button_takes_back_what_holds() {
        let file = "[\"example.org\"]\nnetworks = [\"192.0.2.0/24\"]\nsenders = [\"Amazon SES\"]\n";
        let mine = Mine::read(file).expect("a file");
        let claims = Claims { mine: &mine, may_edit: true };
        for (domain, what, expected) in [
            ("example.org", "192.0.2.7", "remove example.org 192.0.2.0/24"),
            ("News.Example.org", "192.0.2.7", "remove example.org 192.0.2.0/24"),
            ("example.net", "192.0.2.7", "add example.net 192.0.2.7"),
            ("example.org", "192.0.0.0/16", "add example.org 192.0.0.0/16"),
            ("example.org", "sender:AMAZON ses", "remove example.org sender:Amazon SES"),
            ("example.org", "sender:a b:<c>", "add example.org sender:a b:<c>"),
            ("<script>", "192.0.2.7", ""),
            ("", "192.0.2.7", ""),
        ] {
            let claim = claims.button(domain, &whose(what));
            let found = claim.map(|claim| format!("{} {}", claim.change.name(), claim.value));
            assert_eq!(found.unwrap_or_default(), expected, "{domain} {what}");
        }
        // What a form would send otherwise than it is.
        assert_eq!(claims.button("example.org", &Whose::Sender(" x".into())), None);
        assert_eq!(claims.of("mail.example.org").len(), 2);
        assert!(claims.of("mail.example.org")[0].claim.is_some());
        let reader = Claims { may_edit: false, ..claims };
        assert_eq!(reader.button("example.org", &whose("192.0.2.7")), None);
        assert!(reader.of("example.org").iter().all(|said| said.claim.is_none()));
    }
}
