//! Addresses of peers that have sent lately, in Python's spelling, so that it is not spelt out for each datagram.

use std::net::{IpAddr, SocketAddr};

use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// How many peers are kept in mind. A power of two.
const COUNT: usize = 64;

struct Peer {
    address: SocketAddr,
    /// What `addresses::internet_to_python` makes: a tuple of a text and numbers.
    tuple: Py<PyTuple>,
}

/// A peer has one place, which the last one that belongs there takes.
#[derive(Default)]
pub(super) struct Peers {
    /// Empty before the first.
    places: Vec<Option<Peer>>,
    /// The place of the peer that was heard of last.
    last: usize,
}

impl Peers {
    /// The tuple of a peer that is known.
    #[inline]
    pub(super) fn tuple_of(&mut self, py: Python<'_>, address: &SocketAddr) -> Option<Py<PyTuple>> {
        let place = place_of(address);
        let peer = self.places.get(place)?.as_ref()?;
        if peer.address != *address {
            return None;
        }
        self.last = place;
        Some(peer.tuple.clone_ref(py))
    }

    /// Keeps a peer in mind. The one that it replaces can be dropped anywhere: no foreign code runs for it.
    pub(super) fn remember(&mut self, address: SocketAddr, tuple: Py<PyTuple>) {
        if self.places.is_empty() {
            self.places.resize_with(COUNT, || None);
        }
        self.last = place_of(&address);
        if let Some(place) = self.places.get_mut(self.last) {
            *place = Some(Peer { address, tuple });
        }
    }

    /// The address that this very tuple spells, if it came with the last datagram: it is answered most often.
    #[inline]
    pub(super) fn address_of(&self, tuple: &Bound<'_, PyAny>) -> Option<SocketAddr> {
        let peer = self.places.get(self.last)?.as_ref()?;
        peer.tuple.is(tuple).then_some(peer.address)
    }
}

/// Where a peer is kept: spread by all that tells neighbours apart, which are the last bits of its address and its port.
#[inline]
fn place_of(address: &SocketAddr) -> usize {
    let ip = match address.ip() {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => {
            let [high, low] = [ip.to_bits() >> 64, ip.to_bits()].map(|half| half as u64);
            high ^ low
        }
    };
    let mixed = (ip << 16 ^ u64::from(address.port())).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize % COUNT
}
