//! The status page: what an acceptor's owner says about itself. One line a field, one writer, pulled by the peers.

use crate::checksum;
use crate::ids::{Epoch, Incarnation, Slot};
use crate::layout::{Area, LINE_WORDS, Layout, REPLICAS_MAX, Span};
use crate::memory::copy_in;
use crate::promise::Ballot;
use crate::seal::SealMark;
use std::sync::atomic::{AtomicU64, Ordering};

/// Lines of the page that are in use.
pub(crate) const STATUS_LINES: usize = 8;
/// Words of the page that are in use.
pub(crate) const STATUS_WORDS: usize = STATUS_LINES * LINE_WORDS;
/// What a peer pulls.
pub(crate) const STATUS_SPAN: Span = Span { area: Area::Status, start: 0, words: STATUS_WORDS };

// Line 0 is IDENTITY.
const HEARTBEAT: usize = LINE_WORDS;
const APPLIED: usize = 2 * LINE_WORDS;
// Line 3 is DURABLE, for the write-ahead log.
const SNAPSHOT: usize = 4 * LINE_WORDS;
const REQUEST: usize = 5 * LINE_WORDS;
const CONFIGURATION: usize = 6 * LINE_WORDS;

/// `"PAXON"` and the version of the memory map.
const MAGIC: u64 = u64::from_le_bytes(*b"PAXON\0\0\x01");

/// The atomicity domain of a PROMISE word: who executes every compare-and-exchange on it, its owner's included.
///
/// Exchanges of different domains on one word are not atomic to each other (a network adapter reads and writes the word in
/// two steps that a processor's `lock` prefix does not keep apart), so the word has one for all its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Domain {
    /// The processors of the owner's host: of peers on that host, and of the owner on behalf of peers that ask over TCP.
    Processor = 0,
    /// One network adapter of the owner's host.
    Adapter = 1,
}

/// Line 0: whose memory this is and how it is laid out. Written once, when the memory is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster.
    pub cluster: u64,
    /// The owner.
    pub owner: u8,
    /// The layout, the same at every member.
    pub layout: Layout,
    /// Who executes the compare-and-exchanges on its PROMISE.
    pub domain: Domain,
    /// How the records in it are sealed.
    pub seal: SealMark,
    /// The life of this memory.
    pub incarnation: Incarnation,
}

/// Why memory is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The memory carries no identity.
    #[error("this is not the memory of an acceptor, or of another version of Paxon")]
    Foreign,
    /// The identity is damaged.
    #[error("the identity of the memory is damaged (checksum)")]
    Damaged,
    /// It belongs to somebody else.
    #[error(
        "the memory belongs to replica {found_owner} of cluster {found_cluster:#x}, not to replica {owner} of cluster {cluster:#x} (replicas that are set up differently count as other clusters)"
    )]
    Owner {
        /// The owner found.
        found_owner: u8,
        /// The cluster found.
        found_cluster: u64,
        /// The owner expected.
        owner: u8,
        /// The cluster expected.
        cluster: u64,
    },
    /// Its PROMISE is exchanged by somebody else.
    #[error("its PROMISE is exchanged by domain {found}, not by the {expected:?}: two domains would lose promises")]
    Domain {
        /// The domain found, as a number.
        found: u8,
        /// The domain expected.
        expected: Domain,
    },
    /// Its records are sealed in another way.
    #[error(
        "its records are sealed with {found}, the configuration says {expected}: give every replica of the cluster the same record secret, or none"
    )]
    Seal {
        /// How they are sealed.
        found: SealMark,
        /// How they should be.
        expected: SealMark,
    },
    /// It is laid out differently.
    #[error("the memory is laid out as {found:?}, the configuration says {expected:?}")]
    Layout {
        /// The layout found.
        found: Layout,
        /// The layout expected.
        expected: Layout,
    },
}

