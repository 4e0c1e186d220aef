//! The intruder: a stranger who can write into a cluster's memory and does not have its secret.
//!
//! It forges what a follower waits for: the next records of the lane that an acceptor has promised to, under the right
//! ballot, with right checksums, the second calling the first committed. Only clusters with message authentication codes
//! meet it; with checksums there is no defence. It writes where nothing is that anybody may need (to overwrite a record is to
//! erase a vote, against which no seal helps), and draws from a stream of its own, so that everything else about a seed
//! stays what it is.

use crate::channel::NEVER;
use crate::lab::Lab;
use crate::memory::Memory;
use crate::network::Network;
use crate::rng::{Rng, mix};
use crate::tally::Count;
use paxon_fastpath::{Area, Config, Flags, Header, LINE_WORDS, Promise, ReplicaId, Seal, Sealing, Slot};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Records that are forged at a time: the last calls the ones before it committed.
const FORGED: u64 = 2;

/// The intruder.
#[derive(Debug)]
pub struct Intruder {
    lab: Rc<Lab>,
    network: Rc<RefCell<Network>>,
    rng: Rng,
    /// When it acts next.
    pub due: u64,
}

impl Intruder {
    /// An intruder that has done nothing yet.
    pub fn new(lab: Rc<Lab>, network: Rc<RefCell<Network>>) -> Self {
        let rng = Rng::new(mix(lab.scenario.seed ^ 0x1275_0de5));
        let due = match lab.scenario.config.sealing {
            Sealing::Checksum => NEVER,
            Sealing::Mac(_) => rng.around(lab.scenario.nemesis_ns),
        };
        Self { lab, network, rng, due }
    }

    /// Forges records at one acceptor.
    pub fn act(&mut self) {
        self.due = self.lab.now() + self.rng.around(self.lab.scenario.nemesis_ns / 2);
        let acceptor = ReplicaId(self.rng.below(self.lab.scenario.config.replicas() as u64) as u8);
        let network = self.network.borrow();
        let here = network.memory(acceptor);
        let leader = Promise(here.promise().load(Relaxed)).ballot().map(|ballot| ballot.proposer());
        if let Some(leader) = leader.filter(|&leader| leader != acceptor && !network.is_half_visible(acceptor)) {
            self.forge(leader, &network.memory(leader), &here);
        }
    }

    /// Stops for good.
    pub fn retire(&mut self) {
        self.due = NEVER;
    }

    /// Forges the next records of `proposer`, whose memory is `source`, at the acceptor with the memory `here`.
    fn forge(&self, proposer: ReplicaId, source: &Memory, here: &Memory) {
        let config = &self.lab.scenario.config;
        let (seal, lane) = (config.sealing.lane(config.cluster, proposer), Area::Lane(proposer));
        let Some(last) = records(config, &seal, source.area(lane)).max_by_key(|record| record.seq) else { return };
        let here = here.area(lane);
        let committed = records(config, &seal, here).map(|record| record.commit()).max().unwrap_or(Slot::NONE);
        for ahead in 1..=FORGED {
            let seq = last.seq.plus(ahead);
            let start = config.layout.cell(seq);
            if !is_free(&seal, here, start, committed) {
                return;
            }
            let slot = Slot(last.slot.0 + ahead);
            let header =
                Header { seq, slot, commit_lag: 1, commands: 1, flags: Flags::default(), payload_bytes: 8, ..last };
            let payload = [self.rng.next()];
            let plain = Sealing::Checksum.lane(config.cluster, proposer);
            let header = Header { payload_hash: plain.payload_hash(header.flags, &payload), ..header };
            here[start + LINE_WORDS].store(payload[0], Relaxed);
            plain.close(&header, &payload, here, start);
        }
        self.lab.count(Count::Forged);
        self.lab.note("intruder", &[b'i'.into(), proposer.0.into(), last.seq.0], || {
            format!("forges what comes after {:?} in the lane of {proposer}", last.seq)
        });
    }
}

/// The records of a lane that are what their seal says.
fn records<'a>(config: &'a Config, seal: &'a Seal, lane: &'a [AtomicU64]) -> impl Iterator<Item = Header> + 'a {
    let start = |cell| config.layout.cell(paxon_fastpath::Seq(cell as u64));
    (0..config.layout.cells).filter_map(move |cell| seal.open_at(lane, start(cell)))
}

/// Whether nobody needs what the cell at word `start` holds: nothing, or a record that `committed` covers.
fn is_free(seal: &Seal, lane: &[AtomicU64], start: usize, committed: Slot) -> bool {
    let is_blank = lane[start..start + LINE_WORDS].iter().all(|word| word.load(Relaxed) == 0);
    is_blank || seal.open_at(lane, start).is_some_and(|record| record.slot <= committed)
}
