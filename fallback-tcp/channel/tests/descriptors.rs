//! Accepting when there is no file descriptor left. Alone in its process, whose limit it lowers.

mod town;

use paxon_channel::{Limits, Reason, Security};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::io::{Read, Seek};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use town::{R0, R1, Town, connect};

/// CPU time that this process has used, by its `/proc/self/stat`, which stays open: there may be no descriptor for it.
fn cpu_time(file: &mut File) -> Duration {
    let mut stat = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut stat)).expect("procfs");
    let fields: Vec<_> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

#[test]
fn want_of_file_descriptors_is_waited_out_and_frees_a_stranger() {
    let town = Town::new(Security::Tls);
    let acceptor = town.open_with(R0, Limits::default());
    let dialler = town.dialler(&town.plan, R1);
    let identity = town.replica(&town.plan, R1);
    let early = town.stranger(R0);
    acceptor.until("the first is in", |porter| porter.counters().strangers() == 1);
    let mut stat = File::open("/proc/self/stat").expect("procfs");
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(256), ..limit }).expect("lowered");
    // One is left for the client's end of a connection, and none for the acceptor's.
    let mut hoard = vec![];
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    hoard.pop();
    let _waiting = TcpStream::connect(town.address(R0)).expect("the kernel accepts for us");
    acceptor.until("accepting has failed", |porter| porter.counters().accept_errors() >= 1);
    acceptor.until("a stranger had to go", |porter| porter.counters().refused(Reason::Evicted) >= 1);
    let (before, start) = (cpu_time(&mut stat), Instant::now());
    let failures = acceptor.porter.counters().accept_errors();
    while start.elapsed() < Duration::from_millis(600) {
        std::thread::park_timeout(Duration::from_millis(600).saturating_sub(start.elapsed()));
    }
    let rate = acceptor.porter.counters().accept_errors() - failures;
    assert!(rate <= 12, "{rate} failures in 0.6 s");
    assert!(cpu_time(&mut stat) - before < Duration::from_millis(300), "it spins");
    drop((hoard, early));
    connect(&dialler, &identity, &acceptor, R0);
}
