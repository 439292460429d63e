//! OpenSearch behind a real nginx: certificates, passwords and keys, and all that a proxy does to
//! requests on a bad day.

mod certificates;
mod faults;
mod rights;
mod secrets;

use std::process::Command;

use crate::support::{
    corpus::{Corpus, Manifest},
    faulty_proxy::{AnswerFault, FaultyProxy},
    nginx::{Access, Certificates, Fault, Nginx, Requests},
    program::{Ended, TestMaildir, program},
    server::{OpenSearch, Shared},
};

/// One node and one set of certificates for all tests; each test has indices of its own.
static SHARED: Shared<OpenSearch> = Shared::new(|| OpenSearch::launch(&[]));
static CERTIFICATES: Shared<Certificates> = Shared::new(Certificates::make);

/// What a test has at hand: nginx, the node behind it, and a Maildir with mails.
struct Setting {
    node: &'static OpenSearch,
    nginx: Nginx,
    faulty_proxy: FaultyProxy,
    certificates: &'static Certificates,
    maildir: TestMaildir,
    manifest: Manifest,
    /// Name of the test, before the names of its indices.
    name: &'static str,
}

impl Setting {
    fn new(name: &'static str, certificate: &str, access: Access) -> Option<Setting> {
        let node = SHARED.as_ref()?;
        let certificates = CERTIFICATES.as_ref()?;
        let faulty_proxy = FaultyProxy::start(node.url.strip_prefix("http://").expect("http"));
        let nginx = Nginx::start(certificates, certificate, access, &faulty_proxy.address)?;
        let corpus = Corpus::new(60);
        let maildir = TestMaildir::new();
        maildir.deliver_all(corpus.iter());
        Some(Setting {
            node,
            nginx,
            faulty_proxy,
            certificates,
            maildir,
            manifest: corpus.manifest(),
            name,
        })
    }

    /// nginx waits for an answer that comes late, but not that long.
    fn spoil_answers(&self, by: AnswerFault) {
        self.faulty_proxy.set(by);
        self.nginx.set(Fault::Impatient, Requests::Bulk, matches!(by, AnswerFault::Late(_)));
    }

    fn mails(&self) -> usize {
        usize::try_from(self.manifest.mails).expect("small")
    }

    /// `once` without a word about certificates.
    fn once(&self, more: &[&str]) -> Command {
        let mut command = program(["once", "--opensearch", &self.nginx.url(), "-vv"]);
        command
            .arg(format!("--dmarc-index={}-dmarc", self.name))
            .arg(format!("--tlsrpt-index={}-tlsrpt", self.name))
            .args(more)
            .arg(self.maildir.path());
        command
    }

    /// `once` that trusts the right authority.
    fn trusting(&self, more: &[&str]) -> Command {
        let mut command = self.once(more);
        command.arg("--ca-file").arg(self.certificates.file("ca.pem"));
        command
    }

    fn stored(&self) -> u64 {
        self.node.count(&format!("{}-dmarc", self.name))
            + self.node.count(&format!("{}-tlsrpt", self.name))
    }

    /// The run ended well, and every document is there once.
    fn assert_all_stored(&self, ended: &Ended) {
        assert_eq!((ended.code, self.maildir.count("new")), (Some(0), 0), "{}", ended.log);
        assert_eq!(self.stored(), self.manifest.documents, "{}", ended.log);
        let counts = self.node.sum(&format!("{}-dmarc", self.name), "feedback.record.row.count");
        assert_eq!(counts, self.manifest.dmarc.count_sum);
        let failed = usize::try_from(self.manifest.junk + self.manifest.broken).expect("small");
        assert_eq!(
            (self.maildir.count("cur"), self.maildir.count(".failed/new")),
            (self.mails() - failed, failed)
        );
    }

    /// The run gave up for this reason: every mail stays, and not even mail that is no report was
    /// moved.
    fn assert_all_stay(&self, ended: &Ended, reason: &str) {
        assert_eq!(ended.code, Some(75), "{}", ended.log);
        self.assert_untouched();
        assert!(ended.log.contains(reason), "no {reason:?} in {}", ended.log);
    }

    fn assert_untouched(&self) {
        let folders = ["new", "cur", ".failed/new"].map(|folder| self.maildir.count(folder));
        assert_eq!(folders, [self.mails(), 0, 0]);
    }

    /// The store answers, but to requests with documents: mails without any may be moved, should
    /// they travel alone.
    fn assert_documents_wait(&self) {
        let [new, cur, failed] =
            ["new", "cur", ".failed/new"].map(|folder| self.maildir.count(folder));
        assert_eq!((new + failed, cur), (self.mails(), 0));
        let without = usize::try_from(self.manifest.junk + self.manifest.broken).expect("small");
        assert!(
            failed <= without,
            "{failed} mails of which {without} have no documents were moved"
        );
    }
}

fn ended(command: &mut Command) -> Ended {
    command.output().expect("it runs").into()
}

/// Long enough for some attempts, short enough for a test.
const GIVE_UP: &str = "--give-up-after=1s";
