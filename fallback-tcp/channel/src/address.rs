//! Where a member listens: `host:port`, a name or a literal address.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// Longest name that the domain name system has.
const NAME_BYTES_MAX: usize = 253;
/// Addresses kept of a name's; a host has few, and a resolver's answer is from outside.
pub(crate) const ADDRESSES_MAX: usize = 8;

/// A host and a port, not yet looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An IP address and a port.
    Literal(SocketAddr),
    /// A name to look up, and a port.
    Name {
        /// The name.
        host: String,
        /// The port, not 0.
        port: u16,
    },
}

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// No `:port` at the end, or port 0.
    #[error("{text:?} has no port from 1 to 65535: write host:port")]
    Port {
        /// The text.
        text: String,
    },
    /// The host is empty, too long, or has characters that no host name has.
    #[error("{text:?} names no host: write a name, an IPv4 address or an IPv6 address in brackets before the port")]
    Host {
        /// The text.
        text: String,
    },
}

impl Address {
    /// The addresses to try, at most eight, in the resolver's order. Blocks for as long as the resolver takes.
    ///
    /// # Errors
    /// What the resolver says, or that it knows no address.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Literal(address) => Ok(vec![*address]),
            Self::Name { host, port } => {
                let found: Vec<_> = (host.as_str(), *port).to_socket_addrs()?.take(ADDRESSES_MAX).collect();
                if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
            }
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let port_error = || AddressError::Port { text: text.chars().take(NAME_BYTES_MAX).collect() };
        let host_error = || AddressError::Host { text: text.chars().take(NAME_BYTES_MAX).collect() };
        let (host, port) = text.rsplit_once(':').ok_or_else(port_error)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(port_error)?;
        if let Some(inner) = host.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or_else(host_error)?;
            return inner
                .parse()
                .map(|ip| Self::Literal(SocketAddr::new(IpAddr::V6(ip), port)))
                .map_err(|_| host_error());
        }
        if let Ok(ip) = host.parse() {
            return Ok(Self::Literal(SocketAddr::new(IpAddr::V4(ip), port)));
        }
        let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if host.is_empty() || host.len() > NAME_BYTES_MAX || !host.chars().all(is_of_a_name) {
            return Err(host_error());
        }
        Ok(Self::Name { host: host.into(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_literals_are_told_apart() {
        assert_eq!("10.0.0.1:7001".parse(), Ok(Address::Literal(([10, 0, 0, 1], 7001).into())));
        assert_eq!("[::1]:7001".parse(), Ok(Address::Literal("[::1]:7001".parse().expect("a literal"))));
        assert_eq!("db-1.example:7001".parse(), Ok(Address::Name { host: "db-1.example".into(), port: 7001 }));
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_to_write() {
        for text in ["", "host", "host:", "host:0", "host:65536", "host:http", "[::1]"] {
            assert!(matches!(text.parse::<Address>(), Err(AddressError::Port { .. })), "{text:?}");
        }
        for text in [":80", "a b:80", "::1:80", "[x]:80", "[::1:80", "h\u{e9}te:80", &format!("{}:80", "a".repeat(254))]
        {
            assert!(matches!(text.parse::<Address>(), Err(AddressError::Host { .. })), "{text:?}");
        }
    }

    #[test]
    fn a_literal_resolves_without_a_resolver() {
        let address: Address = "127.0.0.1:9".parse().expect("an address");
        assert_eq!(address.resolve().expect("a literal"), [([127, 0, 0, 1], 9).into()]);
    }
}
