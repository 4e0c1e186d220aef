//! A client with a key, and somebody who speaks in its session without it.

use super::forgery::{Forged, Forger, Forgery};
use super::keys::signer_of;
use super::{census, keys};
use crate::measure::MeasureError;
use crate::measure::auth::LATENCY_MAX_NS;
use hdrhistogram::Histogram;
use paxon_client::wire::Code;
use paxon_client::{Applied, Client, ClientError, Pending, Session};
use paxon_fastpath::Slot;
use paxon_signed::{Position, Refusal, Signer};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Commands that a pair keeps under way, honest and forged together; less than a session's window.
const OUTSTANDING: usize = 32;
/// Commands after which the caller is asked whether to go on.
const ASK_EVERY: u64 = 64;

/// When honest commands were answered last, by whichever pair. Only a measurement: nothing is ordered by it.
pub(super) struct Replies {
    start: Instant,
    last_ns: AtomicU64,
    longest_ns: AtomicU64,
}

impl Replies {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), last_ns: AtomicU64::new(0), longest_ns: AtomicU64::new(0) }
    }

    fn note(&self) {
        let now_ns = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let last_ns = self.last_ns.fetch_max(now_ns, Relaxed);
        self.longest_ns.fetch_max(now_ns.saturating_sub(last_ns), Relaxed);
    }

    pub(super) fn longest_gap(&self) -> Duration {
        Duration::from_nanos(self.longest_ns.load(Relaxed))
    }
}

/// What came of a run.
pub(super) struct Load {
    pub(super) elapsed: Duration,
    pub(super) longest_gap: Duration,
    /// Of honest commands that were applied, from sending to the reply.
    pub(super) latencies: Histogram<u64>,
    pub(super) honest_sent: u64,
    pub(super) honest_refused: u64,
    /// Forged commands by kind.
    pub(super) forged: BTreeMap<&'static str, u64>,
    /// How forged commands were refused.
    pub(super) refusals: BTreeMap<String, u64>,
    /// Repeated commands that were answered with the reply of the first time.
    pub(super) repeats_answered: u64,
    /// Other forged commands that were answered as applied.
    pub(super) forged_answered: u64,
}

impl Load {
    pub(super) fn new() -> Self {
        Self {
            elapsed: Duration::ZERO,
            longest_gap: Duration::ZERO,
            latencies: Histogram::new_with_max(LATENCY_MAX_NS, 3).expect("three digits up to ten seconds"),
            honest_sent: 0,
            honest_refused: 0,
            forged: BTreeMap::new(),
            refusals: BTreeMap::new(),
            repeats_answered: 0,
            forged_answered: 0,
        }
    }

    /// Adds what another has done at the same time.
    pub(super) fn join(&mut self, other: Self) {
        self.latencies.add(&other.latencies).expect("histograms with the same bounds");
        self.honest_sent += other.honest_sent;
        self.honest_refused += other.honest_refused;
        self.repeats_answered += other.repeats_answered;
        self.forged_answered += other.forged_answered;
        for (name, count) in other.forged {
            *self.forged.entry(name).or_default() += count;
        }
        for (name, count) in other.refusals {
            *self.refusals.entry(name).or_default() += count;
        }
    }

    /// Adds a later run.
    pub(super) fn add(&mut self, later: Self) {
        self.elapsed += later.elapsed;
        self.longest_gap = self.longest_gap.max(later.longest_gap);
        self.join(later);
    }

    pub(super) fn forged_sent(&self) -> u64 {
        self.forged.values().sum()
    }
}

/// A command under way.
struct Sent {
    pending: Pending<Applied>,
    at: Instant,
    what: What,
}

enum What {
    Honest { number: u64, sequence: u64, bytes: Vec<u8> },
    Forged(Forgery),
}

/// Two clients of one session.
pub(super) struct Pair {
    signer: Signer,
    session: Session,
    forger: Forger,
    /// The same session, over another connection.
    stolen: Session,
    under_way: VecDeque<Sent>,
    /// The number of the next honest command, among all pairs' numbers.
    number: u64,
    /// The honest command that was answered last, with its number in the session.
    answered: Option<(u64, Vec<u8>)>,
    /// Honest commands that were answered as applied, and the sum of their weights.
    pub(super) applied: u64,
    pub(super) sum: u64,
    pub(super) last: Slot,
}

