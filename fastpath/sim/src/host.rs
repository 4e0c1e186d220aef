//! The program above a simulated replica: the production service over a small state machine, with every step checked.

use crate::lab::{Check, Lab};
use crate::oracle::Oracle;
use crate::rng::mix;
use crate::tally::Count;
use crate::workload::is_refused;
use paxon_fastpath::{
    Answer, Command, Decided, Expected, Header, Host, Notice, Outcome, Outcomes, ReadRound, ReplicaId, Reply, Service,
    SessionLimits, Slot, SnapshotError, StateMachine,
};
use std::cell::RefCell;
use std::rc::Rc;

/// Limits of the client table: small, so that sessions are evicted.
pub const LIMITS: SessionLimits = SessionLimits { sessions_max: 8, window: 4, reply_bytes_max: 8 };
/// The largest snapshot of the engine, the client table and the machine, padding aside.
pub const SNAPSHOT_BYTES: usize = 128 + 8 + 48 + LIMITS.sessions_max * (24 + LIMITS.window * 24) + 16;

/// The code with which the machine's screen refuses.
const REFUSAL: u8 = 7;

/// Digests every command that it is given, in order. The reply is the digest.
#[derive(Debug)]
pub struct Machine {
    lab: Rc<Lab>,
    digest: u64,
    applied: u64,
    /// Bytes that make its snapshots longer.
    padding: usize,
}

impl StateMachine for Machine {
    fn expects(&self) -> bool {
        self.lab.scenario.refuse_one_in > 0
    }

    fn screen(&mut self, slot: Slot, command: &Command<'_>) -> Result<(), u8> {
        let Command { session, sequence, .. } = *command;
        let refused = is_refused(self.lab.scenario.refuse_one_in, slot, session, sequence);
        if refused { Err(REFUSAL) } else { Ok(()) }
    }

    fn apply(&mut self, slot: Slot, command: &[u8], reply: &mut Reply) {
        let bytes = command.iter().fold(slot.0, |hash, &byte| mix(hash ^ u64::from(byte)));
        self.digest = mix(self.digest ^ bytes);
        self.applied += 1;
        reply.write(&self.digest.to_le_bytes());
    }

    fn snapshot(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.digest.to_le_bytes());
        into.extend_from_slice(&self.applied.to_le_bytes());
        into.extend((0..self.padding).map(|at| at as u8));
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let words = bytes.get(..16).ok_or(SnapshotError)?;
        let padding = &bytes[16..];
        let whole = padding.len() == self.padding && padding.iter().enumerate().all(|(at, &byte)| byte == at as u8);
        let word = |at: usize| words[at..at + 8].try_into().map(u64::from_le_bytes).map_err(|_| SnapshotError);
        let (digest, applied) = (word(0)?, word(8)?);
        if !whole {
            return Err(SnapshotError);
        }
        (self.digest, self.applied) = (digest, applied);
        Ok(())
    }

    fn digest(&self) -> u64 {
        self.digest
    }
}

/// What a client waits for.
#[derive(Clone, Copy, Debug)]
pub enum News {
    /// A command of a session took effect in this slot.
    Applied {
        /// The session.
        session: u64,
        /// Its number.
        sequence: u64,
        /// Where it took effect first.
        first: Slot,
    },
    /// A command of a session has no effect any more: the session was evicted, or it is too old.
    Refused {
        /// The session.
        session: u64,
        /// Its number.
        sequence: u64,
    },
    /// The screen refused a command of a session; the same may pass later.
    Screened {
        /// The session.
        session: u64,
        /// Its number.
        sequence: u64,
    },
    /// A record of this slot and ballot opened a session.
    Opened {
        /// The slot.
        slot: Slot,
        /// The ballot of the record, as a number.
        ballot: u64,
        /// The session.
        session: u64,
    },
    /// Reads up to this round may be served; the state after this slot is what they see.
    ReadReady {
        /// The round.
        round: ReadRound,
        /// The last applied slot.
        applied: Slot,
    },
    /// The replica lost its place as leader.
    Deposed,
}

/// Collects what clients wait for.
#[derive(Debug)]
pub struct Listener {
    me: ReplicaId,
    oracle: Rc<RefCell<Oracle>>,
    lab: Rc<Lab>,
    /// What has happened since the last poll.
    pub news: Vec<News>,
}

