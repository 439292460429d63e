//! Senders: who sent the records of the columns. Each record's best evidence is a number or a
//! network, by which records are summed up; [`crate::senders::sender()`] names what they are summed
//! up by, and those of one name become one.

use std::{
    cell::{OnceCell, RefCell},
    cmp::{Ordering, Reverse},
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

use foldhash::fast::RandomState;
use rusqlite::{Connection, Result};

use super::{
    gather::Sum,
    names::name,
    scan::{Asked, Scan},
    segment::{Address, Packed},
    weights::{Heaviest, Weights, Whom},
};
use crate::{
    answers::{Choice, Filter, Network, Sender, Tally, capped_sum},
    senders::{Evidence, Operators, of_host, sender},
    sqlite::addresses,
};

/// Texts that are remembered: strangers' reports may bring any number.
const REMEMBERED: usize = 100_000;

/// What names senders at one moment of a store.
pub(in crate::sqlite) struct Naming<'o> {
    operators: &'o Operators,
    known: OnceCell<Known>,
    /// Those that filters name, once they were found: a page asks several questions about them.
    wanted: RefCell<Vec<(Filter, Arc<Wanted>)>>,
    /// Texts by their numbers, as they were met.
    texts: RefCell<HashMap<u64, Option<String>, RandomState>>,
}

/// Who is known to send from some addresses, by their hosts.
#[derive(Default)]
pub(super) struct Known {
    senders: Vec<Sender>,
    /// The place of an address's sender, and one more.
    addresses: HashMap<Address, u32, RandomState>,
}

impl<'o> Naming<'o> {
    pub(in crate::sqlite) fn new(operators: &'o Operators) -> Naming<'o> {
        Naming {
            operators,
            known: OnceCell::new(),
            wanted: RefCell::default(),
            texts: RefCell::default(),
        }
    }

    /// Looks once what is known of hosts.
    pub(super) fn known(&self, connection: &Connection) -> Result<&Known> {
        if let Some(known) = self.known.get() {
            return Ok(known);
        }
        let mut known = Known::default();
        let mut places: HashMap<Sender, u32> = HashMap::new();
        addresses::each_host(connection, |address, host| {
            let Some(sender) = of_host(&host, self.operators) else { return };
            let next = u32::try_from(known.senders.len() + 1).unwrap_or(u32::MAX);
            let place = *places.entry(sender).or_insert_with_key(|sender| {
                known.senders.push(sender.clone());
                next
            });
            known.addresses.insert(Address::from(address), place);
        })?;
        Ok(self.known.get_or_init(|| known))
    }

    /// Who is known to send from an address, once that was looked at.
    pub(super) fn addresses(&self) -> Option<&HashMap<Address, u32, RandomState>> {
        self.known.get().map(|known| &known.addresses)
    }

    /// The text of a number; nothing for 0.
    pub(in crate::sqlite) fn text(
        &self,
        connection: &Connection,
        number: u64,
    ) -> Result<Option<String>> {
        if let Some(text) = self.texts.borrow().get(&number) {
            return Ok(text.clone());
        }
        let text = name(connection, number)?;
        let mut texts = self.texts.borrow_mut();
        if texts.len() == REMEMBERED {
            texts.clear();
        }
        texts.insert(number, text.clone());
        Ok(text)
    }

    fn name(&self, connection: &Connection, whom: Whom) -> Result<Sender> {
        let text =
            |number| Ok::<_, rusqlite::Error>(self.text(connection, number)?.unwrap_or_default());
        let text = match whom {
            Whom::Signer(number) | Whom::Envelope(number) | Whom::OwnSigner(number) => {
                text(number)?
            }
            _ => String::new(),
        };
        let evidence = match whom {
            Whom::Signer(_) => Evidence::Signature(&text),
            Whom::Envelope(_) => Evidence::Envelope(&text),
            Whom::OwnSigner(_) => Evidence::OwnSignature(&text),
            Whom::Known(place) => {
                let known = self.known(connection)?.senders.get(place as usize - 1);
                return Ok(known.expect("one that was noted").clone());
            }
            Whom::V4(_) | Whom::V6(_) => whom.ip().map_or(Evidence::Nothing, Evidence::Address),
            Whom::Nobody => Evidence::Nothing,
        };
        Ok(sender(&evidence, None, self.operators))
    }
}

/// A group of those that have most messages, and all by which its records are known.
pub(super) struct Heavy<K> {
    pub(super) key: K,
    pub(super) weight: u64,
    pub(super) whom: Vec<Whom>,
}

impl<K: Ord> Heavy<K> {
    /// The heaviest first.
    pub(super) fn cmp(&self, other: &Self) -> Ordering {
        let weight = |heavy: &Self| Reverse(heavy.weight);
        weight(self).cmp(&weight(other)).then_with(|| self.key.cmp(&other.key))
    }
}

/// In which place a record's group is.
pub(super) fn places<K>(heaviest: &[Heavy<K>]) -> HashMap<Whom, usize, RandomState> {
    let all = heaviest.iter().zip(0..);
    all.flat_map(|(heavy, place)| heavy.whom.iter().map(move |whom| (*whom, place))).collect()
}

/// The senders with most messages.
pub(super) struct Senders {
    pub(super) total: Tally,
    pub(super) heaviest: Vec<Heavy<Sender>>,
    pub(super) omitted: u64,
}

/// The senders that are meant.
pub(super) struct Wanted(Choice<Whoms>);

type Whoms = HashSet<Whom, RandomState>;

impl Wanted {
    pub(super) fn lets(&self, whom: Whom) -> bool {
        self.0.lets(|wanted| wanted.contains(&whom))
    }
}

impl Scan<'_> {
    /// For each filter sums over all records, and the `top` heaviest of those who sent them.
    pub(super) fn heaviest(
        &mut self,
        asked: Asked,
        whom: fn(&Packed) -> Whom,
        top: usize,
    ) -> Result<Vec<(Tally, Heaviest)>> {
        let hasher = RandomState::default();
        let filters = self.lenses.len();
        let weights = self.each(|| (Sum::default(), Weights::new(whom, &hasher, filters)));
        let found = self.gather(asked, weights)?.into_iter();
        Ok(found.map(|(total, weights)| (total.tally(), weights.heaviest(top))).collect())
    }

