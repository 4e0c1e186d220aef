//! How a replica comes by its memory, after every kind of crash, loss and mistake.

mod cluster;

use cluster::{Cluster, wait_for, wait_for_links};
use paxon_conformance::Setup;
use paxon_fastpath::{
    Area, Ballot, Domain, Epoch, Fabric, FabricEvent, Identity, IdentityError, Layout, Op, PostError, Promise,
    ReplicaId, Token,
};
use paxon_shm::{Birth, Directory, DirectoryError, MemoryError, OpenError, ShmFabric};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

const A: ReplicaId = ReplicaId(0);
const B: ReplicaId = ReplicaId(1);
const FRESH: Promise = Promise::fresh(Epoch::FIRST);
const AREAS: [&str; 6] = ["promise", "status", "lane-0", "lane-1", "lane-2", "snapshot"];

fn promise(fabric: &ShmFabric) -> Promise {
    Promise(fabric.local(Area::Promise)[0].load(Relaxed))
}

fn identity(fabric: &ShmFabric) -> Identity {
    let line: Vec<u64> = fabric.local(Area::Status)[..8].iter().map(|word| word.load(Relaxed)).collect();
    Identity::decode(&line.try_into().expect("a line")).expect("an identity")
}

/// A cluster whose replica 0 has lived once, promised `ballot` and written to its lane and its snapshot.
fn after_a_life(ballot: Ballot) -> Cluster {
    let cluster = Cluster::small();
    let mut fabric = cluster.open(A);
    assert_eq!((fabric.birth(), promise(&fabric)), (Birth::First, FRESH));
    fabric.post(A, Token(1), &[Op::Cas { expected: FRESH.0, new: ballot.0 }]).expect("own memory is always linked");
    for area in [Area::Lane(A), Area::Snapshot] {
        fabric.local(area)[100].store(ballot.0, Relaxed);
    }
    drop(fabric);
    cluster
}

fn ballot() -> Ballot {
    Ballot::new(Epoch::FIRST, 42, B)
}

/// Whether `cluster`'s replica 0 still has the promises and journals of [`after_a_life`].
fn remembers(fabric: &ShmFabric) -> bool {
    let kept = |area| fabric.local(area)[100].load(Relaxed) == ballot().0;
    promise(fabric) == Promise(ballot().0) && kept(Area::Lane(A)) && kept(Area::Snapshot)
}

/// Starts replica 0, which must find its memory lost and vote for nobody.
fn must_recover(cluster: &Cluster) -> ShmFabric {
    let fabric = cluster.open(A);
    assert_eq!((fabric.birth(), promise(&fabric)), (Birth::MemoryLost, Promise::recovering()));
    assert_eq!(fabric.local(Area::Lane(A))[100].load(Relaxed), 0, "a new journal is empty");
    fabric
}

/// Every file under `path` with its bytes.
fn contents(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(path)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .flat_map(
            |path| if path.is_dir() { contents(&path) } else { vec![(path.clone(), fs::read(&path).expect("a file"))] },
        )
        .collect();
    files.sort();
    files
}

#[test]
fn a_restart_keeps_promises_journals_and_incarnation() {
    let cluster = after_a_life(ballot());
    let lives: Vec<_> = (0..3)
        .map(|_| {
            let fabric = cluster.open(A);
            assert_eq!(fabric.birth(), Birth::Reattached);
            assert!(remembers(&fabric));
            identity(&fabric).incarnation
        })
        .collect();
    assert!(lives.iter().all(|&life| life == lives[0] && life.0 != 0), "{lives:?}");
}

#[test]
fn a_crash_between_publishing_and_marking_loses_nothing() {
    let cluster = after_a_life(ballot());
    fs::remove_file(cluster.file("born-0")).expect("it was marked");
    let fabric = cluster.open(A);
    assert!(remembers(&fabric) && fabric.birth() == Birth::Reattached);
    assert!(cluster.file("born-0").exists(), "the mark was not made up for");
}

#[test]
fn a_crash_while_memory_is_made_for_the_first_time_is_not_a_loss() {
    let cluster = Cluster::small();
    fs::create_dir(cluster.file("replica-0.new")).expect("made");
    fs::write(cluster.file("replica-0.new/promise"), b"half").expect("written");
    let fabric = cluster.open(A);
    assert_eq!((fabric.birth(), promise(&fabric)), (Birth::First, FRESH));
    assert!(!cluster.file("replica-0.new").exists());
}

#[test]
fn a_crash_while_lost_memory_is_set_aside_is_still_a_loss() {
    let cluster = after_a_life(ballot());
    fs::rename(cluster.file("replica-0"), cluster.file("replica-0.lost")).expect("moved");
    fs::create_dir(cluster.file("replica-0.new")).expect("made");
    must_recover(&cluster);
}