impl Outcomes for Listener {
    fn answered(&mut self, answer: Answer<'_>) {
        let Answer { slot, session, sequence, ballot, .. } = answer;
        match answer.outcome {
            Outcome::SessionOpened { session } => self.news.push(News::Opened { slot, ballot: ballot.0, session }),
            Outcome::Applied { first, .. } => {
                if first != slot {
                    self.lab.count(Count::Duplicate);
                }
                self.oracle.borrow_mut().effect(self.me, session, sequence, first);
                self.news.push(News::Applied { session, sequence, first });
            }
            Outcome::Refused { code } => {
                assert_eq!(code, REFUSAL, "the code is the machine's own");
                self.oracle.borrow_mut().refused(self.me, session, sequence, slot);
                self.news.push(News::Screened { session, sequence });
            }
            _ => self.news.push(News::Refused { session, sequence }),
        }
    }
}

/// The host of one process.
#[derive(Debug)]
pub struct SimHost {
    me: ReplicaId,
    lab: Rc<Lab>,
    oracle: Rc<RefCell<Oracle>>,
    service: Service<Machine, Listener>,
    /// It waits to be readmitted, as far as it was told.
    recovering: bool,
}

impl SimHost {
    /// A host with an empty state.
    pub fn new(me: ReplicaId, lab: Rc<Lab>, oracle: Rc<RefCell<Oracle>>) -> Self {
        let machine = Machine { lab: lab.clone(), digest: 0, applied: 0, padding: lab.scenario.snapshot_padding };
        let listener = Listener { me, oracle: oracle.clone(), lab: lab.clone(), news: Vec::new() };
        let service = Service::new(machine, LIMITS, listener).expect("the limits are in range");
        Self { me, lab, oracle, service, recovering: false }
    }

    /// The last slot that was applied.
    pub const fn applied(&self) -> Slot {
        self.service.applied()
    }

    /// A digest of the whole state.
    pub fn digest(&self) -> u64 {
        self.service.digest()
    }

    /// What has happened since the last call.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.service.outcomes_mut().news)
    }

    fn state_reached(&self, slot: Slot) {
        self.oracle.borrow_mut().state(self.me, slot, self.service.machine().digest());
    }

    fn count_notice(&mut self, notice: &Notice) {
        let count = match notice {
            Notice::Leading(_) => Count::Leading,
            Notice::Deposed { .. } => Count::DeposedLeader,
            Notice::EpochBegan(_) => Count::Epoch,
            Notice::Lagging { .. } => Count::Lagging,
            Notice::Restored { .. } => Count::Restored,
            Notice::Recovering => {
                self.recovering = true;
                return;
            }
            Notice::Following(_) if self.recovering => {
                self.recovering = false;
                Count::Readmitted
            }
            _ => return,
        };
        self.lab.count(count);
    }
}

impl Host for SimHost {
    fn expects(&self) -> bool {
        self.service.expects()
    }

    fn expected(&mut self, expected: Expected<'_>) {
        self.lab.count(Count::Announced);
        self.service.expected(expected);
    }

    fn decided(&mut self, decided: Decided<'_>) {
        let Decided { slot, header, .. } = decided;
        if slot != self.applied().next() {
            let (me, applied) = (self.me, self.applied());
            self.lab.violate(Check::SlotOrder, || format!("{me} was given {slot} after {applied}"));
        }
        self.lab.note(self.me, &[b'd'.into(), slot.0, header.ballot.0], || {
            let Header { seq, flags, payload_bytes, .. } = header;
            format!(
                "applies {slot} of {:?}: seq {:#x} flags {:#x}, {payload_bytes} bytes",
                header.ballot, seq.0, flags.0
            )
        });
        self.oracle.borrow_mut().decide(self.me, &decided);
        self.service.decided(decided);
        self.state_reached(slot);
    }

    fn snapshot(&mut self, into: &mut Vec<u8>) {
        self.service.snapshot(into);
    }

    fn restore(&mut self, upto: Slot, bytes: &[u8]) -> Result<(), SnapshotError> {
        let applied = self.applied();
        if upto <= applied {
            self.lab.violate(Check::SlotOrder, || format!("{} went back from {applied} to {upto}", self.me));
        }
        self.service.restore(upto, bytes)?;
        self.state_reached(upto);
        Ok(())
    }

    fn notice(&mut self, notice: Notice) {
        self.lab.note(self.me, &[b'n'.into()], || format!("{notice:?}"));
        self.count_notice(&notice);
        let news = match notice {
            Notice::ReadReady(round) => News::ReadReady { round, applied: self.applied() },
            Notice::Deposed { .. } => News::Deposed,
            _ => return,
        };
        self.service.outcomes_mut().news.push(news);
    }
}
