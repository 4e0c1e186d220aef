//! Files that anything may have happened to never bring a replica down.

mod cluster;

use cluster::Cluster;
use paxon_fastpath::{Area, Fabric, FabricEvent, Op, ReplicaId, Span, Token};
use paxon_shm::ShmFabric;
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use std::fs;
use std::path::Path;

/// What happens to a file while nobody has it mapped.
#[derive(Clone, Debug)]
enum Accident {
    Overwritten { at: usize, bytes: Vec<u8> },
    Truncated { bytes: u64 },
    Removed,
    ReplacedByDirectory,
}

fn accident() -> impl Strategy<Value = Accident> {
    prop_oneof![
        4 => (0_usize..4096, vec(any::<u8>(), 1..200)).prop_map(|(at, bytes)| Accident::Overwritten { at, bytes }),
        2 => (0_u64..9000).prop_map(|bytes| Accident::Truncated { bytes }),
        1 => Just(Accident::Removed),
        1 => Just(Accident::ReplacedByDirectory),
    ]
}

fn file() -> impl Strategy<Value = String> {
    let area = prop_oneof![Just("promise"), Just("status"), Just("lane-0"), Just("lane-2"), Just("snapshot")];
    prop_oneof![
        6 => (0_u8..3, area).prop_map(|(owner, area)| format!("replica-{owner}/{area}")),
        1 => (0_u8..3).prop_map(|owner| format!("replica-{owner}.lock")),
        1 => (0_u8..3).prop_map(|owner| format!("born-{owner}")),
    ]
}

fn suffer(file: &Path, accident: &Accident) {
    // An accident to a file that an earlier one removed does nothing.
    let _ = match accident {
        Accident::Overwritten { at, bytes } => fs::read(file).and_then(|mut content| {
            content.resize(content.len().max(at + bytes.len()), 0);
            content[*at..][..bytes.len()].copy_from_slice(bytes);
            fs::write(file, content)
        }),
        Accident::Truncated { bytes } => {
            fs::File::options().write(true).open(file).and_then(|file| file.set_len(*bytes))
        }
        Accident::Removed => fs::remove_file(file),
        Accident::ReplacedByDirectory => fs::remove_file(file).and_then(|()| fs::create_dir(file)),
    };
}

/// Uses every link that came up.
fn exercise(fabric: &mut ShmFabric) {
    while let Some(event) = fabric.poll() {
        if let FabricEvent::LinkUp { peer, .. } = event {
            let span = Span { area: Area::Status, start: 0, words: 64 };
            let chain = [Op::Cas { expected: 1, new: 1 }, Op::Read { span, into: 0 }];
            fabric.post(peer, Token(0), &chain).expect("the link is up");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn accidents_to_files_end_in_an_error_or_in_a_replica_that_runs(accidents in vec((file(), accident()), 1..4)) {
        let cluster = Cluster::small();
        ReplicaId::all(3).for_each(|replica| drop(cluster.open(replica)));
        for (file, accident) in &accidents {
            suffer(&cluster.file(file), accident);
        }
        let mut running: Vec<_> = ReplicaId::all(3).filter_map(|replica| cluster.try_open(replica).ok()).collect();
        running.iter_mut().for_each(exercise);
    }
}
