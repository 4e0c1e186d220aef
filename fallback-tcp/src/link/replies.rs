//! What the bytes of a server mean: the opening of the session, then a reply for each chain in its order.

use super::pending::PendingRing;
use super::silence::RoundTrip;
use crate::frame::{
    HEADER_BYTES, Header, Kind, OPENING_BYTES, Receiver, Seed, Violation, decode_opening, decode_reply,
};
use paxon_acceptor::Completions;
use paxon_fastpath::{Completion, ReplicaId};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A session from the proposer's side.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) peer: ReplicaId,
    /// That of openings until the session is open.
    pub(super) seed: Seed,
    pub(super) is_open: bool,
    /// Empty until the session is open.
    pub(super) pending: PendingRing,
    pub(super) round_trip: RoundTrip,
}

/// Takes the frames of a server. A reply that is not exactly the next one ends the connection: what it says is about
/// another chain, and nothing behind it can be trusted either.
pub(super) struct Replies<'a> {
    pub(super) session: &'a mut Session,
    pub(super) scratch: &'a [AtomicU64],
    pub(super) completions: &'a mut Completions,
}

impl Receiver for Replies<'_> {
    #[inline]
    fn length(&self, header: &[u8; HEADER_BYTES]) -> Result<usize, Violation> {
        let session = &*self.session;
        if !session.is_open {
            return Header::decode(header, session.seed, Kind::Opening, OPENING_BYTES).map(|header| header.bytes);
        }
        let (_, pending) = session.pending.front().ok_or(Violation::Order)?;
        let header = Header::decode(header, session.seed, Kind::Reply, pending.reply_bytes())?;
        if header.bytes == pending.reply_bytes() { Ok(header.bytes) } else { Err(Violation::Reply) }
    }

    #[inline]
    fn frame(&mut self, frame: &[u8]) -> Result<(), Violation> {
        if self.session.is_open { self.reply(frame) } else { self.opening(frame) }
    }
}

impl Replies<'_> {
    fn opening(&mut self, frame: &[u8]) -> Result<(), Violation> {
        let nonce = decode_opening(frame.try_into().map_err(|_| Violation::Length)?, self.session.seed)?;
        self.session.seed = self.session.seed.opened(nonce);
        self.session.is_open = true;
        Ok(())
    }

    #[inline]
    fn reply(&mut self, frame: &[u8]) -> Result<(), Violation> {
        let session = &mut *self.session;
        let (number, pending) = session.pending.front().ok_or(Violation::Order)?;
        let (found, mut words) = decode_reply(frame, number, session.seed)?;
        for landing in pending.landings() {
            // Neither is short: `length` has compared the frame with the reads, and `prepare` the reads with the scratch.
            let (read, rest) = words.split_at_checked(landing.words).ok_or(Violation::Reply)?;
            let places = self.scratch.get(landing.into..).ok_or(Violation::Reply)?;
            for (place, word) in places.iter().zip(read) {
                place.store(u64::from_le_bytes(*word), Relaxed);
            }
            words = rest;
        }
        let found = if pending.has_exchange { found } else { 0 };
        self.completions.push(Completion { peer: session.peer, token: pending.token, found });
        session.pending.pop();
        session.round_trip.answered(number);
        Ok(())
    }
}
