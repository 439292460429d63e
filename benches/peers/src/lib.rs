//! What the programs here share: the mails of a Maildir, some threads, and the sums that show that
//! nothing was left out.

use std::{
    env, fs,
    iter::Sum,
    path::{Path, PathBuf},
    time::Instant,
};

use rayon::{
    ThreadPoolBuilder,
    iter::{IntoParallelRefIterator, ParallelIterator},
};

/// What was found in a mail, or in all of them.
#[derive(Clone, Copy, Default)]
pub struct Found {
    /// Reports, of any kind.
    pub reports: u64,
    /// Records of aggregate reports.
    pub records: u64,
}

impl Sum for Found {
    fn sum<I: Iterator<Item = Found>>(all: I) -> Found {
        all.fold(Found::default(), |sum, one| Found {
            reports: sum.reports + one.reports,
            records: sum.records + one.records,
        })
    }
}

/// Has each mail of a Maildir read, and prints reports, records and seconds. The arguments of the
/// program are how it is to read, the number of threads, and the Maildir.
///
/// # Panics
/// The arguments are wrong, or a file can't be read: there is nothing to measure then.
pub fn run<S>(
    state: impl Fn() -> S + Sync + Send,
    read: impl Fn(&mut S, &str, &Path) -> Found + Sync,
) {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [how, threads, maildir] = arguments.as_slice() else { panic!("HOW THREADS MAILDIR") };
    let threads = threads.parse().expect("a number of threads");
    ThreadPoolBuilder::new().num_threads(threads).build_global().expect("threads");
    let start = Instant::now();
    let mails: Vec<PathBuf> = fs::read_dir(Path::new(maildir).join("new"))
        .expect("a Maildir")
        .map(|mail| mail.expect("a mail").path())
        .collect();
    let found: Found = mails.par_iter().map_init(state, |state, mail| read(state, how, mail)).sum();
    let Found { reports, records } = found;
    println!("{reports} reports, {records} records, {:.4} s", start.elapsed().as_secs_f64());
}
