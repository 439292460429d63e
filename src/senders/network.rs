//! Network: addresses with the same beginning (RFC 4632, RFC 4291 section 2.3).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// A network, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    /// Its first address.
    first: IpAddr,
    /// Bits that its addresses have in common.
    length: u8,
}

/// The text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an address or a network, such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/48")]
pub struct ParseNetworkError;

impl Network {
    /// Bits of an IPv4 address that its usual network has.
    pub(crate) const USUAL_V4: u32 = u32::MAX << 8;
    /// The same of an IPv6 address.
    pub(crate) const USUAL_V6: u128 = u128::MAX << 80;

    /// The network of these many bits that an address is in; no more than the address has.
    pub fn of(address: IpAddr, length: u8) -> Network {
        match address {
            IpAddr::V4(v4) => {
                let length = length.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                Network { first: Ipv4Addr::from(u32::from(v4) & mask).into(), length }
            }
            IpAddr::V6(v6) => {
                let length = length.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                Network { first: Ipv6Addr::from(u128::from(v6) & mask).into(), length }
            }
        }
    }

    /// The network that stands for its sender where nothing better is known: /24, or /48 of IPv6.
    pub fn usual(address: IpAddr) -> Network {
        Network::of(address, if address.is_ipv4() { 24 } else { 48 })
    }

    /// One address.
    pub fn one(address: IpAddr) -> Network {
        Network::of(address, 128)
    }

    /// True if the address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.first.is_ipv4() == address.is_ipv4() && Network::of(address, self.length) == *self
    }

    /// True if all of another network is in it.
    pub fn has(&self, other: &Network) -> bool {
        self.length <= other.length && self.contains(other.first)
    }

    /// Its first address.
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// Bits that its addresses have in common.
    pub fn length(&self) -> u8 {
        self.length
    }
}

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Network, ParseNetworkError> {
        let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
        let address: IpAddr = address.parse().map_err(|_| ParseNetworkError)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length.map(str::parse) {
            None => most,
            Some(Ok(length)) if length <= most => length,
            Some(_) => return Err(ParseNetworkError),
        };
        // As in reports, whose addresses are read so.
        Ok(match address.to_canonical() {
            v4 @ IpAddr::V4(_) if most == 128 && length >= 96 => Network::of(v4, length - 96),
            _ => Network::of(address, length),
        })
    }
}

/// As it is parsed; one address without its length.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Network { first, length } = self;
        if *length == if first.is_ipv4() { 32 } else { 128 } {
            write!(f, "{first}")
        } else {
            write!(f, "{first}/{length}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_network() {
        for (network, address, expected) in [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.77/24", "192.0.2.1", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::ffff:192.0.2.0/120", "192.0.2.1", true),
            ("::ffff:192.0.2.7", "192.0.2.7", true),
            ("::ffff:192.0.2.7", "192.0.2.8", false),
            ("::ffff:0:0/96", "203.0.113.1", true),
            ("2001:db8:1::/48", "2001:db8:1:ffff::1", true),
            ("2001:db8:1::/48", "2001:db8:2::1", false),
        ] {
            let network: Network = network.parse().expect(network);
            assert_eq!(network.contains(address.parse().expect(address)), expected, "{network}");
        }
    }

    #[test]
    fn only_networks_are_parsed() {
        for bad in ["", "192.0.2", "192.0.2.0/33", "::/129", "192.0.2.0/-1", "192.0.2.0/", "x/8"] {
            assert_eq!(bad.parse::<Network>(), Err(ParseNetworkError), "{bad}");
        }
        for good in ["192.0.2.7", "192.0.2.0/24", "2001:db8::/48", "::1"] {
            assert_eq!(good.parse::<Network>().expect(good).to_string(), good);
        }
    }
}
