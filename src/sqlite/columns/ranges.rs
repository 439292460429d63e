//! Ranges: the addresses that a filter means, as numbers that are compared fast.

use std::{net::IpAddr, ops::RangeInclusive};

use super::segment::Address;
use crate::answers::{Choice, Network};

/// Addresses of networks that are wanted, all if none is named; and of those that are not.
pub(super) struct AddressRanges {
    only: Ranges,
    not: Ranges,
    is_any: bool,
}

struct Ranges {
    v4: Vec<RangeInclusive<u32>>,
    v6: Vec<RangeInclusive<u128>>,
}

impl AddressRanges {
    pub(super) fn of(networks: &Choice<Network>) -> AddressRanges {
        let Choice { only, not } = networks;
        AddressRanges { only: Ranges::of(only), not: Ranges::of(not), is_any: only.is_empty() }
    }

    /// Whether mails from an address are meant, as [`crate::answers::Filter::lets_address`] says.
    pub(super) fn lets(&self, address: Address) -> bool {
        (self.is_any || self.only.has(address)) && !self.not.has(address)
    }
}

impl Ranges {
    fn of(networks: &[Network]) -> Ranges {
        let mut ranges = Ranges { v4: Vec::new(), v6: Vec::new() };
        for network in networks {
            let length = u32::from(network.length());
            match network.first() {
                IpAddr::V4(first) => {
                    let rest = u32::MAX.checked_shr(length).unwrap_or(0);
                    ranges.v4.push(first.into()..=u32::from(first) | rest);
                }
                IpAddr::V6(first) => {
                    let rest = u128::MAX.checked_shr(length).unwrap_or(0);
                    ranges.v6.push(first.into()..=u128::from(first) | rest);
                }
            }
        }
        ranges
    }

    fn has(&self, address: Address) -> bool {
        match address {
            Address::None => false,
            Address::V4(v4) => self.v4.iter().any(|range| range.contains(&v4)),
            Address::V6(v6) => self.v6.iter().any(|range| range.contains(&v6)),
        }
    }
}
