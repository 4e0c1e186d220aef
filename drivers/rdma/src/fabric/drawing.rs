//! Numbers that cannot be counted on from a peer's own: queue pairs and keys drawn from shuffled pools.
//!
//! Devices number queue pairs and memory regions in a row, with few random bits or none, so that a peer could guess what the
//! next one was given from what it was given itself (ReDMArk, USENIX Security 2021). Here several are made at a time, in random
//! order, and a random one is used. That makes guessing slower by the size of the pool, not impossible: what keeps a stranger
//! out is a fabric that it cannot send to.

use crate::completion::CompletionQueue;
use crate::create_error::CreateError;
use crate::fabric::ground::SetupError;
use crate::memory_region::{MemoryRegion, PeerAccess};
use crate::protection_domain::ProtectionDomain;
use crate::queue_pair::{CHAIN_REQUESTS_MAX, QueuePair, QueuePairOptions};
use crate::source::Source;
use paxon_region::Region;
use std::io;
use std::sync::Arc;

/// Queue pairs, at most, that one is drawn from, and regions that are made and not used beside those that are.
const POOL: u64 = 8;
/// Words of a region that is not used: a page.
const DECOY_WORDS: usize = 512;

/// Makes a queue pair in a place of the device's row that is not told.
///
/// The others of the pool are gone on return, but not before this one is there.
pub(crate) fn queue_pair(
    domain: &Arc<ProtectionDomain>,
    completions: &Arc<CompletionQueue>,
    source: &Source,
    options: QueuePairOptions,
) -> Result<QueuePair, SetupError> {
    let (before, depth) = (below(POOL)?, CHAIN_REQUESTS_MAX as u32);
    let unused = CompletionQueue::create(domain.device(), POOL as u32 * depth)?;
    let small = QueuePairOptions { send_depth: depth, inline_bytes: 0, ..options };
    let decoys = (0..before).map(|_| QueuePair::create(domain, &unused, source, small));
    let _decoys = decoys.collect::<Result<Vec<_>, CreateError>>()?;
    Ok(QueuePair::create(domain, completions, source, options)?)
}

/// Registers regions in random order, with unused ones between them. The result is in the order of `wanted`.
pub(crate) fn regions(
    domain: &Arc<ProtectionDomain>,
    wanted: Vec<(Arc<Region>, PeerAccess)>,
) -> Result<Vec<MemoryRegion>, SetupError> {
    let unused = Arc::new(Region::anonymous(DECOY_WORDS)?);
    let count = wanted.len();
    let decoys = (0..below(POOL)?).map(|_| (usize::MAX, unused.clone(), PeerAccess::NONE));
    let wanted = wanted.into_iter().enumerate().map(|(place, (region, access))| (place, region, access));
    let mut pool: Vec<_> = wanted.chain(decoys).collect();
    shuffle(&mut pool)?;
    let registered = pool
        .into_iter()
        .map(|(place, region, access)| MemoryRegion::register(domain, region, access).map(|region| (place, region)));
    let mut registered = registered.collect::<Result<Vec<_>, _>>()?;
    registered.sort_by_key(|(place, _)| *place);
    Ok(registered.into_iter().take(count).map(|(_, region)| region).collect())
}

/// Fisher and Yates.
fn shuffle<T>(items: &mut [T]) -> io::Result<()> {
    for end in (1..items.len()).rev() {
        items.swap(end, below(end as u64 + 1)? as usize);
    }
    Ok(())
}

/// A random number below `n`, from the system's source for keys. `n` is small against 2^64, so that nothing is likelier.
fn below(n: u64) -> io::Result<u64> {
    super::random_number().map(|number| number % n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_comes_up() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..2_000 {
            let mut items = [0, 1, 2];
            shuffle(&mut items).expect("random numbers");
            seen.insert(items);
        }
        assert_eq!(seen.len(), 6, "{seen:?}");
    }

    #[cfg(feature = "device-tests")]
    #[test]
    fn numbers_and_keys_of_one_peer_do_not_tell_those_of_the_next() {
        let device = crate::Device::open(&crate::Device::names().expect("libibverbs")[0]).expect("a device");
        let source = Source::find(&device, None).expect("an address");
        let memory = Arc::new(Region::anonymous(DECOY_WORDS).expect("memory"));
        let (mut numbers, mut keys) = (vec![], vec![]);
        for _ in 0..16 {
            let domain = ProtectionDomain::create(&device).expect("a domain");
            let completions = CompletionQueue::create(&device, 16).expect("a completion queue");
            let options = QueuePairOptions { send_depth: 16, ..QueuePairOptions::default() };
            let pair = queue_pair(&domain, &completions, &source, options).expect("a queue pair");
            let access = PeerAccess { read: true, ..PeerAccess::NONE };
            let wanted = vec![(memory.clone(), access); 5];
            let regions = regions(&domain, wanted).expect("regions");
            assert_eq!(regions.len(), 5);
            numbers.push(i64::from(pair.number()));
            keys.push(i64::from(regions[0].claim().key >> 8));
        }
        for (what, row) in [("queue pairs", numbers), ("keys", keys)] {
            let steps: std::collections::BTreeSet<i64> = row.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(steps.len() >= 4, "{what}: {row:?}");
        }
    }
}
