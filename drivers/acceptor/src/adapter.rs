//! A replica's own acceptor whose PROMISE a network adapter exchanges.

use crate::birth::{Birth, claim};
use crate::directory::{Directory, area_file};
use crate::error::{MemoryError, OpenError};
use crate::lock::ReplicaLock;
use crate::memory::incarnation_in;
use crate::own::take_lock;
use paxon_fastpath::{Area, Domain, Incarnation, Layout, ReplicaId, SealMark};
use paxon_region::Region;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// The memory of the replica that this process is, to be registered with one network adapter, from claim to drop.
///
/// Processors never exchange a word of it: it offers no such operation, and memory of this [`Domain`] is mapped by nothing else.
/// All areas are mapped for writing, because the adapter writes the lanes of the peers on their behalf; which peer may write
/// what, the registrations say.
#[derive(Debug)]
pub struct AdapterAcceptor {
    replica: ReplicaId,
    birth: Birth,
    seal: SealMark,
    memory: AdapterMemory,
    /// Last: another process may take the id over only when this one has unmapped everything.
    _lock: ReplicaLock,
}

/// The mapped areas.
#[derive(Debug)]
struct AdapterMemory {
    layout: Layout,
    /// In the order of [`Layout::areas`]. Invariant: all belong to this life of the memory.
    areas: Vec<Arc<Region>>,
    incarnation: Incarnation,
}

impl AdapterAcceptor {
    /// Takes the replica's lock, and maps its memory or creates it.
    ///
    /// # Errors
    /// [`OpenError::Held`] if the replica runs already; [`OpenError::Memory`] if its memory is of another cluster or layout,
    /// belongs to processors, or cannot be created; in all cases what is there is left as it is.
    pub fn claim(directory: &Directory, replica: ReplicaId) -> Result<Self, OpenError> {
        let lock = take_lock(directory, replica)?;
        let attach = || AdapterMemory::attach(directory, replica);
        let (memory, birth) = claim(directory, replica, Domain::Adapter, attach)?;
        Ok(Self { replica, birth, seal: directory.seal(), memory, _lock: lock })
    }

    /// Whose memory it is.
    pub const fn replica(&self) -> ReplicaId {
        self.replica
    }

    /// How the replica came by it.
    pub const fn birth(&self) -> Birth {
        self.birth
    }

    /// Which life of the memory this is.
    pub const fn incarnation(&self) -> Incarnation {
        self.memory.incarnation
    }

    /// How the records in it are sealed.
    pub const fn seal(&self) -> SealMark {
        self.seal
    }

    /// How it is laid out.
    pub const fn layout(&self) -> &Layout {
        &self.memory.layout
    }

    /// The memory of an area, to be registered. Whoever holds it keeps this acceptor too: the lock must outlive the mapping.
    #[inline]
    pub fn region(&self, area: Area) -> &Arc<Region> {
        &self.memory.areas[self.memory.index(area)]
    }

    /// The words of an area.
    #[inline]
    pub fn words(&self, area: Area) -> &[AtomicU64] {
        self.region(area).words()
    }
}

impl AdapterMemory {
    /// Maps the memory; the identity is looked at before and after, because a life that ended never comes back under its name.
    fn attach(directory: &Directory, owner: ReplicaId) -> Result<Self, MemoryError> {
        let path = directory.acceptor(owner);
        let (incarnation, layout) = (incarnation_in(Domain::Adapter, directory, owner)?, *directory.layout());
        let map = |area: Area| {
            let file = area_file(&path, area);
            Region::open(&file, layout.words(area))
                .map(Arc::new)
                .map_err(|source| MemoryError::Region { path: file, source })
        };
        let areas = layout.areas().map(map).collect::<Result<_, _>>()?;
        match incarnation_in(Domain::Adapter, directory, owner) {
            Ok(after) if after == incarnation => Ok(Self { layout, areas, incarnation }),
            _ => Err(MemoryError::Replaced { path }),
        }
    }

