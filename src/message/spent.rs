//! Spent: how much of a mail was unpacked and searched so far.

use crate::limits::{LimitExceeded, Limits};

/// What one member of an archive counts at least: taking it out costs time even where it is empty.
const MEMBER: u64 = 4 << 10;

/// How many attachments' worth of unpacked bytes one mail may have: what was read of them stays in
/// memory until the store has the mail's documents.
const ATTACHMENTS: u64 = 2;

/// How often the bytes of a mail are searched for encoded files; what may be unpacked of one
/// attachment once, if that is more.
const SEARCHED_TIMES: u64 = 4;

/// What has been unpacked so far, archives within archives included.
pub(super) struct Spent<'t> {
    /// From the attachment that is being unpacked.
    attachment: u64,
    /// From all attachments of the mail.
    mail: u64,
    /// Bytes that were searched for encoded files, and how many may be.
    searched: u64,
    searchable: u64,
    may_take: &'t mut dyn FnMut(usize) -> bool,
    gave_up: bool,
}

impl<'t> Spent<'t> {
    /// Nothing of a mail of so many bytes.
    pub(super) fn new(
        mail_bytes: usize,
        limits: &Limits,
        may_take: &'t mut dyn FnMut(usize) -> bool,
    ) -> Self {
        let searchable = limits.unpacked_bytes.max(SEARCHED_TIMES * mail_bytes as u64);
        Spent { attachment: 0, mail: 0, searched: 0, searchable, may_take, gave_up: false }
    }

    /// Asks for memory. False from when there was not enough: nothing that is done after that
    /// counts.
    pub(super) fn ask(&mut self, bytes: usize) -> bool {
        self.gave_up = self.gave_up || !(self.may_take)(bytes);
        !self.gave_up
    }

    /// True once there was not enough memory.
    pub(super) fn gave_up(&self) -> bool {
        self.gave_up
    }

    /// The attachment is done.
    pub(super) fn next_attachment(&mut self) {
        self.attachment = 0;
    }

    /// Counts a member of an archive.
    pub(super) fn count(&mut self, size: u64) {
        self.attachment += size.max(MEMBER);
        self.mail += size.max(MEMBER);
    }

    /// Counts what was decoded: it takes memory like what was unpacked.
    pub(super) fn take(&mut self, size: usize, limits: &Limits) -> Result<(), LimitExceeded> {
        self.attachment += size as u64;
        self.mail += size as u64;
        self.ask(size);
        self.room(limits).map(drop)
    }

    /// Counts bytes that are searched for encoded files, which takes longer than unpacking them.
    pub(super) fn search(&mut self, size: usize, limits: &Limits) -> Result<(), LimitExceeded> {
        self.searched += size as u64;
        if self.searched <= self.searchable {
            return Ok(());
        }
        Err(LimitExceeded {
            what: "bytes that are no report, searched for encoded files",
            value: self.searchable,
            ..limits.too_much_unpacked()
        })
    }

    /// How much more may be unpacked, or which limit was exceeded.
    pub(super) fn room(&self, limits: &Limits) -> Result<u64, LimitExceeded> {
        let for_all = limits.unpacked_bytes.saturating_mul(ATTACHMENTS);
        let room = for_all.saturating_sub(self.mail);
        if room == 0 {
            let error = limits.too_much_unpacked();
            return Err(LimitExceeded {
                what: "bytes unpacked from all attachments of a mail",
                value: for_all,
                ..error
            });
        }
        match limits.unpacked_bytes.saturating_sub(self.attachment) {
            0 => Err(limits.too_much_unpacked()),
            of_this => Ok(room.min(of_this)),
        }
    }
}

/// Memory that each byte of a text takes once it was read: a record, 400 bytes, can be written in
/// 44.
const READ_TIMES: usize = 12;

/// Memory that an object of JSON takes, however short.
const OBJECT_BYTES: usize = 512;

/// Memory needed to read what may be a report.
pub(super) fn weight(bytes: &[u8]) -> usize {
    let objects = memchr::memchr_iter(b'{', bytes).count();
    bytes.len() * READ_TIMES + objects * OBJECT_BYTES
}
