//! What was put in and what a store holds, as numbers to be compared.

use std::path::Path;

use rusqlite::Connection;

use super::corpus::Manifest;

/// DMARC reports, records, their count sum, TLS reports, policies.
pub type Sums = [u64; 5];

/// The sums of an SQLite store.
pub fn in_sqlite(store: &Path) -> Sums {
    let connection = Connection::open(store).expect("a store");
    let one = |sql: &str| {
        connection.query_row(sql, (), |row| row.get::<_, i64>(0)).expect(sql).unsigned_abs()
    };
    [
        one("SELECT count(*) FROM dmarc_reports"),
        one("SELECT count(*) FROM dmarc_records"),
        one("SELECT coalesce(sum(count), 0) FROM dmarc_records"),
        one("SELECT count(*) FROM tls_reports"),
        one("SELECT count(*) FROM tls_policies"),
    ]
}

/// The sums of what was put in.
pub fn expected(manifest: &Manifest) -> Sums {
    let Manifest { dmarc, tls, .. } = manifest;
    [dmarc.reports, dmarc.records, dmarc.count_sum, tls.reports, tls.policies]
}