    #[inline]
    const fn index(&self, area: Area) -> usize {
        match area {
            Area::Promise => 0,
            Area::Status => 1,
            Area::Lane(proposer) => 2 + proposer.index(),
            Area::Snapshot => 2 + self.layout.replicas,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Acceptor;
    use paxon_fastpath::{Epoch, IdentityError, Promise};
    use std::sync::atomic::Ordering::Relaxed;

    const LAYOUT: Layout = Layout { replicas: 3, cells: 64, arena_words: 256, snapshot_words: 512 };
    const OWNER: ReplicaId = ReplicaId(1);

    fn directory(name: &str) -> Directory {
        let path = format!("/dev/shm/paxon-adapter-test-{name}-{}", std::process::id());
        Directory::open(path, 7, LAYOUT).expect("a directory on tmpfs")
    }

    #[test]
    fn memory_outlives_its_process_with_each_area_in_its_place() {
        let directory = directory("outlives");
        let first = AdapterAcceptor::claim(&directory, OWNER).expect("memory");
        assert_eq!(first.birth(), Birth::First);
        assert_eq!(first.words(Area::Promise)[0].load(Relaxed), Promise::fresh(Epoch::FIRST).0);
        for (number, area) in LAYOUT.areas().enumerate() {
            assert_eq!(first.words(area).len(), LAYOUT.words(area));
            first.words(area)[9].store(number as u64 + 1, Relaxed);
        }
        let incarnation = first.incarnation();
        assert!(matches!(AdapterAcceptor::claim(&directory, OWNER), Err(OpenError::Held { replica: 1, .. })));
        drop(first);
        let second = AdapterAcceptor::claim(&directory, OWNER).expect("the same memory");
        assert_eq!((second.birth(), second.incarnation()), (Birth::Reattached, incarnation));
        for (number, area) in LAYOUT.areas().enumerate() {
            assert_eq!(second.words(area)[9].load(Relaxed), number as u64 + 1);
        }
        drop(second);
        directory.remove().expect("removed");
    }

    #[test]
    fn one_word_has_one_domain_for_all_its_life() {
        let directory = directory("domain");
        drop(AdapterAcceptor::claim(&directory, OWNER).expect("memory of an adapter"));
        let error = Acceptor::claim(&directory, OWNER).expect_err("not memory of processors");
        let OpenError::Memory(MemoryError::Identity { source, .. }) = &error else { panic!("{error:?}") };
        assert!(matches!(source, IdentityError::Domain { found: 1, expected: Domain::Processor }));

        let other = ReplicaId(2);
        drop(Acceptor::claim(&directory, other).expect("memory of processors"));
        let error = AdapterAcceptor::claim(&directory, other).expect_err("not memory of an adapter");
        let OpenError::Memory(MemoryError::Identity { source, .. }) = &error else { panic!("{error:?}") };
        assert!(matches!(source, IdentityError::Domain { found: 0, expected: Domain::Adapter }));
        directory.remove().expect("removed");
    }

    #[test]
    fn memory_under_another_secret_is_refused_and_left_as_it_is() {
        let plain = directory("seal");
        let under = |number| plain.clone().sealed(SealMark(number));
        let first = AdapterAcceptor::claim(&under(0x8001), OWNER).expect("memory under a secret");
        let incarnation = first.incarnation();
        drop(first);
        for other in [under(0x8002), plain.clone()] {
            let error = AdapterAcceptor::claim(&other, OWNER).expect_err("memory under another secret");
            let OpenError::Memory(MemoryError::Identity { source, .. }) = &error else { panic!("{error:?}") };
            let expected = IdentityError::Seal { found: SealMark(0x8001), expected: other.seal() };
            assert_eq!(source, &expected, "{source}");
        }
        let again = AdapterAcceptor::claim(&under(0x8001), OWNER).expect("the same memory");
        assert_eq!((again.incarnation(), again.seal()), (incarnation, SealMark(0x8001)));
        drop(again);
        plain.remove().expect("removed");
    }

    #[test]
    fn nobody_is_the_replica_of_another_cluster_size() {
        let directory = directory("stranger");
        let error = AdapterAcceptor::claim(&directory, ReplicaId(3)).expect_err("three replicas: 0, 1, 2");
        assert!(matches!(error, OpenError::UnknownReplica { replica: 3, replicas: 3 }));
        directory.remove().expect("removed");
    }
}
