//! Networks as settings name them: an address, or an address and the length of its prefix.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

/// Why a text is no network. The wording completes "the network …".
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NetworkFault {
    /// It is written like none.
    #[error("is no address or network, such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32")]
    Form,
    /// Bits are set behind the prefix: it would be another network than it looks like.
    #[error("has bits behind its prefix: is {0} meant?")]
    BehindPrefix(IpNet),
}

impl NetworkFault {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Form => "malformed",
            Self::BehindPrefix(_) => "behind_prefix",
        }
    }
}

/// A network, or one address. It is stored and shown as it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Network(IpNet);

impl Network {
    /// Does the address lie in it? One of IPv4 that is written in IPv6 counts as what it is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Does all of the other one lie in it?
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }

    /// The network that an address is taken to belong to: its /24 in IPv4, its /64 in IPv6.
    #[must_use]
    pub fn around(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => Ipv4Net::new(address, 24).map_or(address.into(), |net| net.trunc()).into(),
            IpAddr::V6(address) => Ipv6Net::new(address, 64).map_or(address.into(), |net| net.trunc()).into(),
        })
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkFault;

    fn try_from(text: String) -> Result<Self, NetworkFault> {
        text.parse()
    }
}

impl FromStr for Network {
    type Err = NetworkFault;

    /// The address of a network is written like any other: what reads `010.0.0.0` as ten elsewhere may read eight.
    fn from_str(text: &str) -> Result<Self, NetworkFault> {
        let address = |text: &str| text.parse::<IpAddr>().map_err(|_| NetworkFault::Form);
        let Some((text, prefix)) = text.split_once('/') else {
            return Ok(Self(address(text)?.to_canonical().into()));
        };
        let prefix = Some(prefix).filter(|prefix| !prefix.starts_with('+')).and_then(|prefix| prefix.parse().ok());
        let network = prefix.and_then(|prefix| IpNet::new(address(text).ok()?, prefix).ok());
        match network.ok_or(NetworkFault::Form)? {
            network if network.trunc() == network => Ok(Self(network)),
            network => Err(NetworkFault::BehindPrefix(network.trunc())),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_read_shown_and_holds_its_addresses() {
        for (text, inside, outside) in [
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::ffff:11.0.0.1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "127.0.0.1"),
        ] {
            let network: Network = text.parse().unwrap();
            assert_eq!(network.to_string(), text);
            assert!(network.contains(inside.parse().unwrap()), "{text} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{text} {outside}");
        }
        for text in ["", "x", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "010.0.0.0/8", "fe80::1%eth0"]
        {
            assert_eq!(text.parse::<Network>(), Err(NetworkFault::Form), "{text}");
        }
        let behind = "10.0.0.1/8".parse::<Network>().unwrap_err();
        assert_eq!((behind.code(), behind.to_string().contains("10.0.0.0/8")), ("behind_prefix", true));
    }

    #[test]
    fn a_network_covers_its_parts_and_an_address_has_one_around_it() {
        let network = |text: &str| text.parse::<Network>().unwrap();
        assert!(network("10.0.0.0/8").covers(&network("10.1.0.0/16")));
        assert!(network("10.0.0.0/8").covers(&network("10.0.0.0/8")));
        assert!(!network("10.1.0.0/16").covers(&network("10.0.0.0/8")));
        assert!(!network("10.0.0.0/8").covers(&network("::1")));
        let around = |text: &str| Network::around(text.parse().unwrap()).to_string();
        assert_eq!(around("192.0.2.7"), "192.0.2.0/24");
        assert_eq!(around("::ffff:192.0.2.7"), "192.0.2.0/24");
        assert_eq!(around("2001:db8::1:2:3:4"), "2001:db8::/64");
    }
}
