//! Which element ends where: end tags that are missing, do not match, or are one too many.

use super::{Element, Walker, XmlStep};
use crate::report::Unreadable;

/// How many of the open elements stay open where this one begins, if others should have ended: a
/// record is never within a record. Nothing if it may stand where it is.
fn kept_open(open: &[Element], tag: Element) -> Option<usize> {
    use Element::{
        AuthResults, Feedback, Identifiers, PolicyPublished, Record, ReportMetadata, Row,
    };
    let first = |tags: &[Element]| open.iter().position(|open| tags.contains(open));
    match tag {
        // The report that is being read ends with it, and says so.
        Feedback => first(&[Feedback]).map(|at| at + 1).filter(|at| *at < open.len()),
        Record => first(&[ReportMetadata, PolicyPublished, Record]),
        ReportMetadata | PolicyPublished if !open.contains(&Record) => {
            first(&[ReportMetadata, PolicyPublished])
        }
        Row | Identifiers | AuthResults => first(&[Row, Identifiers, AuthResults]),
        _ => None,
    }
}

impl<'x> Walker<'x> {
    /// A start tag was met; nothing if other elements end in front of it.
    pub(super) fn begin(&mut self, tag: Element) -> Result<Option<XmlStep<'x>>, Unreadable> {
        let Some(kept) = kept_open(&self.open, tag) else { return self.enter(tag).map(Some) };
        self.repairs.note("missing-end-tag");
        self.closing = self.open.len() - kept;
        self.reopen = Some(tag);
        Ok(None)
    }

    pub(super) fn enter(&mut self, tag: Element) -> Result<XmlStep<'x>, Unreadable> {
        if self.open.len() >= self.limits.xml_depth {
            return Err(self.limits.xml_too_deep().into());
        }
        self.open.push(tag);
        Ok(XmlStep::Open(tag))
    }

    /// An end tag: closes the innermost open element of that name and all within it; ignored where
    /// there is none.
    pub(super) fn leave(&mut self, tag: Element) {
        match self.open.iter().rev().position(|open| *open == tag) {
            Some(0) => self.closing = 1,
            Some(within) => {
                self.repairs.note("missing-end-tag");
                self.closing = within + 1;
            }
            None => self.repairs.note("stray-end-tag"),
        }
    }
}
