//! The memory of one acceptor, mapped with the rights of one replica.

use crate::directory::{Directory, area_file};
use crate::error::{Context, MemoryError};
use paxon_fastpath::{Area, Domain, Identity, Incarnation, LINE_WORDS, ReplicaId, Span};
use paxon_region::{Access, Pinning, Region, RegionError};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst, fence};

/// The mapped areas of one acceptor, whose PROMISE the processors of this host exchange.
#[derive(Debug)]
pub struct Memory {
    promise: Region,
    status: Region,
    /// Indexed by proposer.
    lanes: Vec<Region>,
    snapshot: Region,
    /// Invariant: all areas belong to this life of the acceptor's memory.
    incarnation: Incarnation,
}

impl Memory {
    /// Maps the memory of `owner` as `viewer` may see it.
    ///
    /// A life that ended never comes back under its name, so if the identity is the same before and after, all areas
    /// between belong to one life.
    ///
    /// # Errors
    /// [`MemoryError`]; of memory whose PROMISE belongs to another atomicity domain too.
    pub fn attach(directory: &Directory, owner: ReplicaId, viewer: ReplicaId) -> Result<Self, MemoryError> {
        let path = directory.acceptor(owner);
        let incarnation = incarnation(directory, owner)?;
        let map = |area: Area| {
            let (file, words) = (area_file(&path, area), directory.layout().words(area));
            map_area(&file, words, access(area, owner, viewer))
                .map_err(|source| MemoryError::Region { path: file, source })
        };
        let memory = Self {
            promise: map(Area::Promise)?,
            status: map(Area::Status)?,
            lanes: ReplicaId::all(directory.layout().replicas).map(Area::Lane).map(map).collect::<Result<_, _>>()?,
            snapshot: map(Area::Snapshot)?,
            incarnation,
        };
        match self::incarnation(directory, owner) {
            Ok(after) if after == incarnation => Ok(memory),
            _ => Err(MemoryError::Replaced { path }),
        }
    }

    /// The words of an area.
    #[inline]
    pub fn words(&self, area: Area) -> &[AtomicU64] {
        match area {
            Area::Promise => self.promise.words(),
            Area::Status => self.status.words(),
            Area::Lane(proposer) => self.lanes[proposer.index()].words(),
            Area::Snapshot => self.snapshot.words(),
        }
    }

    /// The words of a span.
    ///
    /// # Panics
    /// If it leaves its area.
    #[inline]
    pub fn span(&self, span: Span) -> &[AtomicU64] {
        &self.words(span.area)[span.start..][..span.words]
    }

    /// Exchanges `expected` for `new` in PROMISE and returns what was found, as a full fence.
    ///
    /// The fence pairs with that of every other proposer's exchange on the same word: of a leader that stores a record and
    /// checks PROMISE, and a candidate that raises PROMISE and reads the records, at least one sees the other.
    ///
    /// This is the only compare-and-exchange in the workspace that reaches a PROMISE word from a processor, and a memory whose
    /// identity names another [`Domain`] is never mapped: one word, one atomicity domain.
    #[inline]
    pub fn exchange(&self, expected: u64, new: u64) -> u64 {
        let promise = &self.promise.words()[0];
        // On x86-64 `lock cmpxchg` is a full fence whether it succeeds or not. Elsewhere SeqCst orders it only with other
        // SeqCst operations, and a failed one may be a mere load.
        if cfg!(not(target_arch = "x86_64")) {
            fence(SeqCst);
        }
        let found = promise.compare_exchange(expected, new, SeqCst, SeqCst).unwrap_or_else(|found| found);
        if cfg!(not(target_arch = "x86_64")) {
            fence(SeqCst);
        }
        found
    }

    /// Which life of the memory this is.
    pub const fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Whether every page is locked in memory.
    pub fn is_pinned(&self) -> bool {
        let rest = [&self.promise, &self.status, &self.snapshot];
        rest.into_iter().chain(&self.lanes).all(|region| region.pinning() == Pinning::Locked)
    }
}

/// Which life of `owner`'s memory is published, if it is what `directory` says it must be and processors exchange its PROMISE.
///
/// # Errors
/// [`MemoryError`].
pub fn incarnation(directory: &Directory, owner: ReplicaId) -> Result<Incarnation, MemoryError> {
    incarnation_in(Domain::Processor, directory, owner)
}

/// The same for memory whose PROMISE `domain` exchanges.
pub(crate) fn incarnation_in(
    domain: Domain,
    directory: &Directory,
    owner: ReplicaId,
) -> Result<Incarnation, MemoryError> {
    let path = area_file(&directory.acceptor(owner), Area::Status);
    let mut bytes = [0; LINE_WORDS * 8];
    let file = File::open(&path).context::<MemoryError>("open", &path)?;
    file.read_exact_at(&mut bytes, 0).context::<MemoryError>("read", &path)?;
    let mut line = [0; LINE_WORDS];
    for (word, bytes) in line.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    let expected = directory.identity(owner, domain);
    let identity = Identity::decode(&line).and_then(|identity| identity.expect(&expected).map(|()| identity));
    identity.map(|identity| identity.incarnation).map_err(|source| MemoryError::Identity { path, source })
}

/// Who may write what: the table that the mappings enforce.
fn access(area: Area, owner: ReplicaId, viewer: ReplicaId) -> Access {
    let writes = match area {
        Area::Promise => true,
        Area::Status | Area::Snapshot => viewer == owner,
        Area::Lane(proposer) => viewer == proposer,
    };
    if writes { Access::ReadWrite } else { Access::ReadOnly }
}

fn map_area(file: &Path, words: usize, access: Access) -> Result<Region, RegionError> {
    match access {
        Access::ReadWrite => Region::open(file, words),
        // SAFETY: words mapped for reading leave this crate only through `Fabric::local`, whose contract limits the caller to
        // stores into its own status, lane and snapshot, all mapped for writing (`access`), and the fabric itself stores to
        // its own lane and exchanges PROMISE, also mapped for writing. Loads of a word are relaxed everywhere in the engine.
        // A caller that breaks the contract meets SIGSEGV, which is what the protection is for.
        Access::ReadOnly => unsafe { Region::open_read_only(file, words) },
    }
}