    /// For each filter the senders with most messages.
    pub(super) fn heaviest_senders(&mut self, top: usize) -> Result<Vec<Senders>> {
        let asked = Asked { addresses: true, senders: true, ..Asked::default() };
        let found = self.heaviest(asked, Whom::sender, top)?;
        found.into_iter().map(|(total, heaviest)| self.named(total, heaviest, top)).collect()
    }

    fn named(&self, total: Tally, heaviest: Heaviest, top: usize) -> Result<Senders> {
        let Heaviest { list, numbered, all } = heaviest;
        let mut named: HashMap<String, Heavy<Sender>> = HashMap::new();
        for (whom, weight) in numbered {
            let key = self.naming.name(self.connection, whom)?;
            match named.entry(key.name.clone()) {
                Entry::Vacant(entry) => {
                    entry.insert(Heavy { key, weight, whom: vec![whom] });
                }
                Entry::Occupied(entry) => {
                    let heavy = entry.into_mut();
                    heavy.key.merge(key);
                    heavy.weight = capped_sum(heavy.weight, weight);
                    heavy.whom.push(whom);
                }
            }
        }
        let all = all + named.len() as u64;
        let mut heaviest: Vec<Heavy<Sender>> = named.into_values().collect();
        for (whom, weight) in list {
            let key = self.naming.name(self.connection, whom)?;
            heaviest.push(Heavy { key, weight, whom: vec![whom] });
        }
        heaviest.sort_unstable_by(Heavy::cmp);
        heaviest.truncate(top);
        let omitted = all.saturating_sub(heaviest.len() as u64);
        Ok(Senders { total, heaviest, omitted })
    }

    /// By what the records of the senders are known that a filter names.
    pub(super) fn wanted(&self, filter: &Filter) -> Result<Arc<Wanted>> {
        let kept = &self.naming.wanted;
        if let Some((_, wanted)) = kept.borrow().iter().find(|(kept, _)| kept == filter) {
            return Ok(Arc::clone(wanted));
        }
        let wanted = Arc::new(self.find_wanted_of(filter)?);
        kept.borrow_mut().push((filter.clone(), Arc::clone(&wanted)));
        Ok(wanted)
    }

    fn find_wanted_of(&self, filter: &Filter) -> Result<Wanted> {
        let all = [Filter { senders: Choice::default(), ..filter.clone() }];
        let mut all = Scan::new(self.connection, &all, self.naming)?;
        let asked = Asked { addresses: true, senders: true, ..Asked::default() };
        let found = all.heaviest(asked, Whom::sender, 0)?;
        let mut named = Vec::new();
        for (whom, _) in found.into_iter().flat_map(|(_, heaviest)| heaviest.numbered) {
            named.push((self.naming.name(self.connection, whom)?.name, whom));
        }
        let nobody = self.naming.name(self.connection, Whom::Nobody)?.name;
        named.push((nobody, Whom::Nobody));
        let whoms = |wanted: &String| {
            let of_name = named.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            let network = wanted.parse::<Network>().ok();
            let usual = network.filter(|network| *network == Network::usual(network.first()));
            let of_network = usual.map(|network| Whom::from(network.first()));
            of_name.map(|(_, whom)| *whom).chain(of_network).collect()
        };
        let Choice { only, not } = &filter.senders;
        Ok(Wanted(Choice {
            only: only.iter().map(whoms).collect(),
            not: not.iter().map(whoms).collect(),
        }))
    }
}
