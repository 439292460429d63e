//! `serve`: the pages of [`crate::page`] for a browser, until it is asked to end.

use std::sync::Arc;

use tracing::{info, warn};

use super::{maildirs, pages};
use crate::{
    cli::ServeFlags,
    exit::{Exit, Failure},
    opensearch::ClusterAnswers,
    page::{Page, PageStore},
    sink::Destination,
    sqlite::{OpenError, query::Reader},
    stop::Stop,
};

pub(super) fn run(flags: &ServeFlags, store: Destination) -> Result<Exit, Failure> {
    let store = match store {
        Destination::Sqlite(file) => {
            // Pages don't wait until a store of an older version is up to date. What else is wrong
            // with it they say themselves, for it may be mended meanwhile.
            if let Err(error @ OpenError::NotRenewed { .. }) = Reader::open(&file) {
                warn!("{error}");
            }
            PageStore::File(file)
        }
        Destination::OpenSearch(config) => {
            PageStore::Cluster(Box::new(ClusterAnswers::new(config)?))
        }
        Destination::NdJson(_) | Destination::Nothing => {
            return Err(Failure::usage(
                "serve reads an SQLite store or OpenSearch; name it with --store FILE or \
                 --opensearch URL",
            ));
        }
    };
    let maildirs = flags.maildirs.iter().map(|path| maildirs::open(path));
    let page = Page {
        store,
        base: flags.base_path.clone(),
        names: flags.hosts.clone(),
        maildirs: maildirs.collect::<Result<_, _>>()?,
    };
    let stop = Arc::new(Stop::default());
    stop.on_signals(false)?;
    let listener = pages::listen(flags.listen)?;
    pages::serve(page, listener, &stop, |address| info!("pages at {address}"))
}
