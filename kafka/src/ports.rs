//! Free ports of 127.0.0.1.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

use crate::error::{Error, Result};

/// Below the range from which Linux takes the near end of a connection. There, a client that asks for a broker
/// which is down could be given the broker's own port, and connect to itself.
const FIRST: u16 = 10_000;
const LAST: u16 = 32_000;

#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub clients: u16,
    /// Without security, for the broker itself.
    pub internal: u16,
    pub controller: u16,
}

impl Ports {
    /// Three that were free a moment ago; `clients` if given.
    pub fn find(clients: Option<u16>) -> Result<Self> {
        // Held until all are found, so that they differ.
        let mut held = Vec::new();
        if let Some(port) = clients {
            held.push((port, listen(port).ok_or(Error::PortTaken { port })?));
        }
        // Two processes that look at once should not look at the same ports.
        let start = RandomState::new().hash_one(std::process::id());
        let span = u64::from(LAST - FIRST);
        let tries = (0..span).filter_map(|step| u16::try_from(start.wrapping_add(step * 7) % span).ok());
        held.extend(tries.filter_map(|step| Some((FIRST + step, listen(FIRST + step)?))).take(3 - held.len()));
        match held.as_slice() {
            [(clients, _), (internal, _), (controller, _)] => {
                Ok(Self { clients: *clients, internal: *internal, controller: *controller })
            }
            _ => Err(Error::NoPorts),
        }
    }
}

fn listen(port: u16) -> Option<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_three_different_ports() {
        let ports = Ports::find(None).expect("free ports");
        let mut all = [ports.clients, ports.internal, ports.controller];
        all.sort_unstable();
        assert!(all.array_windows().all(|[one, next]| one < next), "{all:?}");
        assert!(all.iter().all(|port| (FIRST..LAST).contains(port)), "{all:?}");
    }

    #[test]
    fn a_port_in_use_is_named() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = taken.local_addr().expect("bound").port();
        let refusal = Ports::find(Some(port)).expect_err("taken").to_string();
        assert_eq!(refusal, format!("port {port} of 127.0.0.1 is in use; give another"));
    }
}
