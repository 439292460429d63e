//! The sums over a corpus.

use serde::Serialize;

use super::{Content, Mail};

/// The sums over a corpus. What duplicates bring is counted apart, since a store must end up
/// without it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// All mails.
    pub mails: u64,
    /// Their bytes.
    pub bytes: u64,
    /// DMARC reports, each counted once.
    pub dmarc: DmarcSums,
    /// TLS reports, each counted once.
    pub tls: TlsSums,
    /// Mails that are no report.
    pub junk: u64,
    /// Mails with a report that can't be unpacked.
    pub broken: u64,
    /// Mails that repeat a report, and their documents.
    pub duplicates: Duplicates,
    /// Documents that a store holds in the end.
    pub documents: u64,
}

/// See [`Manifest`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DmarcSums {
    /// Reports.
    pub reports: u64,
    /// Their records.
    pub records: u64,
    /// The sum of the records' counts.
    pub count_sum: u64,
}

/// See [`Manifest`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TlsSums {
    /// Reports.
    pub reports: u64,
    /// Their policies.
    pub policies: u64,
    /// Failure details of all policies.
    pub failure_details: u64,
    /// Sessions that reached TLS.
    pub successful: u64,
    /// Sessions that did not.
    pub failed: u64,
}

/// See [`Manifest`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Duplicates {
    /// Mails.
    pub mails: u64,
    /// The documents that their reports give.
    pub documents: u64,
}

impl Manifest {
    /// Adds one mail.
    pub fn add(&mut self, mail: &Mail) {
        self.mails += 1;
        self.bytes += mail.bytes.len() as u64;
        let documents = mail.content.len() as u64;
        if mail.duplicate_of.is_some() {
            self.duplicates.mails += 1;
            self.duplicates.documents += documents;
            return;
        }
        self.documents += documents;
        match &mail.content {
            Content::Dmarc(report) => {
                self.dmarc.reports += 1;
                self.dmarc.records += documents;
                self.dmarc.count_sum += report.count_sum;
            }
            Content::Tls(report) => {
                self.tls.reports += 1;
                self.tls.policies += documents;
                self.tls.failure_details += report.failure_details;
                self.tls.successful += report.successful;
                self.tls.failed += report.failed;
            }
            Content::Junk(_) => self.junk += 1,
            Content::Broken(_) => self.broken += 1,
        }
    }
}
