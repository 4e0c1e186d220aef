//! Counts: which faults were injected, and how wild a run became.

use std::cell::Cell;

macro_rules! counts {
    ($($kind:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)* })*) => {
        /// Something that is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Count { $($($(#[$doc])* $variant,)*)* }

        impl Count {
            /// All counts, in the order in which they are reported.
            pub const ALL: &'static [Self] = &[$($(Self::$variant,)*)*];

            /// Its name in reports.
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$variant => $name,)*)* }
            }

            /// Whether it is a fault, an event of the protocol or a measure of work.
            pub const fn kind(self) -> Kind {
                match self { $($(Self::$variant => Kind::$kind,)*)* }
            }
        }
    };
}

/// What a count says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A fault was injected.
    Fault,
    /// The protocol was driven into a rare state.
    Wild,
    /// Work was done.
    Work,
}

counts! {
    Fault {
        /// A WRITE became visible in pieces of 8 bytes.
        TornWords = "write torn at 8 bytes",
        /// A WRITE became visible in pieces of 64 bytes.
        TornLines = "write torn at 64 bytes",
        /// A READ was executed in pieces.
        TornRead = "read torn",
        /// An acceptor was polled while a write to it was half visible.
        PolledTorn = "polled while a write was half visible",
        /// An operation was executed before one that was posted earlier on another channel.
        Reordered = "reordered across channels",
        /// An operation landed in the middle of a poll.
        MidPoll = "landed in the middle of a poll",
        /// An operation of a dead process was executed.
        Ghost = "operation of a dead process landed",
        /// An operation was executed after its link had gone down.
        Leftover = "operation landed after link down",
        /// An operation of a stopped process was executed.
        OfStopped = "operation of a stopped process landed",
        /// A write of a deposed leader was executed.
        Deposed = "write of a deposed leader landed",
        /// A completion was lost although its chain was executed.
        CompletionLost = "completion lost though applied",
        /// The same, of a chain with a compare-and-exchange.
        CasReplyLost = "compare-and-exchange reply lost",
        /// A chain failed after a prefix.
        QueuePairError = "queue pair error",
        /// Memory was withdrawn under operations in flight.
        Revoked = "region revoked in flight",
        /// An operation was delayed for very long.
        Stall = "operation stalled",
        /// A post was refused as full.
        Full = "post refused as full",
        /// A process died; its memory stayed.
        Crash = "process killed, memory kept",
        /// A process died; its memory too.
        Wipe = "process killed, memory wiped",
        /// A process died while a write of it was half visible.
        KilledWriting = "process killed in the middle of a write",
        /// A process was stopped.
        Stop = "process stopped",
        /// A link was cut in both directions.
        Cut = "link cut",
        /// A link was cut in one direction.
        CutOneWay = "link cut one way",
        /// A process was not scheduled for a while.
        Hiccup = "process not scheduled",
        /// A live process was reported dead.
        FalseDeath = "false report of a death",
        /// A stranger wrote records with right checksums and without the secret.
        Forged = "records forged by a stranger",
        /// A leader was asked to give up.
        Resign = "leader asked to resign",
    }
    Wild {
        /// Leaders.
        Leading = "leader elected",
        /// Leaders that lost their place.
        DeposedLeader = "leader deposed",
        /// Checks that met a higher promise.
        CheckRefused = "check refused",
        /// Slots decided as adopted records.
        Adopted = "slot adopted",
        /// Slots decided as holes.
        Noop = "hole filled",
        /// Cells that were used again.
        RingRecycled = "cell recycled",
        /// Arena positions that were used again.
        ArenaRecycled = "arena recycled",
        /// Replicas that fell behind the journals.
        Lagging = "overrun",
        /// State transfers.
        Restored = "snapshot installed",
        /// New epochs.
        Epoch = "epoch began",
        /// Replicas that came back after they had lost their memory.
        Readmitted = "member readmitted",
        /// Proposals that were refused as full.
        ProposeFull = "proposal refused as full",
        /// Records that a follower was told of before they were decided.
        Announced = "record announced",
        /// Commands that the screen of a state machine refused.
        Screened = "command refused by the screen",
        /// Commands that were refused and later took effect under the same number.
        RefusedThenApplied = "refused, sent again and applied",
        /// Commands that were decided more than once.
        Duplicate = "duplicate suppressed",
    }
    Work {
        /// Simulated events.
        Event = "events",
        /// Polls.
        Poll = "polls",
        /// Operations executed.
        Operation = "operations",
        /// Slots decided, counted once.
        Slot = "slots decided",
        /// Commands acknowledged.
        Acked = "commands acknowledged",
        /// Linearizable reads answered.
        Read = "reads answered",
    }
}

/// A number for each [`Count`].
#[derive(Clone, Debug)]
pub struct Tally(Vec<Cell<u64>>);

impl Default for Tally {
    fn default() -> Self {
        Self(vec![Cell::new(0); Count::ALL.len()])
    }
}

impl Tally {
    /// Counts one.
    pub fn one(&self, count: Count) {
        self.more(count, 1);
    }

    /// Counts `n`.
    pub fn more(&self, count: Count, n: u64) {
        let cell = &self.0[count as usize];
        cell.set(cell.get() + n);
    }

    /// The number of a count.
    pub fn get(&self, count: Count) -> u64 {
        self.0[count as usize].get()
    }

    /// Adds the numbers of another run.
    pub fn add(&self, other: &Self) {
        for &count in Count::ALL {
            self.more(count, other.get(count));
        }
    }
}
