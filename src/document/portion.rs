//! Portion: what a store hands out again of a report.

use std::{collections::HashMap, net::IpAddr};

use super::Documents;
use crate::{
    message::{Contents, Received, Stored},
    report::{Ids, Report},
    senders::{Host, Hosts},
};

/// A report or, of a long one, some of its records or policies.
#[derive(Clone, Debug, PartialEq)]
pub struct Portion {
    /// The report with those records or policies.
    pub report: Report,
    /// What identifies its documents.
    pub ids: Ids,
    /// What is known of the mail that brought it.
    pub received: Received,
    /// What is known of the addresses in it.
    pub hosts: HashMap<IpAddr, Host>,
    /// The first portion of its report.
    pub is_first: bool,
}

impl Portion {
    /// The documents of its records or policies.
    pub fn documents(&self) -> Documents<'_> {
        let hosts = if self.hosts.is_empty() { Hosts::Unknown } else { Hosts::Stored(&self.hosts) };
        Documents::with_ids(&self.report, self.ids.clone(), &self.received).with_hosts(hosts)
    }
}

/// For another store, as if a mail had brought it: what is known of its addresses is found anew.
impl From<Portion> for Contents {
    fn from(portion: Portion) -> Contents {
        let Portion { report, ids, received, is_first, hosts: _ } = portion;
        let stored = Some(Stored { ids, is_first });
        Contents { received, reports: vec![report], stored, ..Contents::default() }
    }
}
