//! The promises, held against what is in the Maildir and in the store.

use std::{collections::BTreeMap, fs};

use super::super::{
    around::sqlite_lines,
    letters::{Mail, without_received},
    story::Sink,
};
use super::{Content, PRIVATE, PRIVATE_TEXT, Stage};

/// Where mails are, each with how often it is there.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) new: BTreeMap<Content, usize>,
    pub(super) cur: BTreeMap<Content, usize>,
    pub(super) failed: BTreeMap<Content, usize>,
}

impl Stage<'_> {
    /// What the mail server was told about the mail on standard input must be true.
    pub(super) fn check_exit_code(&self, letter: usize, code: i32) -> Result<(), String> {
        let mail = &self.mails[letter];
        let refused = self.story.refused(&self.mails);
        let is_good = !mail.fails && !mail.documents.iter().any(|(id, _)| refused.contains(id));
        match code {
            0 if !is_good => Err("exit code 0 for a mail that can't be stored".into()),
            0 => self
                .is_stored(mail, &self.stored()?)
                .then_some(())
                .ok_or_else(|| "exit code 0, but not stored".into()),
            65 if is_good => Err("exit code 65 for a good mail".into()),
            65 | 75 => Ok(()),
            _ => Err(format!("exit code {code}")),
        }
    }

    /// All mails, by content.
    pub(super) fn places(&self) -> Places {
        let read = |folder: &str| {
            let mut found = BTreeMap::new();
            for name in self.maildir.names(folder).into_iter().filter(|name| name != PRIVATE) {
                // A second program may have moved it.
                let Ok(bytes) = fs::read(self.maildir.path().join(folder).join(name)) else {
                    continue;
                };
                let bytes = match bytes.strip_prefix(b"X-Email-Report-Processor-Error: ") {
                    Some(rest) => {
                        rest.splitn(2, |byte| *byte == b'\n').nth(1).unwrap_or_default().to_vec()
                    }
                    None => bytes,
                };
                *found.entry(bytes).or_insert(0) += 1;
            }
            found
        };
        Places { new: read("new"), cur: read("cur"), failed: read(".failed/new") }
    }

    /// The documents in the store, each with how often it is there.
    fn stored(&self) -> Result<BTreeMap<String, usize>, String> {
        let lines: Vec<String> = match self.story.sink {
            Sink::OpenSearch => self.store.documents().into_values().collect(),
            Sink::NdJson => fs::read_to_string(self.path("lines"))
                .unwrap_or_default()
                .lines()
                .map(str::to_owned)
                .collect(),
            Sink::Sqlite => sqlite_lines(&self.path("store"))?,
        };
        let mut found = BTreeMap::new();
        for line in lines {
            if self.story.sink == Sink::NdJson
                && serde_json::from_str::<serde_json::Value>(&line).is_err()
            {
                // A kill may cut the last line off; then what it held must come again.
                continue;
            }
            *found.entry(without_received(&line)).or_insert(0) += 1;
        }
        Ok(found)
    }

    /// True if the store has all documents of a mail that it is to have.
    fn is_stored(&self, mail: &Mail, stored: &BTreeMap<String, usize>) -> bool {
        let refused = self.story.refused(&self.mails);
        let mut wanted = mail.documents.iter().filter(|(id, _)| !refused.contains(id));
        wanted.all(|(_, source)| stored.contains_key(&without_received(source)))
    }

    /// The promises that hold at any moment.
    pub(super) fn check(&self, log: &str) -> Result<(), String> {
        let broken = |what: &str, mail: &Mail| Err(format!("{what}: {}\n{log}", mail.name));
        if fs::read_to_string(self.maildir.path().join("cur").join(PRIVATE)).ok().as_deref()
            != Some(PRIVATE_TEXT)
        {
            return Err(format!("a private mail that had been read was moved or changed\n{log}"));
        }
        let places = self.places();
        let stored = self.stored()?;
        let refused = self.story.refused(&self.mails);
        let count = |place: &BTreeMap<Content, usize>, mail: &Mail| {
            place.get(&mail.bytes).copied().unwrap_or(0)
        };
        for n in &self.delivered {
            let mail = &self.mails[*n];
            let copies =
                self.delivered.iter().filter(|m| self.mails[**m].bytes == mail.bytes).count();
            let (new, cur, failed) =
                (count(&places.new, mail), count(&places.cur, mail), count(&places.failed, mail));
            let taken = self.taken.iter().filter(|content| **content == mail.bytes).count();
            // A crash between the delivery to .failed and the removal leaves both; a mail reader
            // may take the one left.
            if new + cur + failed < copies || cur.saturating_sub(taken) + new.max(failed) > copies {
                return broken(
                    &format!("{copies} delivered, {new} in new, {cur} in cur, {failed} in .failed"),
                    mail,
                );
            }
            let is_refused = mail.documents.iter().any(|(id, _)| refused.contains(id));
            if cur > taken && (mail.fails || is_refused) {
                return broken("in cur/ although it can't be read or was refused", mail);
            }
            if cur > taken && !self.is_stored(mail, &stored) {
                return broken("in cur/ but not in the store", mail);
            }
            if failed > 0 && !mail.fails && !is_refused {
                return broken("in .failed without a reason", mail);
            }
        }
        let all = |place: &BTreeMap<Content, usize>| place.values().sum::<usize>();
        let known = |place: &BTreeMap<Content, usize>| {
            place.keys().all(|content| self.mails.iter().any(|mail| mail.bytes == *content))
        };
        if !(known(&places.new) && known(&places.cur) && known(&places.failed)) {
            return Err(format!(
                "{} mails are there that nobody delivered, or that were changed\n{log}",
                all(&places.failed)
            ));
        }
        // A file of lines is not searched for what is there already.
        if self.story.sink != Sink::NdJson && stored.values().any(|times| *times > 1) {
            return Err(format!("a document is there twice\n{log}"));
        }
        Ok(())
    }

    pub(super) fn check_all_stored(&self, log: &str) -> Result<(), String> {
        let stored = self.stored()?;
        let lacks =
            |mail: &&Mail| !self.is_stored(mail, &stored) && !self.taken.contains(&mail.bytes);
        if let Some(mail) = self.delivered.iter().map(|n| &self.mails[*n]).find(lacks) {
            return Err(format!("its documents are not in the store: {}\n{log}", mail.name));
        }
        Ok(())
    }
}
