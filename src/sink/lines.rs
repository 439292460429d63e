//! Lines: the documents of a mail as a store that takes lines is given them, in chunks of bounded
//! size.

use std::mem;

use crate::{document::Documents, message::Contents, report::Kind, stop::Stopped};

/// Documents of one kind, of one mail.
#[derive(Default)]
pub(super) struct Chunk {
    /// Nothing where the mail has no document.
    pub(super) kind: Option<Kind>,
    pub(super) bytes: Vec<u8>,
    /// Where each document ends in `bytes`.
    pub(super) ends: Vec<usize>,
}

/// Writes the documents of a mail in chunks of about this many bytes. `write` appends document `n`,
/// `push` takes a chunk. A mail without documents is one empty chunk, since it travels, too:
/// nothing is settled while the store is away.
///
/// # Errors
/// `push` takes no more.
pub(super) fn chunks(
    contents: &Contents,
    chunk_bytes: usize,
    write: impl Fn(&Documents, usize, &mut Vec<u8>),
    mut push: impl FnMut(Chunk) -> Result<(), Stopped>,
) -> Result<(), Stopped> {
    let mut push = |chunk: &mut Chunk| {
        let mut full = mem::take(chunk);
        // What growing left over would not be counted by the queue.
        full.bytes.shrink_to_fit();
        full.ends.shrink_to_fit();
        push(full)
    };
    let mut chunk = Chunk::default();
    for (report, ids) in contents.reports.iter().zip(contents.ids()) {
        let documents = Documents::with_ids(report, ids, &contents.received);
        let kind = documents.kind();
        for n in 0..documents.len() {
            let is_full =
                chunk.bytes.len() >= chunk_bytes || chunk.kind.is_some_and(|before| before != kind);
            if is_full {
                push(&mut chunk)?;
            }
            chunk.kind = Some(kind);
            write(&documents, n, &mut chunk.bytes);
            chunk.ends.push(chunk.bytes.len());
        }
    }
    push(&mut chunk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Report, TlsReport, tls::PolicyResult};

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
            10,
            |_, _, _| {},
            |chunk| {
                pushed.push((chunk.kind, chunk.ends));
                Ok(())
            },
        );
        assert_eq!(all, Ok(()));
        assert_eq!(pushed, [(None, vec![])]);
    }

    #[test]
    fn chunks_are_cut_by_size_and_lose_nothing() {
        let mut pushed = Vec::new();
        let write = |_: &Documents, _, bytes: &mut Vec<u8>| bytes.extend(b"1234567");
        let all = chunks(&contents(5), 10, write, |chunk| {
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
        let write = |_: &Documents, _, bytes: &mut Vec<u8>| {
            written.set(written.get() + 1);
            bytes.extend(b"1234567");
        };
        assert_eq!(chunks(&contents(1000), 10, write, |_| Err(Stopped)), Err(Stopped));
        assert_eq!(written.get(), 2);
    }
}
