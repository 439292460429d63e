//! Hidden: what is neither an archive nor XML or JSON at first sight, and may have such in it.

use super::{
    super::{Unusable, encoded, parts::looks_like_mail, signed},
    Walk,
};
use crate::report::{self, Repairs, Unreadable};

impl Walk<'_> {
    /// Reads what is neither an archive nor XML or JSON at first sight.
    pub(super) fn other(&mut self, bytes: &[u8], depth: usize, repairs: &Repairs) {
        // A mail in an archive, or attached under a type of its own.
        if looks_like_mail(bytes) && self.mail(bytes, depth + 1) {
            return;
        }
        match signed::signed_content(bytes) {
            Ok(Some(entity)) => return self.signed(&entity, depth, repairs),
            Ok(None) => {}
            Err(signed::IsCut) => return self.fail(Unusable::Cut("S/MIME signature")),
        }
        if report::is_in(bytes) {
            return self.report(bytes, repairs);
        }
        if let Err(limit) = self.unpacked.search(bytes.len(), self.limits) {
            return self.fail(limit);
        }
        let mut repairs = repairs.clone();
        let found = self.found();
        let hidden = self.hidden(bytes, &mut repairs);
        if hidden.is_empty() {
            self.pass_over(Unreadable::NotAReport("neither XML nor JSON".into()));
        } else if hidden.len() > self.limits.members {
            self.fail(self.limits.too_many_members());
        } else if self.goes_deeper(hidden.iter().map(Vec::len).sum(), depth) {
            hidden.iter().for_each(|file| self.payload(file, depth + 1, &repairs));
        }
        if self.found() == found && encoded::has_file_in_words(bytes) {
            self.fail(Unusable::Encoded);
        }
    }

    /// Reads what is within a signature: a mail, as it should be, or anything else.
    fn signed(&mut self, entity: &[u8], depth: usize, repairs: &Repairs) {
        if self.goes_deeper(entity.len(), depth) && !self.mail(entity, depth + 1) {
            self.payload(entity, depth + 1, repairs);
        }
    }

    /// Counts so many bytes that were decoded. False, after which the mail has failed, beyond a
    /// limit.
    fn goes_deeper(&mut self, size: usize, depth: usize) -> bool {
        if depth >= self.limits.nesting {
            self.fail(self.limits.nested_too_deep());
            return false;
        }
        self.unpacked.take(size, self.limits).map_err(|limit| self.fail(limit)).is_ok()
    }

    /// The files in a text that are encoded without saying so; one more than there may be at most.
    fn hidden(&mut self, bytes: &[u8], repairs: &mut Repairs) -> Vec<Vec<u8>> {
        let at_most = self.limits.members + 1;
        let uuencoded = encoded::uuencoded(bytes, at_most);
        if uuencoded.is_cut {
            self.fail(Unusable::Cut("uuencoded file"));
        }
        if !uuencoded.files.is_empty() {
            return uuencoded.files;
        }
        // A word in front of it may be base64 as well. There is never room for all of it twice.
        let whole = encoded::undeclared_base64(bytes);
        let mut files = match whole {
            Some(text) if encoded::is_base64_of_known(text) => Vec::new(),
            _ => {
                let count = |size| self.unpacked.search(size, self.limits);
                match encoded::base64_within(bytes, at_most, count) {
                    Ok(files) => files,
                    Err(limit) => {
                        self.fail(limit);
                        return Vec::new();
                    }
                }
            }
        };
        if files.is_empty() {
            files.extend(whole.map(encoded::base64));
        }
        if !files.is_empty() {
            repairs.note("undeclared-base64");
        }
        files
    }
}
