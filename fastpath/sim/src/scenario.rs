//! What one seed decides before the run starts: cluster, sizes, times, and how often each fault strikes.

use crate::host::SNAPSHOT_BYTES;
use crate::rng::Rng;
use paxon_fastpath::{Config, Layout, Nanos, QuorumSizes, RecordSecret, ReplicaId, Sealing, Timing};

/// Suspicion times, and distances between replicas, within which a cluster without faults has to recover completely.
const RECOVERY_SUSPECTS: u64 = 400;
const RECOVERY_DISTANCES: u64 = 200;

/// The parameters of a run. Each kind of fault is absent from a third of the seeds, so that every mixture occurs.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The seed.
    pub seed: u64,
    /// Configuration of replica 0; the others differ in their id and seed.
    pub config: Config,
    /// Rates of what can go wrong with a single operation.
    pub rates: Rates,
    /// How often the nemesis chooses each of its acts.
    pub nemesis: Weights,
    /// Mean time from one act of the nemesis to the next.
    pub nemesis_ns: u64,
    /// How long faults are injected.
    pub chaos_ns: u64,
    /// Mean time from a post to the execution of its first operation.
    pub latency_ns: u64,
    /// What comes on top of it in both directions between different replicas: zero, or more than suspicion takes.
    pub distance_ns: u64,
    /// Mean time between two polls of a replica.
    pub poll_ns: u64,
    /// Clients that wait for each answer.
    pub closed_clients: u64,
    /// Clients that never wait.
    pub open_clients: u64,
    /// Mean time that a client thinks.
    pub think_ns: u64,
    /// Outstanding chains of a channel.
    pub depth: usize,
    /// A call of `Fabric::local` in so many lets operations of others land in the middle of a poll; zero: never.
    pub mid_poll_one_in: u32,
    /// Bytes that pad a snapshot, so that its transfer takes several reads.
    pub snapshot_padding: usize,
    /// The screen of the state machine refuses one command in so many; zero: it has none.
    pub refuse_one_in: u64,
}

/// Rates per 10,000 operations or chains.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// A chain is executed inside `post`, as on shared memory.
    pub synchronous: u64,
    /// A WRITE copies its source when it is executed, not when it is posted.
    pub gather: u64,
    /// A WRITE becomes visible in pieces of words.
    pub torn_words: u64,
    /// A WRITE becomes visible in pieces of lines.
    pub torn_lines: u64,
    /// A READ is executed in pieces.
    pub torn_read: u64,
    /// A pause between two operations of a chain.
    pub pause: u64,
    /// An operation takes very long.
    pub stall: u64,
    /// The completion of an executed chain is lost; the link goes down.
    pub lose_completion: u64,
    /// A chain fails after a prefix; the link goes down.
    pub queue_pair_error: u64,
    /// A post is refused as full.
    pub full: u64,
    /// A replica is not scheduled for a while.
    pub hiccup: u64,
}

/// Relative frequencies of the acts of the nemesis.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weights {
    /// A process dies and comes back to its memory.
    pub crash: u64,
    /// A process dies and its memory with it.
    pub wipe: u64,
    /// A process is stopped and continued.
    pub stop: u64,
    /// A link is cut in both directions.
    pub cut: u64,
    /// A link is cut in one direction.
    pub cut_one_way: u64,
    /// A live process is reported dead.
    pub false_death: u64,
    /// A leader is asked to give up.
    pub resign: u64,
}

impl Weights {
    /// The sum of all weights.
    pub const fn total(&self) -> u64 {
        self.crash + self.wipe + self.stop + self.cut + self.cut_one_way + self.false_death + self.resign
    }
}

impl Scenario {
    /// The scenario of `seed`.
    pub fn new(seed: u64) -> Self {
        let rng = Rng::new(crate::rng::mix(seed ^ 0x5ce0_a710));
        let config = config(&rng, seed);
        let suspect = config.timing.suspect.0;
        let scenario = Self {
            seed,
            config,
            rates: Rates::draw(&rng),
            nemesis: Weights::draw(&rng),
            nemesis_ns: rng.within(suspect / 4, 4 * suspect),
            chaos_ns: rng.within(20, 80) * suspect,
            latency_ns: rng.pick(&[300, 1_000, 3_000]),
            distance_ns: 0,
            poll_ns: rng.pick(&[500, 1_000, 2_000, 4_000]),
            closed_clients: rng.within(1, 6),
            open_clients: rng.below(4),
            think_ns: rng.pick(&[200, 1_000, 5_000, 20_000]),
            depth: rng.pick(&[4, 16, 64]),
            mid_poll_one_in: rng.pick(&[0, 3, 20, 100]),
            snapshot_padding: rng.below((config.layout.snapshot_words * 8 - SNAPSHOT_BYTES) as u64) as usize,
            refuse_one_in: refuse_one_in(seed),
        };
        match distance_ns(seed, suspect) {
            0 => scenario,
            distance_ns => scenario.moved_apart(distance_ns),
        }
    }

    /// The same with replicas so far from each other that an answer takes longer than suspicion.
    fn moved_apart(self, distance_ns: u64) -> Self {
        let rates = Rates { synchronous: 0, ..self.rates };
        Self { distance_ns, rates, chaos_ns: self.chaos_ns + 20 * distance_ns, think_ns: distance_ns, ..self }
    }

