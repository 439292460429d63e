//! Lines: the documents of a mail as a store that takes lines is given them, in chunks of bounded
//! size.

use std::mem;

use crate::{
    document::Documents, lookup::Databases, message::Contents, report::Report, senders::Hosts,
    stop::Stopped,
};

/// Documents of one mail that go to one place.
pub(super) struct Chunk<P> {
    /// Nothing where the mail has no document.
    pub(super) place: Option<P>,
    pub(super) bytes: Vec<u8>,
    /// Where each document ends in `bytes`.
    pub(super) ends: Vec<usize>,
}

/// Writes the documents of a mail, with what the databases know of its addresses, in chunks of
/// about this many bytes, each for the `place` to which its reports go. `write` appends document
/// `n`, `push` takes a chunk. A mail without documents is one empty chunk, since it travels, too:
/// nothing is settled while the store is away.
///
/// # Errors
/// `push` takes no more.
pub(super) fn chunks<P: Clone + PartialEq>(
    contents: &Contents,
    databases: Option<&Databases>,
    chunk_bytes: usize,
    place: impl Fn(&Report) -> P,
    write: impl Fn(&P, &Documents, usize, &mut Vec<u8>),
    mut push: impl FnMut(Chunk<P>) -> Result<(), Stopped>,
) -> Result<(), Stopped> {
    let empty = || Chunk { place: None, bytes: Vec::new(), ends: Vec::new() };
    let mut push = |chunk: &mut Chunk<P>| {
        let mut full = mem::replace(chunk, empty());
        // What growing left over would not be counted by the queue.
        full.bytes.shrink_to_fit();
        full.ends.shrink_to_fit();
        push(full)
    };
    let networks = databases.map(Databases::networks);
    let hosts = networks.as_deref().map_or(Hosts::Unknown, Hosts::Networks);
    let mut chunk = empty();
    for (report, ids) in contents.reports.iter().zip(contents.ids()) {
        let documents = Documents::with_ids(report, ids, &contents.received);
        let documents = documents.with_hosts(hosts);
        let here = place(report);
        for n in 0..documents.len() {
            let is_elsewhere = chunk.place.as_ref().is_some_and(|before| *before != here);
            let is_full = chunk.bytes.len() >= chunk_bytes || is_elsewhere;
            if is_full {
                push(&mut chunk)?;
            }
            chunk.place.get_or_insert_with(|| here.clone());
            write(&here, &documents, n, &mut chunk.bytes);
            chunk.ends.push(chunk.bytes.len());
        }
    }
    push(&mut chunk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{TlsReport, tls::PolicyResult};

    fn contents(policies: usize) -> Contents {
        let policies = (0..policies).map(|_| PolicyResult::default()).collect();
        let report = Report::Tls(TlsReport { policies, ..TlsReport::default() });
        Contents { reports: vec![report], ..Contents::default() }
    }

    #[test]
    fn a_mail_without_documents_is_one_empty_chunk() {
        let mut pushed = Vec::new();
        let all = chunks(
            &Contents::default(),
            None,
            10,
            Report::kind,
            |_, _, _, _| {},
            |chunk| {
                pushed.push((chunk.place, chunk.ends));
                Ok(())
            },
        );
        assert_eq!(all, Ok(()));
        assert_eq!(pushed, [(None, vec![])]);
    }

    #[test]
    fn chunks_are_cut_by_size_and_lose_nothing() {
        let mut pushed = Vec::new();
        let write = |_: &_, _: &Documents, _, bytes: &mut Vec<u8>| bytes.extend(b"1234567");
        let all = chunks(&contents(5), None, 10, Report::kind, write, |chunk| {
            pushed.push(chunk.ends);
            Ok(())
        });
        assert_eq!(all, Ok(()));
        assert_eq!(pushed, [vec![7, 14], vec![7, 14], vec![7]]);
    }

    /// Serialising a huge mail ends with the queue that it was meant for.
    #[test]
    fn nothing_is_written_for_a_closed_queue() {
        let written = std::cell::Cell::new(0);
        let write = |_: &_, _: &Documents, _, bytes: &mut Vec<u8>| {
            written.set(written.get() + 1);
            bytes.extend(b"1234567");
        };
        assert_eq!(
            chunks(&contents(1000), None, 10, Report::kind, write, |_| Err(Stopped)),
            Err(Stopped)
        );
        assert_eq!(written.get(), 2);
    }
}
