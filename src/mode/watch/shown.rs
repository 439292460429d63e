//! Shown: what `/metrics` and `/healthz` tell of a watch.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use parking_lot::{Mutex, MutexGuard};

use crate::{
    metrics::{Metrics, server::Exposed},
    sink::Sink,
};

/// The age of the oldest mail is not looked for more often than this.
const OLDEST_INTERVAL: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Shown {
    metrics: Metrics,
    sink: Mutex<Arc<dyn Sink>>,
    maildirs: Vec<PathBuf>,
    oldest: Mutex<Option<(Instant, Option<Duration>)>>,
}

impl Exposed for Shown {
    fn metrics(&self) -> String {
        self.metrics.render(self.sink().queued_bytes(), self.oldest_mail())
    }

    fn trouble(&self) -> Option<String> {
        self.metrics.store().is_away().then(|| "the store is away".into())
    }
}

impl Shown {
    pub(super) fn new(metrics: Metrics, sink: Arc<dyn Sink>, maildirs: Vec<PathBuf>) -> Shown {
        Shown { metrics, sink: Mutex::new(sink), maildirs, oldest: Mutex::default() }
    }

    /// Another store took over.
    pub(super) fn set_sink(&self, sink: Arc<dyn Sink>) {
        *self.sink() = sink;
    }

    fn sink(&self) -> MutexGuard<'_, Arc<dyn Sink>> {
        self.sink.lock()
    }

    fn oldest_mail(&self) -> Option<Duration> {
        let mut oldest = self.oldest.lock();
        match *oldest {
            Some((looked, age)) if looked.elapsed() < OLDEST_INTERVAL => age,
            _ => {
                let age = self.maildirs.iter().filter_map(|maildir| oldest_in(maildir)).max();
                *oldest = Some((Instant::now(), age));
                age
            }
        }
    }
}

/// Age of the oldest mail in `new/`, by the time of delivery that stands at the beginning of its
/// name, or else by the file's.
fn oldest_in(maildir: &Path) -> Option<Duration> {
    let delivered = |file: fs::DirEntry| {
        let name = file.file_name();
        let seconds = name
            .to_str()
            .and_then(|name| name.split('.').next())
            .and_then(|seconds| seconds.parse().ok());
        match seconds {
            Some(seconds) => Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u32::into(seconds))),
            None => file.metadata().ok()?.modified().ok(),
        }
    };
    let oldest =
        fs::read_dir(maildir.join("new")).ok()?.filter_map(|file| delivered(file.ok()?)).min()?;
    SystemTime::now().duration_since(oldest).ok()
}