#[test]
fn memory_that_is_gone_is_a_loss_each_time() {
    let cluster = after_a_life(ballot());
    let mut lives = vec![];
    for _ in 0..3 {
        fs::remove_dir_all(cluster.file("replica-0")).expect("it was there");
        lives.push(identity(&must_recover(&cluster)).incarnation);
    }
    assert!(lives[0] != lives[1] && lives[1] != lives[2], "{lives:?}");
}

#[test]
fn recovering_memory_stays_recovering_over_a_restart() {
    let cluster = after_a_life(ballot());
    cluster.damage(A);
    let life = identity(&must_recover(&cluster)).incarnation;
    let fabric = cluster.open(A);
    assert_eq!((fabric.birth(), promise(&fabric)), (Birth::Reattached, Promise::recovering()));
    assert_eq!(identity(&fabric).incarnation, life);
}

#[test]
fn an_area_that_is_missing_or_cut_short_is_a_loss_with_and_without_the_mark() {
    for area in AREAS {
        for (marked, cut) in [(true, true), (true, false), (false, true), (false, false)] {
            let cluster = after_a_life(ballot());
            let file = cluster.file(&format!("replica-0/{area}"));
            if cut {
                let whole = fs::metadata(&file).expect("it is there").len();
                fs::File::options().write(true).open(&file).and_then(|file| file.set_len(whole - 8)).expect("cut");
            } else {
                fs::remove_file(&file).expect("removed");
            }
            if !marked {
                fs::remove_file(cluster.file("born-0")).expect("it was marked");
            }
            must_recover(&cluster);
            assert!(cluster.file("replica-0.lost").exists(), "{area}: what was found was not kept");
        }
    }
}

#[test]
fn a_damaged_or_foreign_identity_is_a_loss() {
    for (at, byte) in [(0, 0xFF), (8, 0xFF), (48, 0xFF), (63, 0xFF)] {
        let cluster = after_a_life(ballot());
        let status = cluster.file("replica-0/status");
        let mut bytes = fs::read(&status).expect("it is there");
        bytes[at] ^= byte;
        fs::write(&status, bytes).expect("written");
        must_recover(&cluster);
    }
    let cluster = after_a_life(ballot());
    fs::write(cluster.file("replica-0/status"), vec![0; 4096]).expect("written");
    must_recover(&cluster);
}