impl Identity {
    /// The identity as line 0 of a status page.
    pub fn encode(&self) -> [u64; LINE_WORDS] {
        let layout = &self.layout;
        let mut line = [
            MAGIC,
            self.cluster,
            u64::from(self.seal.0) << 48
                | (self.domain as u64) << 40
                | u64::from(self.owner) << 32
                | layout.replicas as u64,
            layout.cells as u64,
            layout.arena_words as u64,
            layout.snapshot_words as u64,
            self.incarnation.0,
            0,
        ];
        line[LINE_WORDS - 1] = checksum::of_words(&line[..LINE_WORDS - 1], MAGIC);
        line
    }

    /// Reads the identity of a status page.
    ///
    /// # Errors
    /// [`IdentityError::Foreign`] or [`IdentityError::Damaged`].
    pub fn decode(line: &[u64; LINE_WORDS]) -> Result<Self, IdentityError> {
        if line[0] != MAGIC {
            return Err(IdentityError::Foreign);
        }
        if line[LINE_WORDS - 1] != checksum::of_words(&line[..LINE_WORDS - 1], MAGIC) {
            return Err(IdentityError::Damaged);
        }
        let domain = match (line[2] >> 40) as u8 {
            0 => Domain::Processor,
            1 => Domain::Adapter,
            _ => return Err(IdentityError::Foreign),
        };
        Ok(Self {
            cluster: line[1],
            owner: (line[2] >> 32) as u8,
            domain,
            seal: SealMark((line[2] >> 48) as u16),
            layout: Layout {
                replicas: line[2] as u32 as usize,
                cells: line[3] as usize,
                arena_words: line[4] as usize,
                snapshot_words: line[5] as usize,
            },
            incarnation: Incarnation(line[6]),
        })
    }

    /// Checks that this is what `expected` is but for its life, which only the memory itself knows.
    ///
    /// # Errors
    /// [`IdentityError::Owner`], [`IdentityError::Domain`], [`IdentityError::Seal`] or [`IdentityError::Layout`].
    pub fn expect(&self, expected: &Self) -> Result<(), IdentityError> {
        let Self { cluster, owner, layout, domain, seal, .. } = *expected;
        if (self.cluster, self.owner) != (cluster, owner) {
            return Err(IdentityError::Owner { found_owner: self.owner, found_cluster: self.cluster, owner, cluster });
        }
        if self.domain != domain {
            return Err(IdentityError::Domain { found: self.domain as u8, expected: domain });
        }
        if self.seal != seal {
            return Err(IdentityError::Seal { found: self.seal, expected: seal });
        }
        if self.layout != layout {
            return Err(IdentityError::Layout { found: self.layout, expected: layout });
        }
        Ok(())
    }
}

/// Lines 6 and 7: the membership that the owner has applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// The epoch that it opens.
    pub epoch: Epoch,
    /// The slot of the record that decided it: the last slot of the epoch before. Zero in the first epoch.
    pub slot: Slot,
    /// The ballot under which the publisher saw it decided; none in the first epoch and in the record itself.
    pub ballot: Ballot,
    /// Which life of each member's memory votes; zero stands for the one that the member was born with.
    pub incarnations: [Incarnation; REPLICAS_MAX],
}

impl Configuration {
    /// Words of a configuration as the payload of a record.
    pub(crate) const WORDS: usize = 3 + REPLICAS_MAX;

    /// The configuration of a new cluster.
    pub const fn genesis() -> Self {
        Self {
            epoch: Epoch::FIRST,
            slot: Slot::NONE,
            ballot: Ballot::NONE,
            incarnations: [Incarnation(0); REPLICAS_MAX],
        }
    }

    pub(crate) fn encode(&self) -> [u64; Self::WORDS] {
        let mut words = [0; Self::WORDS];
        words[0] = u64::from(self.epoch.0);
        words[1] = self.slot.0;
        words[2] = self.ballot.0;
        for (word, incarnation) in words[3..].iter_mut().zip(self.incarnations) {
            *word = incarnation.0;
        }
        words
    }

    pub(crate) fn decode(words: &[u64]) -> Option<Self> {
        let words: &[u64; Self::WORDS] = words.get(..Self::WORDS)?.try_into().ok()?;
        let epoch = Epoch(u16::try_from(words[0]).ok()?);
        let mut incarnations = [Incarnation(0); REPLICAS_MAX];
        for (incarnation, word) in incarnations.iter_mut().zip(&words[3..]) {
            *incarnation = Incarnation(*word);
        }
        (epoch <= Epoch::LAST).then_some(Self { epoch, slot: Slot(words[1]), ballot: Ballot(words[2]), incarnations })
    }
}

