//! Replicas in processes of their own: one of each, and what the others see when one is killed.

mod cluster;

use cluster::{Cluster, wait_for, wait_for_links};
use paxon_conformance::Setup;
use paxon_fastpath::{Area, Ballot, Epoch, Fabric, FabricEvent, Op, Promise, ReplicaId, Span, Token};
use paxon_shm::{Birth, OpenError, ShmFabric};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

const A: ReplicaId = ReplicaId(0);
const B: ReplicaId = ReplicaId(1);
const FRESH: u64 = Promise::fresh(Epoch::FIRST).0;
const DIRECTORY: &str = "PAXON_SHM_TEST_DIRECTORY";
/// What the child says, among what the test harness says.
const SAYS: &str = "child says: ";
/// What the child leaves in the last words of its lane and its snapshot.
const MARK: u64 = 0x5EED;

/// Replica 1 in a process of its own: this program, told to run the one test that is its entry point.
struct Other {
    process: Child,
    /// Kept open: the test harness of the child has more to print.
    _output: BufReader<ChildStdout>,
    said: String,
}

impl Other {
    fn start(cluster: &Cluster) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("Linux"))
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(DIRECTORY, cluster.directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut output = BufReader::new(process.stdout.take().expect("piped"));
        let mut lines = output.by_ref().lines().map_while(Result::ok);
        let said = lines.find_map(|line| line.split_once(SAYS).map(|(_, said)| said.to_owned()));
        Self { process, _output: output, said: said.expect("the child says how it went") }
    }

    fn pid(&self) -> i32 {
        self.process.id() as i32
    }

    /// SIGKILL: no destructor runs.
    fn kill(&mut self) {
        self.process.kill().expect("it is our child");
        self.process.wait().expect("it has ended");
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
#[ignore = "the entry point of the child processes of this file's tests"]
fn child() {
    let Ok(path) = std::env::var(DIRECTORY) else { return };
    let cluster = std::mem::ManuallyDrop::new(Cluster::at(path.into(), &Setup::SMALL));
    let fabric = match cluster.try_open(B) {
        Ok(fabric) => fabric,
        Err(refused) => return println!("{SAYS}{refused}"),
    };
    for area in [Area::Lane(B), Area::Snapshot] {
        fabric.local(area).last().expect("not empty").store(MARK, Relaxed);
    }
    println!("{SAYS}{:?}", fabric.birth());
    // Until the parent is gone, or kills us first.
    let _ = std::io::stdin().read(&mut [0]);
}

fn run(fabric: &mut ShmFabric, to: ReplicaId, chain: &[Op]) -> u64 {
    fabric.post(to, Token(9), chain).expect("the link is up");
    wait_for(fabric, |event| match event {
        FabricEvent::Done(done) => Some(done.found),
        _ => None,
    })
}

fn wait_for_death(fabric: &mut ShmFabric, peer: ReplicaId) {
    wait_for(fabric, |event| (event == FabricEvent::ProcessDied { peer }).then_some(()));
}

#[test]
fn a_second_process_of_a_replica_is_refused_and_told_who_the_first_is() {
    let cluster = Cluster::small();
    let first = cluster.open(B);
    let second = Other::start(&cluster);
    let me = std::process::id();
    assert!(second.said.contains("runs already") && second.said.contains(&format!("process {me}:")), "{}", second.said);
    drop(first);
    let third = Other::start(&cluster);
    assert_eq!(third.said, format!("{:?}", Birth::Reattached));
    let refused = cluster.try_open(B).expect_err("the child lives");
    assert!(matches!(refused, OpenError::Held { replica: 1, pid: Some(pid) } if pid == third.pid()), "{refused:?}");
}

#[test]
fn two_fabrics_of_one_process_exclude_each_other_too() {
    let cluster = Cluster::small();
    let _first = cluster.open(A);
    let refused = cluster.try_open(A).expect_err("it runs already");
    assert!(matches!(refused, OpenError::Held { replica: 0, pid: Some(pid) } if pid == std::process::id() as i32));
}

#[test]
fn the_memory_of_a_killed_process_votes_on_and_its_death_is_told_within_a_second() {
    let cluster = Cluster::small();
    let mut survivor = cluster.open(A);
    let mut other = Other::start(&cluster);
    drop(cluster.open(ReplicaId(2)));
    wait_for_links(&mut survivor, 3);
    let ballot = Ballot::new(Epoch::FIRST, 1, A).0;
    assert_eq!(run(&mut survivor, B, &[Op::Cas { expected: FRESH, new: ballot }]), FRESH);

    let killed = Instant::now();
    other.kill();
    wait_for_death(&mut survivor, B);
    assert!(killed.elapsed() < Duration::from_secs(1), "told after {:?}", killed.elapsed());

    let cell = Span { area: Area::Lane(A), start: 512, words: 16 };
    survivor.local(cell.area)[cell.start].store(77, Relaxed);
    assert_eq!(run(&mut survivor, B, &[Op::Write(cell), Op::Cas { expected: ballot, new: ballot }]), ballot);
    let higher = Ballot::new(Epoch::FIRST, 2, A).0;
    assert_eq!(run(&mut survivor, B, &[Op::Cas { expected: ballot, new: higher }]), ballot);

    let heir = cluster.open(B);
    assert_eq!(heir.birth(), Birth::Reattached);
    assert_eq!(heir.local(Area::Promise)[0].load(Relaxed), higher, "a promise made after the death was lost");
    assert_eq!(heir.local(cell.area)[cell.start].load(Relaxed), 77, "a record written after the death was lost");
    for area in [Area::Lane(B), Area::Snapshot] {
        assert_eq!(heir.local(area).last().map(|word| word.load(Relaxed)), Some(MARK), "{area:?}");
    }
}

#[test]
fn a_process_that_starts_later_is_linked_when_it_does_and_watched_again_after_a_restart() {
    let cluster = Cluster::small();
    let mut fabric = cluster.open(A);
    for birth in [Birth::First, Birth::Reattached, Birth::Reattached] {
        let mut other = Other::start(&cluster);
        assert_eq!(other.said, format!("{birth:?}"));
        if birth == Birth::First {
            wait_for(&mut fabric, |event| matches!(event, FabricEvent::LinkUp { peer: B, .. }).then_some(()));
        }
        // A process that is born and killed between two looks of the watcher is never missed.
        cluster::wait_until_watched(other.pid());
        other.kill();
        wait_for_death(&mut fabric, B);
    }
}

#[test]
fn a_replica_that_leaves_in_order_is_told_like_one_that_dies() {
    let cluster = Cluster::small();
    let mut fabric = cluster.open(A);
    let other = cluster.open(B);
    wait_for(&mut fabric, |event| matches!(event, FabricEvent::LinkUp { peer: B, .. }).then_some(()));
    drop(other);
    wait_for_death(&mut fabric, B);
}

#[test]
fn a_dropped_fabric_leaves_no_thread_no_mapping_and_no_descriptor() {
    let cluster = Cluster::small();
    for replica in ReplicaId::all(3) {
        drop(cluster.open(replica));
    }
    let mut fabric = cluster.open(A);
    wait_for_links(&mut fabric, 3);
    let path = cluster.directory.path().to_str().expect("ASCII").to_owned();
    let traces = || {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux");
        let fds = std::fs::read_dir("/proc/self/fd").expect("Linux").flatten();
        let open =
            fds.filter_map(|fd| std::fs::read_link(fd.path()).ok()).filter(|file| file.starts_with(&path)).count();
        (maps.lines().filter(|line| line.contains(&path)).count(), open)
    };
    assert!(traces().0 >= 18 && traces().1 >= 1, "{:?}", traces());
    drop(fabric);
    assert_eq!(traces(), (0, 0));
}
