//! Connecting a queue pair: what both sides tell each other, and how a claim is checked before it is used.

use crate::ffi;
use crate::port::{Address, Mtu};
use crate::queue_pair::{QueuePair, State};
use crate::timing::Timing;
use std::io;

/// Numbers of queue pairs and of packets have 24 bits.
const NUMBER_MAX: u32 = (1 << 24) - 1;
/// Routers that a packet may pass.
const HOP_LIMIT: u8 = 64;
/// How long a peer whose device is short of resources is left alone before the next try: 0.64 ms (table 45 of the
/// InfiniBand specification). One-sided operations meet this only for want of room for READs and atomics.
const NOT_READY_TIMER: u8 = 12;
/// Six tries and then an error; seven would be for ever.
const NOT_READY_RETRIES: u8 = 6;

/// One side of a connection, as it is told to the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Number of the queue pair.
    pub queue_pair: u32,
    /// Where its packets start to count.
    pub packet_sequence: u32,
    /// Where it is.
    pub address: Address,
    /// Largest packets.
    pub mtu: Mtu,
    /// READs and atomics that it serves at a time.
    pub reads_in_max: u8,
}

/// Why a queue pair could not be connected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// What the peer says of itself cannot be true.
    #[error("the peer claims a {what} of {found:#x}, which is not in {min:#x}..={max:#x}")]
    Claim {
        /// Which number.
        what: &'static str,
        /// What the peer says.
        found: u32,
        /// The least that it may be.
        min: u32,
        /// The most that it may be.
        max: u32,
    },
    /// One side is addressed by LID and the other by GID.
    #[error("{here:?} of this host cannot reach {there:?}: both sides need the same kind of address")]
    Address {
        /// The own address.
        here: Address,
        /// The peer's.
        there: Address,
    },
    /// A queue pair is connected once in its life.
    #[error("the queue pair {0} was connected before: make a new one")]
    Used(u32),
    /// A call failed.
    #[error("the queue pair cannot change to {state} (is there a route to the peer's address?)")]
    System {
        /// The state that it was to change to.
        state: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl QueuePair {
    /// What the peer has to know.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            queue_pair: self.number,
            packet_sequence: self.packet_sequence,
            address: self.source.address,
            mtu: self.source.mtu,
            reads_in_max: self.domain.device().limits().reads_in_max,
        }
    }

    /// Connects it to `peer`. The peer has to connect to this one too; operations that arrive there before are asked again.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn connect(&mut self, peer: &Endpoint, timing: Timing) -> Result<(), ConnectError> {
        if self.state != State::Created {
            return Err(ConnectError::Used(self.number));
        }
        check_claim(peer)?;
        let address = self.address_vector(peer.address)?;
        // Whatever comes of it, the pair cannot start again from here.
        self.state = State::Failed;
        self.make_ready_to_receive(peer, address).map_err(|source| ConnectError::System { state: "RTR", source })?;
        self.make_ready_to_send(peer, timing).map_err(|source| ConnectError::System { state: "RTS", source })?;
        self.state = State::Connected;
        Ok(())
    }

    fn make_ready_to_receive(&mut self, peer: &Endpoint, address: ffi::AddressVector) -> io::Result<()> {
        let mut attributes = ffi::QueuePairAttributes {
            qp_state: ffi::QPS_RTR,
            path_mtu: peer.mtu.min(self.source.mtu).code(),
            dest_qp_num: peer.queue_pair,
            rq_psn: peer.packet_sequence,
            max_dest_rd_atomic: self.domain.device().limits().reads_in_max,
            min_rnr_timer: NOT_READY_TIMER,
            ah_attr: address,
            ..Default::default()
        };
        let peer_side = ffi::QP_AV | ffi::QP_PATH_MTU | ffi::QP_DEST_QPN | ffi::QP_RQ_PSN;
        let own_side = ffi::QP_MAX_DEST_RD_ATOMIC | ffi::QP_MIN_RNR_TIMER;
        self.modify(&mut attributes, ffi::QP_STATE | peer_side | own_side)
    }

    fn make_ready_to_send(&mut self, peer: &Endpoint, timing: Timing) -> io::Result<()> {
        let mut attributes = ffi::QueuePairAttributes {
            qp_state: ffi::QPS_RTS,
            timeout: timing.exponent(),
            retry_cnt: timing.retries(),
            rnr_retry: NOT_READY_RETRIES,
            sq_psn: self.packet_sequence,
            max_rd_atomic: self.domain.device().limits().reads_out_max.min(peer.reads_in_max),
            ..Default::default()
        };
        let patience = ffi::QP_TIMEOUT | ffi::QP_RETRY_CNT | ffi::QP_RNR_RETRY;
        self.modify(&mut attributes, ffi::QP_STATE | patience | ffi::QP_SQ_PSN | ffi::QP_MAX_QP_RD_ATOMIC)
    }

    fn address_vector(&self, there: Address) -> Result<ffi::AddressVector, ConnectError> {
        let common =
            ffi::AddressVector { sl: self.options.service_level, port_num: self.source.port, ..Default::default() };
        match (self.source.address, there) {
            (Address::Gid(_), Address::Gid(gid)) => Ok(ffi::AddressVector {
                is_global: 1,
                grh: ffi::GlobalRoute {
                    dgid: gid.0,
                    sgid_index: self.source.gid_index,
                    hop_limit: HOP_LIMIT,
                    traffic_class: self.options.traffic_class,
                    flow_label: 0,
                },
                ..common
            }),
            (Address::Lid(_), Address::Lid(lid)) => Ok(ffi::AddressVector { dlid: lid, ..common }),
            (here, there) => Err(ConnectError::Address { here, there }),
        }
    }
}

/// What a peer says of itself is a claim; the numbers go to the kernel.
fn check_claim(peer: &Endpoint) -> Result<(), ConnectError> {
    let within = |what, found, min, max| {
        if (min..=max).contains(&found) { Ok(()) } else { Err(ConnectError::Claim { what, found, min, max }) }
    };
    within("queue pair number", peer.queue_pair, 1, NUMBER_MAX)?;
    within("packet sequence number", peer.packet_sequence, 0, NUMBER_MAX)?;
    within("number of READs at a time", u32::from(peer.reads_in_max), 1, u32::from(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Gid;

    #[test]
    fn claims_outside_of_their_range_never_reach_the_kernel() {
        let good = Endpoint {
            queue_pair: 17,
            packet_sequence: 0,
            address: Address::Gid(Gid([1; 16])),
            mtu: Mtu::Bytes1024,
            reads_in_max: 16,
        };
        assert!(check_claim(&good).is_ok());
        let bad = [
            Endpoint { queue_pair: 0, ..good },
            Endpoint { queue_pair: 1 << 24, ..good },
            Endpoint { packet_sequence: 1 << 24, ..good },
            Endpoint { reads_in_max: 0, ..good },
        ];
        for claim in bad {
            assert!(matches!(check_claim(&claim), Err(ConnectError::Claim { .. })), "{claim:?}");
        }
    }
}