impl Pair {
    pub(super) fn open(nth: u32, honest: Client, forger: Client) -> Result<Self, MeasureError> {
        let session = honest.open_session().wait().map_err(MeasureError::other)?;
        let stolen = forger.resume_session(session.id(), 1);
        Ok(Self {
            signer: signer_of(keys::client(nth)),
            session,
            forger: Forger::of(keys::client(nth)),
            stolen,
            under_way: VecDeque::with_capacity(OUTSTANDING),
            number: u64::from(nth) << 40,
            answered: None,
            applied: 0,
            sum: 0,
            last: Slot::NONE,
        })
    }

    /// Sends so many commands, forged ones evenly among them, and waits for what becomes of them.
    pub(super) fn run(
        &mut self,
        commands: u64,
        share_per_mille: u16,
        replies: &Replies,
        go_on: &(impl Fn() -> bool + Sync),
    ) -> Result<Load, MeasureError> {
        let mut load = Load::new();
        let forged_before = |count: u64| count * u64::from(share_per_mille) / 1_000;
        for count in 0..commands {
            let forged = forged_before(count + 1) > forged_before(count);
            match self.answered.take() {
                Some(honest) if forged => {
                    self.send_forged(&honest, &mut load);
                    self.answered = Some(honest);
                }
                answered => {
                    self.answered = answered;
                    self.send_honest(&mut load);
                }
            }
            if self.under_way.len() >= OUTSTANDING {
                self.settle(&mut load, replies)?;
            }
            if count.is_multiple_of(ASK_EVERY) && !go_on() {
                return Err(MeasureError::Interrupted);
            }
        }
        while !self.under_way.is_empty() {
            self.settle(&mut load, replies)?;
        }
        Ok(load)
    }

    fn send_honest(&mut self, load: &mut Load) {
        let Self { signer, session, number, .. } = self;
        let payload = census::honest(*number);
        let mut sent = (0, Vec::new());
        let at = Instant::now();
        let pending = session.propose_with(|sequence| {
            let bytes = signer.command(Position { session: session.id(), sequence }, &payload);
            sent = (sequence, bytes.clone());
            bytes
        });
        let (sequence, bytes) = sent;
        self.under_way.push_back(Sent { pending, at, what: What::Honest { number: *number, sequence, bytes } });
        *number += 1;
        load.honest_sent += 1;
    }

    fn send_forged(&mut self, honest: &(u64, Vec<u8>), load: &mut Load) {
        // The place of the honest command that comes next.
        let at = Position { session: self.session.id(), sequence: self.session.next_sequence() };
        let Forged { forgery, sequence, bytes } = self.forger.forge(at, honest);
        let pending = self.stolen.resubmit(sequence, &bytes);
        self.under_way.push_back(Sent { pending, at: Instant::now(), what: What::Forged(forgery) });
        *load.forged.entry(forgery.name()).or_default() += 1;
    }

    /// Waits for the oldest command under way.
    fn settle(&mut self, load: &mut Load, replies: &Replies) -> Result<(), MeasureError> {
        let Some(Sent { pending, at, what }) = self.under_way.pop_front() else { return Ok(()) };
        match (pending.wait(), what) {
            (Ok(applied), What::Honest { number, sequence, bytes }) => {
                replies.note();
                load.latencies.saturating_record(u64::try_from(at.elapsed().as_nanos()).unwrap_or(u64::MAX));
                self.applied += 1;
                self.sum = self.sum.wrapping_add(census::weight(number));
                self.last = self.last.max(applied.slot);
                self.answered = Some((sequence, bytes));
            }
            (Err(ClientError::Refused { code: Code::Screened(_), .. }), What::Honest { .. }) => {
                load.honest_refused += 1
            }
            (Err(error), What::Honest { .. }) => return Err(MeasureError::other(error)),
            (Ok(_), What::Forged(Forgery::Repeated)) => load.repeats_answered += 1,
            (Ok(_), What::Forged(_)) => load.forged_answered += 1,
            (Err(error), What::Forged(_)) => *load.refusals.entry(refusal(&error)?).or_default() += 1,
        }
        Ok(())
    }
}

/// Why a forged command was refused, in a word.
fn refusal(error: &ClientError) -> Result<String, MeasureError> {
    match error {
        ClientError::Refused { code: Code::Screened(code), .. } => {
            Ok(Refusal::from_code(*code).map_or_else(|| format!("code_{code}"), |refusal| refusal.name().to_owned()))
        }
        ClientError::TooOld => Ok("too_old".to_owned()),
        other => Err(MeasureError::other(other.clone())),
    }
}
