//! The exact comparison at the end of a scenario.

use std::path::Path;

use rusqlite::Connection;

use crate::support::{
    corpus::Manifest,
    program::TestMaildir,
    server::OpenSearch,
    sums::{expected, in_sqlite},
};

/// The SQLite file is whole and holds what was put in, once.
pub fn sqlite(store: &Path, manifest: &Manifest) {
    integrity(store);
    assert_eq!(
        in_sqlite(store),
        expected(manifest),
        "reports, records, counts, TLS reports, policies"
    );
}

/// What a crash left of it can be used.
pub fn integrity(store: &Path) {
    if store.exists() {
        let connection = Connection::open(store).expect("a store");
        let answer: String = connection
            .query_row("PRAGMA integrity_check", (), |row| row.get(0))
            .expect("an answer");
        assert_eq!(answer, "ok", "integrity_check");
    }
}

/// The indices `dmarc-reports` and `tlsrpt-reports` with this in front hold what was put in, once.
pub fn opensearch(server: &OpenSearch, prefix: &str, manifest: &Manifest) {
    let (dmarc, tls) = (format!("{prefix}dmarc-reports"), format!("{prefix}tlsrpt-reports"));
    assert_eq!(server.count(&dmarc), manifest.dmarc.records, "records");
    assert_eq!(server.count(&tls), manifest.tls.policies, "policies");
    assert_eq!(
        server.sum(&dmarc, "feedback.record.row.count"),
        manifest.dmarc.count_sum,
        "the sum of all counts"
    );
    let successful = "policies.summary.total-successful-session-count";
    assert_eq!(server.sum(&tls, successful), manifest.tls.successful, "sessions");
}

/// Every mail is settled, and in one place.
pub fn settled(maildir: &TestMaildir, manifest: &Manifest) {
    let count = |folder| maildir.count(folder) as u64;
    let unusable = manifest.junk + manifest.broken;
    assert_eq!(
        (count("new"), count("cur")),
        (0, manifest.mails - unusable),
        "mails in new/ and cur/"
    );
    assert_eq!(count(".failed/new"), unusable, "mails in .failed");
}

/// Every mail is somewhere; only one that is being delivered to `.failed` is in two places.
pub fn complete(maildir: &TestMaildir, delivered: usize) {
    let folders = ["new", "cur", ".failed/new"];
    let names: Vec<String> = folders.iter().flat_map(|folder| maildir.names(folder)).collect();
    let mut unique: Vec<&str> =
        names.iter().filter_map(|name| name.split([',', ':']).next()).collect();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), delivered, "mails anywhere");
}