/// A snapshot that a peer offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotOffer {
    /// The last slot it covers; zero if there is none.
    pub upto: Slot,
    /// Its length in bytes, from the start of the snapshot area.
    pub bytes: u64,
    /// XXH3-64 of its words.
    pub hash: u64,
}

/// A status page as a peer sees it. Fields that were being written are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Counts up as long as the owner's consensus thread runs.
    pub heartbeat: Option<u64>,
    /// The ballot that the owner leads or stands under; none when it follows.
    pub leading: Ballot,
    /// The highest slot that the owner has applied.
    pub applied: Option<Slot>,
    /// The snapshot that it offers.
    pub snapshot: Option<SnapshotOffer>,
    /// It asks for a snapshot that covers this slot; zero if it needs none.
    pub request: Option<Slot>,
    /// The membership that it has applied.
    pub configuration: Option<Configuration>,
}

impl Status {
    /// Parses the used lines of a status page, copied out before.
    pub fn parse(words: &[u64]) -> Self {
        let Some(words) = words.get(..STATUS_WORDS) else { return Self::default() };
        let twin = |at: usize| (words[at] == !words[at + 1]).then_some(words[at]);
        Self {
            heartbeat: twin(HEARTBEAT),
            leading: twin(HEARTBEAT).map_or(Ballot::NONE, |_| Ballot(words[HEARTBEAT + 2])),
            applied: twin(APPLIED).map(Slot),
            snapshot: Self::parse_snapshot(&words[SNAPSHOT..SNAPSHOT + LINE_WORDS]),
            request: twin(REQUEST).map(Slot),
            configuration: Self::parse_configuration(&words[CONFIGURATION..]),
        }
    }

    fn parse_snapshot(line: &[u64]) -> Option<SnapshotOffer> {
        let whole = line[7] == checksum::of_words(&line[..7], MAGIC);
        whole.then_some(SnapshotOffer { upto: Slot(line[0]), bytes: line[2], hash: line[3] })
    }

    fn parse_configuration(lines: &[u64]) -> Option<Configuration> {
        let check = 2 * LINE_WORDS - 1;
        (lines[check] == checksum::of_words(&lines[..check], MAGIC)).then(|| Configuration::decode(lines)).flatten()
    }
}

/// The owner's pen for its own status page.
pub(crate) struct StatusPage<'a>(pub(crate) &'a [AtomicU64]);

impl StatusPage<'_> {
    fn twin(&self, at: usize, value: u64) {
        self.0[at + 1].store(!value, Ordering::Relaxed);
        // Release: whoever sees the number also sees what happened before it was published (partner: the peers' pulls).
        self.0[at].store(value, Ordering::Release);
    }

    pub(crate) fn beat(&self, counter: u64, leading: Ballot) {
        self.0[HEARTBEAT + 2].store(leading.0, Ordering::Relaxed);
        self.twin(HEARTBEAT, counter);
    }

    pub(crate) fn applied(&self, slot: Slot) {
        self.twin(APPLIED, slot.0);
    }

    pub(crate) fn request(&self, slot: Slot) {
        self.twin(REQUEST, slot.0);
    }

    pub(crate) fn snapshot(&self, offer: SnapshotOffer) {
        let mut line = [offer.upto.0, 0, offer.bytes, offer.hash, 0, 0, 0, 0];
        line[7] = checksum::of_words(&line[..7], MAGIC);
        copy_in(&line, &self.0[SNAPSHOT..]);
    }

    pub(crate) fn configuration(&self, configuration: &Configuration) {
        let mut lines = [0; 2 * LINE_WORDS];
        lines[..Configuration::WORDS].copy_from_slice(&configuration.encode());
        lines[2 * LINE_WORDS - 1] = checksum::of_words(&lines[..2 * LINE_WORDS - 1], MAGIC);
        copy_in(&lines, &self.0[CONFIGURATION..]);
    }
}