    /// What an operation of `source` at `peer` takes to arrive, and its completion to come back, beyond the latency.
    pub fn distance(&self, source: ReplicaId, peer: ReplicaId) -> u64 {
        if source == peer { 0 } else { self.distance_ns }
    }

    /// The time in which a cluster without faults has to recover completely.
    pub const fn recovery_ns(&self) -> u64 {
        RECOVERY_SUSPECTS * self.config.timing.suspect.0 + RECOVERY_DISTANCES * self.distance_ns
    }

    /// The configuration of `replica`.
    pub fn config_of(&self, replica: ReplicaId, life: u64) -> Config {
        let seed = crate::rng::mix(self.seed ^ (life << 8 | u64::from(replica.0)));
        Config { replica, seed, ..self.config }
    }

    /// Replicas that may have lost their state or their memory at the same time: what is left must hold an accept and a
    /// prepare quorum, and every prepare quorum must hold a replica that applied what was trimmed.
    pub const fn failures_max(&self) -> usize {
        let quorums = self.config.quorums;
        let widest = if quorums.accept() > quorums.prepare() { quorums.accept() } else { quorums.prepare() };
        quorums.replicas() - widest
    }
}

/// How far the replicas of one seed in eight are from each other, zero for the rest. A stream of its own, so that everything
/// else about a seed stays what it is.
fn distance_ns(seed: u64, suspect: u64) -> u64 {
    let rng = Rng::new(crate::rng::mix(seed ^ 0xfa12_a9a2));
    if rng.below(8) == 0 { rng.within(suspect / 2, 8 * suspect) } else { 0 }
}

/// How picky the screen is: half of the seeds have none. A stream of its own, as above.
fn refuse_one_in(seed: u64) -> u64 {
    Rng::new(crate::rng::mix(seed ^ 0x5c4e_e4ed)).pick(&[0, 0, 0, 2, 5, 20])
}

fn config(rng: &Rng, seed: u64) -> Config {
    let replicas = rng.pick(&[1, 3, 3, 3, 3, 3, 3, 3, 5, 5, 5, 5, 5, 5, 7, 7]);
    let window: usize = rng.pick(&[4, 8, 16]);
    let payload_bytes_max: usize = rng.pick(&[64, 100, 200, 200, 600]);
    let arena_least = (4 * payload_bytes_max.div_ceil(8)).next_power_of_two().max(16);
    let beat = rng.pick(&[10_000, 20_000, 40_000]);
    let layout = Layout {
        replicas,
        cells: (8 * window.max(8)) << rng.below(3),
        arena_words: arena_least << rng.below(3),
        snapshot_words: rng.pick(&[160, 256, 512]),
    };
    Config {
        cluster: crate::rng::mix(seed),
        replica: ReplicaId(0),
        quorums: quorums(rng, replicas),
        layout,
        window,
        payload_bytes_max,
        timing: Timing {
            beat: Nanos(beat),
            suspect: Nanos(beat * rng.within(4, 12)),
            stagger: Nanos(beat * rng.within(1, 4)),
            flush: Nanos(rng.pick(&[1_000, 5_000, 20_000])),
        },
        sealing: sealing(seed),
        seed,
    }
}

/// How the records of one seed are sealed: with message authentication codes in one of four. A stream of its own, as above.
fn sealing(seed: u64) -> Sealing {
    let rng = Rng::new(crate::rng::mix(seed ^ 0x5ea1_ed5e));
    let mut secret = [0; 32];
    secret.iter_mut().for_each(|byte| *byte = rng.next() as u8);
    if rng.below(4) == 0 { Sealing::Mac(RecordSecret::new(secret)) } else { Sealing::Checksum }
}

fn quorums(rng: &Rng, replicas: usize) -> QuorumSizes {
    let n = replicas as u64;
    let flexible = rng.chance(4_000);
    let accept = if flexible { rng.within(1, n) } else { n / 2 + 1 };
    let prepare = if flexible { rng.within(n - accept + 1, n) } else { n / 2 + 1 };
    QuorumSizes::flexible(replicas, accept as usize, prepare as usize).expect("the drawn quorums intersect")
}

impl Rates {
    fn draw(rng: &Rng) -> Self {
        let rate = |most| if rng.chance(3_333) { 0 } else { rng.within(1, most) };
        Self {
            synchronous: rng.pick(&[0, 0, 3_000, 9_000, 10_000]),
            gather: rng.pick(&[0, 5_000, 10_000]),
            torn_words: rate(4_000),
            torn_lines: rate(4_000),
            torn_read: rate(3_000),
            pause: rate(5_000),
            stall: rate(100),
            lose_completion: rate(20),
            queue_pair_error: rate(20),
            full: rate(300),
            hiccup: rate(30),
        }
    }
}

impl Weights {
    fn draw(rng: &Rng) -> Self {
        let weight = || if rng.chance(3_333) { 0 } else { rng.within(1, 10) };
        Self {
            crash: weight(),
            wipe: weight(),
            stop: weight(),
            cut: weight(),
            cut_one_way: weight(),
            false_death: weight() / 2,
            resign: weight() / 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_drawn_configuration_is_valid() {
        for seed in 0..5_000 {
            let scenario = Scenario::new(seed);
            let replicas = scenario.config.replicas();
            let last = ReplicaId(replicas as u8 - 1);
            assert_eq!(scenario.config_of(last, 1).validate(), Ok(()), "seed {seed}");
            assert!(2 * scenario.failures_max() < replicas);
        }
    }
}