/// Opens replica 0 under another configuration: refused with the reason, and not a byte changed.
fn must_refuse(cluster: &Cluster, setup: &Setup) -> IdentityError {
    let before = contents(cluster.directory.path());
    let other = Directory::open(cluster.directory.path(), setup.cluster, setup.layout).expect("the same directory");
    let refused = ShmFabric::open(&other, A, 64).expect_err("it is not that cluster's memory");
    assert_eq!(contents(cluster.directory.path()), before, "what was refused was changed");
    assert!(remembers(&cluster.open(A)), "what was refused was lost");
    match refused {
        OpenError::Memory(MemoryError::Identity { source, .. }) => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn memory_of_another_cluster_is_refused_and_left_alone() {
    let cluster = after_a_life(ballot());
    let source = must_refuse(&cluster, &Setup { cluster: 7, ..Setup::SMALL });
    assert!(
        matches!(source, IdentityError::Owner { found_cluster, cluster: 7, .. } if found_cluster == Setup::SMALL.cluster)
    );
}

#[test]
fn memory_of_another_layout_is_refused_and_left_alone() {
    let cluster = after_a_life(ballot());
    let small = Setup::SMALL.layout;
    let layouts = [
        Layout { cells: 128, ..small },
        Layout { cells: 32, ..small },
        Layout { arena_words: 512, ..small },
        Layout { snapshot_words: 1024, ..small },
        Layout { replicas: 5, ..small },
    ];
    for layout in layouts {
        let source = must_refuse(&cluster, &Setup { layout, ..Setup::SMALL });
        assert!(matches!(source, IdentityError::Layout { found, expected } if found == small && expected == layout));
    }
}

#[test]
fn memory_whose_promise_an_adapter_exchanges_is_never_mapped_for_processors() {
    let cluster = after_a_life(ballot());
    let status = cluster.file("replica-0/status");
    let mut bytes = fs::read(&status).expect("it is there");
    let line: Vec<u64> = bytes[..64].as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let identity = Identity::decode(&line.try_into().expect("a line")).expect("an identity");
    let adapters = Identity { domain: Domain::Adapter, ..identity };
    for (bytes, word) in bytes.chunks_mut(8).zip(adapters.encode()) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    fs::write(&status, bytes).expect("written");
    let refused = cluster.try_open(A).expect_err("two domains would share the word");
    let OpenError::Memory(MemoryError::Identity { source, .. }) = &refused else { panic!("{refused:?}") };
    assert_eq!(*source, IdentityError::Domain { found: Domain::Adapter as u8, expected: Domain::Processor });
    let mut peer = cluster.open(B);
    assert_eq!(peer.post(A, Token(1), &[]), Err(PostError::Down));
    assert!(peer.problem(A).expect("a reason").contains("two domains"));
}

#[test]
fn memory_of_another_replica_is_refused() {
    let cluster = after_a_life(ballot());
    fs::rename(cluster.file("replica-0"), cluster.file("replica-1")).expect("moved");
    let refused = cluster.try_open(B).expect_err("it is replica 0's");
    let OpenError::Memory(MemoryError::Identity { source, .. }) = &refused else { panic!("{refused:?}") };
    assert!(matches!(source, IdentityError::Owner { found_owner: 0, owner: 1, .. }), "{refused:?}");
}

#[test]
fn a_replica_outside_the_cluster_is_refused() {
    let refused = Cluster::small().try_open(ReplicaId(3)).expect_err("there are three");
    assert!(matches!(refused, OpenError::UnknownReplica { replica: 3, replicas: 3 }), "{refused:?}");
}

#[test]
fn a_directory_that_is_not_memory_is_refused() {
    let refused = Directory::open("/proc/self", 1, Setup::SMALL.layout).expect_err("proc is not tmpfs");
    assert!(matches!(refused, DirectoryError::NotMemory { .. }), "{refused:?}");
}

#[test]
fn memory_that_does_not_fit_is_refused_and_leaves_no_remains() {
    let layout = Layout { snapshot_words: 1 << 61, ..Setup::SMALL.layout };
    let cluster = Cluster::of(&Setup { layout, ..Setup::SMALL });
    let refused = cluster.try_open(A).expect_err("no machine has it");
    assert!(matches!(refused, OpenError::Memory(MemoryError::Region { .. })), "{refused:?}");
    assert!(!cluster.file("replica-0.new").exists() && !cluster.file("born-0").exists());
}

#[test]
fn a_cluster_is_removed_when_nobody_lives_and_not_before() {
    let cluster = Cluster::small();
    let (a, b) = (cluster.open(A), cluster.open(B));
    drop(a);
    let refused = cluster.directory.clone().remove().expect_err("replica 1 lives");
    assert!(matches!(refused, DirectoryError::Held { replica: 1, pid: Some(pid) } if pid == std::process::id() as i32));
    assert!(cluster.file("replica-0/promise").exists(), "a refused removal removed");
    drop(b);
    cluster.directory.clone().remove().expect("nobody lives");
    assert!(!cluster.directory.path().exists());
}

#[test]
fn a_peer_laid_out_differently_is_not_linked_and_the_reason_can_be_asked_for() {
    let cluster = Cluster::small();
    let other = Layout { cells: 128, ..Setup::SMALL.layout };
    let directory = Directory::open(cluster.directory.path(), Setup::SMALL.cluster, other).expect("the same directory");
    drop(ShmFabric::open(&directory, B, 64).expect("alone it can live"));
    let mut fabric = cluster.open(A);
    let linked = wait_for(&mut fabric, |event| match event {
        FabricEvent::LinkUp { peer, .. } => Some(peer),
        _ => None,
    });
    assert_eq!((linked, fabric.poll()), (A, None));
    let problem = fabric.problem(B).expect("it was looked at");
    assert!(problem.contains("laid out") && problem.contains("replica-1"), "{problem}");
    assert_eq!(fabric.problem(A), None);
}

/// The mappings enforce who may write what.
#[test]
fn every_area_is_mapped_with_the_rights_of_its_viewer() {
    let cluster = Cluster::small();
    for peer in [B, ReplicaId(2)] {
        drop(cluster.open(peer));
    }
    let mut fabric = cluster.open(A);
    wait_for_links(&mut fabric, 3);
    let maps = fs::read_to_string("/proc/self/maps").expect("Linux");
    let rights = |owner: usize, area: &str| {
        let file = cluster.file(&format!("replica-{owner}/{area}"));
        let line = maps.lines().find(|line| line.ends_with(file.to_str().expect("ASCII"))).expect("it is mapped");
        line.split(' ').nth(1).expect("rights").to_owned()
    };
    for owner in 0..3 {
        for area in AREAS {
            let writes = ["promise", "lane-0"].contains(&area) || owner == 0 && ["status", "snapshot"].contains(&area);
            assert_eq!(rights(owner, area), if writes { "rw-s" } else { "r--s" }, "{area} of replica {owner}");
        }
    }
}
