//! Memory that holds nonsense, also nonsense with valid checksums: nothing panics, and nobody is made to decide anything twice.

mod support;

use paxon_fastpath::{Area, Ballot, Epoch, Flags, Head, Header, RecordSecret, ReplicaId, Sealing, Seq, Slot};
use proptest::prelude::*;
use std::sync::atomic::Ordering::SeqCst;
use support::Cluster;

/// Where a word of noise goes.
#[derive(Clone, Copy, Debug)]
struct Noise {
    acceptor: usize,
    area: usize,
    word: usize,
    value: u64,
}

fn noise() -> impl Strategy<Value = Noise> {
    let value = prop_oneof![any::<u64>(), 0..200u64, (0..64u32).prop_map(|bit| 1 << bit), Just(u64::MAX)];
    (0..3usize, 0..6usize, 0..700usize, value).prop_map(|(acceptor, area, word, value)| Noise {
        acceptor,
        area,
        word,
        value,
    })
}

fn area(index: usize) -> Area {
    match index {
        0 => Area::Promise,
        1 => Area::Status,
        2 => Area::Snapshot,
        lane => Area::Lane(ReplicaId(lane as u8 - 3)),
    }
}

fn scatter(cluster: &Cluster, words: &[Noise]) {
    for noise in words {
        let words = &cluster.fabrics[0].memories[noise.acceptor][&area(noise.area)];
        words[noise.word % words.len()].store(noise.value, SeqCst);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn noise_in_the_memory_of_running_and_of_starting_replicas_panics_nobody(
        before in prop::collection::vec(noise(), 0..60),
        during in prop::collection::vec(noise(), 0..60),
        restarted in 0..3usize,
        has_secret in any::<bool>(),
    ) {
        let sealing = if has_secret { Sealing::Mac(RecordSecret::new([3; 32])) } else { Sealing::Checksum };
        let mut cluster = Cluster::with(3, |config| config.sealing = sealing);
        scatter(&cluster, &before);
        for at in 0..3 {
            cluster.restart(at);
        }
        cluster.run(3_000);
        scatter(&cluster, &during);
        cluster.run(1_000);
        cluster.restart(restarted);
        cluster.run(3_000);
    }

    #[test]
    fn whole_heads_and_records_with_impossible_numbers_panic_nobody(
        numbers in prop::collection::vec(prop_oneof![any::<u64>(), 0..300u64, Just(u64::MAX), Just(1 << 52 | 1)], 12),
        lane in 0..3u8,
        cell in 0..64usize,
        has_secret in any::<bool>(),
    ) {
        let sealing = if has_secret { Sealing::Mac(RecordSecret::new([3; 32])) } else { Sealing::Checksum };
        let mut cluster = Cluster::with(3, |config| config.sealing = sealing);
        let seal = sealing.lane(cluster.config.cluster, ReplicaId(lane));
        let head = Head {
            ballot: Ballot(numbers[0]),
            commit: Slot(numbers[1]),
            live: Seq(numbers[2]),
            covered: Slot(numbers[3]),
            closed_by: Ballot(numbers[4]),
            closed_at: Slot(numbers[5]),
            scattered: numbers[6] % 2 == 1,
        };
        let header = Header {
            seq: Seq(numbers[7]),
            slot: Slot(numbers[8]),
            ballot: Ballot::new(Epoch::FIRST, numbers[9] % 100, ReplicaId(lane)),
            commit_lag: numbers[9] as u16,
            commands: 1,
            flags: Flags(numbers[10] as u8),
            payload_bytes: numbers[11] as u32 & 0xff_ffff,
            session_or_arena: numbers[10],
            sequence: 0,
            payload_hash: numbers[6].into(),
        };
        for memory in &cluster.fabrics[0].memories {
            let words = &memory[&Area::Lane(ReplicaId(lane))];
            let at = cluster.config.layout.cell(Seq(cell as u64));
            words[..8].iter().zip(seal.close_head(&head)).for_each(|(word, value)| word.store(value, SeqCst));
            // A payload that a cell cannot hold is not one: what stands there is sealed.
            let payload = [0; 8];
            let words_behind = header.payload_words().min(payload.len());
            seal.close(&header, &payload[..words_behind], words, at);
        }
        for at in 0..3 {
            cluster.restart(at);
        }
        cluster.run(4_000);
    }
}
