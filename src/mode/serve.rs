//! `serve`: the pages of [`crate::page`] for a browser, until it is asked to end.

use std::sync::Arc;

use axum::http::HeaderName;
use tracing::{info, warn};

use super::{maildirs, pages};
use crate::{
    cli::ServeFlags,
    config::Config,
    exit::{Exit, Failure},
    opensearch::ClusterAnswers,
    page::{Access, Door, Page, PageStore, Role, Users},
    sink::Destination,
    sqlite::{OpenError, query::Reader},
    stop::Stop,
};

pub(super) fn run(flags: &ServeFlags, config: Config) -> Result<Exit, Failure> {
    let names = config.operators()?;
    let Config { store, mine_file, .. } = config;
    let store = match store {
        Destination::Sqlite(path) => {
            // Pages don't wait until a store of an older version is up to date. What else is wrong
            // with it they say themselves, for it may be mended meanwhile.
            if let Err(error @ OpenError::NotRenewed { .. }) = Reader::open(&path) {
                warn!("{error}");
            }
            PageStore::File { path, names }
        }
        Destination::OpenSearch(config) => {
            PageStore::Cluster(Box::new(ClusterAnswers::new(config)?.with_names(names)))
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
        mine: mine_file,
        read_only: flags.read_only,
        door: Door::new(access(flags)?, flags.proxies.clone(), &flags.base_path),
        shows_persons: flags.show_persons,
    };
    let stop = Arc::new(Stop::default());
    stop.on_signals(false)?;
    let asks_who = flags.users.is_some() || flags.user_header.is_some();
    let listener = pages::listen(flags.listen, asks_who)?;
    if !listener.local_addr()?.ip().is_loopback() {
        warn!(
            "what is shown, and passwords, cross the network in the clear, if no proxy with TLS \
             stands before this"
        );
    }
    pages::serve(page, listener, &stop, |address| info!("pages at {address}"))
}

/// How it is known who asks.
fn access(flags: &ServeFlags) -> Result<Access, Failure> {
    if let Some(path) = &flags.users {
        let users = Users::open(path.clone());
        let users = users.map_err(|error| Failure::new(Exit::Configuration, error))?;
        return Ok(Access::LogIn(users));
    }
    match &flags.user_header {
        Some(name) => {
            let name = HeaderName::try_from(name).map_err(Failure::usage)?;
            Ok(Access::Header { name, editors: flags.editors.clone() })
        }
        // Through a proxy comes whoever it lets in, and it does not say who.
        None if !flags.hosts.is_empty() => Ok(Access::Anybody(Role::Reader)),
        None => Ok(Access::Anybody(Role::Editor)),
    }
}
