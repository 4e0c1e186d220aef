//! Attackers of a cluster on loopback, and the well-behaved client that must not notice them.

use crate::network::history::History;
use crate::network::load::Load;
use crate::network::{REPLICAS, TcpCluster};
use crate::processes::{command, finish};
use crate::{DESCRIPTORS_MORE_MAX, GROWTH_KIB_MAX, report};
use paxon::channel::Security;
use serde_json::{Value, json};
use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Well-behaved clients.
const CLIENTS: u64 = 2;
/// Answers that they get in a second of any attack, at least; some 400 on an idle machine.
const ANSWERED_PER_SECOND_MIN: f64 = 5.0;
/// Pause between two rounds of an attack.
const PAUSE: Duration = Duration::from_millis(1);

/// What a replica's process has.
#[derive(Clone, Copy, Debug)]
struct Having {
    resident_kib: u64,
    descriptors: usize,
}

impl Having {
    fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the replica lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
        let resident_kib = line.trim().trim_end_matches(" kB").parse().expect("a number");
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("it is our child").count();
        Self { resident_kib, descriptors }
    }
}

/// A cluster under attack.
pub struct Attack {
    test: &'static str,
    pub cluster: TcpCluster,
    history: History,
    load: Load,
    /// So many replicas, from 0, take part in what is decided.
    members: usize,
    before: Vec<Having>,
    answered: u64,
    began: Instant,
}

impl Attack {
    /// A healthy cluster that well-behaved clients use.
    pub fn begin(test: &'static str, security: Security) -> Self {
        Self::against(test, TcpCluster::on_loopback(security), REPLICAS)
    }

    /// The same of a cluster that runs already, of whose replicas the first so many take part in what is decided.
    pub fn against(test: &'static str, cluster: TcpCluster, members: usize) -> Self {
        let history = History::default();
        let load = Load::start(&cluster, &history, CLIENTS);
        load.wait_for(100);
        let before = having(&cluster);
        let answered = load.answered();
        Self { test, cluster, history, load, members, before, answered, began: Instant::now() }
    }

    /// Where the replicas listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.cluster.addresses.iter().map(|address| address.parse().expect("an address")).collect()
    }

    /// Repeats one round of the attack for a time.
    pub fn go_on(&self, time: Duration, mut round: impl FnMut()) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            round();
            thread::park_timeout(PAUSE);
        }
    }

    /// Connections that a replica has refused for a reason, as `paxon status` says.
    pub fn counter(&self, id: usize, reason: &str) -> u64 {
        self.refusals(id)[reason].as_u64().unwrap_or(0)
    }

    /// All connections that a replica has refused.
    pub fn refused(&self, id: usize) -> u64 {
        let refused = self.refusals(id);
        refused.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
    }

    fn refusals(&self, id: usize) -> Value {
        let mut asked = command(&["--json", "status", "--config"]);
        asked.arg(self.cluster.folder.path("cluster.toml"));
        let status = finish(asked.spawn().expect("the command starts")).json();
        status["replicas"][id]["tcp"]["connections"]["refused"].clone()
    }

    /// The attack is over: nobody has noticed it, and it was counted for each of the reasons.
    #[track_caller]
    pub fn end(mut self, reasons: &[&str]) {
        let at_the_end = having(&self.cluster);
        let (answered, took) = (self.load.answered() - self.answered, self.began.elapsed());
        self.load.wait_for(CLIENTS * 2);
        assert!(self.cluster.all_run(), "a replica has died");
        let refused: Vec<_> = (0..self.members).map(|id| self.refused(id)).collect();
        let of = |reason: &str| (0..self.members).map(|id| self.counter(id, reason)).sum::<u64>();
        let counted: Vec<_> = reasons.iter().map(|reason| (*reason, of(reason))).collect();
        let came_back = self.cluster.wait_until("the descriptors come back", || {
            let back = |(now, before): (&Having, &Having)| now.descriptors <= before.descriptors + DESCRIPTORS_MORE_MAX;
            having(&self.cluster).iter().zip(&self.before).all(back)
        });
        let growth = |now: &[Having]| -> Vec<u64> {
            let pairs = now.iter().zip(&self.before);
            pairs.map(|(now, before)| now.resident_kib.saturating_sub(before.resident_kib)).collect()
        };
        let grown = [growth(&at_the_end), growth(&having(&self.cluster))];
        let all = self.load.stop();
        let checked = self.history.verify(self.cluster.watcher(), self.members);
        report(
            self.test,
            &json!({
                "answered_meanwhile": answered, "answered": all, "commands": checked.commands, "refused": refused,
                "counted": counted, "grown_kib": grown, "descriptors": at_the_end.iter().map(|now| now.descriptors).collect::<Vec<_>>(),
                "descriptors_back_after_ms": came_back.as_millis() as u64,
            }),
        );
        assert!(counted.iter().all(|(_, count)| *count > 0), "{counted:?}");
        let enough = took.as_secs_f64() * ANSWERED_PER_SECOND_MIN;
        assert!(answered as f64 >= enough, "{answered} operations in an attack of {took:?}");
        assert!(grown.iter().flatten().all(|kib| *kib <= GROWTH_KIB_MAX), "grown by {grown:?} KiB");
    }
}

fn having(cluster: &TcpCluster) -> Vec<Having> {
    (0..REPLICAS).map(|id| Having::of(cluster.pid(id))).collect()
}

/// Connections that stay open and say a byte now and then.
pub struct Crowd {
    addresses: Vec<SocketAddr>,
    /// Each with the bytes that it has said.
    connections: Vec<(TcpStream, usize)>,
}

impl Crowd {
    pub fn of(count: usize, addresses: &[SocketAddr]) -> Self {
        let connect = |at| connect_from([127, 0, 0, 2], addresses[at % addresses.len()]);
        let connections = (0..count).filter_map(|at| Some((connect(at).ok()?, 0))).collect();
        Self { addresses: addresses.to_vec(), connections }
    }

    /// Everybody says the next byte; who was thrown out comes again and begins anew.
    pub fn go_on_with(&mut self, words: &[u8]) {
        for (at, (stream, said)) in self.connections.iter_mut().enumerate() {
            let Some(byte) = words.get(*said..=*said) else { continue };
            *said += 1;
            if stream.write_all(byte).is_err()
                && let Ok(next) = connect_from([127, 0, 0, 2], self.addresses[at % self.addresses.len()])
            {
                (*stream, *said) = (next, 0);
            }
        }
    }
}

/// Threads that knock without pause.
pub struct Floods {
    threads: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    knocks: Arc<AtomicU64>,
}

impl Floods {
    /// Ends them; how often they knocked.
    pub fn stop(self) -> u64 {
        self.stop.store(true, Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("a flood does not panic"));
        self.knocks.load(Relaxed)
    }
}

/// Starts threads that send what `bytes` makes of a number to the addresses, over and over.
pub fn flood(addresses: &[SocketAddr], threads: u64, bytes: fn(u64) -> Vec<u8>) -> Floods {
    let (stop, knocks) = <(Arc<AtomicBool>, Arc<AtomicU64>)>::default();
    let start = |number| {
        let (stop, knocks, addresses) = (stop.clone(), knocks.clone(), addresses.to_vec());
        thread::spawn(move || {
            for count in (number..).step_by(threads as usize) {
                if stop.load(Relaxed) {
                    return;
                }
                knock(addresses[count as usize % addresses.len()], &bytes(count));
                knocks.fetch_add(1, Relaxed);
                thread::park_timeout(PAUSE);
            }
        })
    };
    let threads = (0..threads).map(start).collect();
    Floods { threads, stop, knocks }
}

/// Connects, sends and leaves. A replica may hang up before it has read everything.
pub fn knock(address: SocketAddr, bytes: &[u8]) {
    if let Ok(mut stream) = connect_from([127, 0, 0, 2], address) {
        let _ = stream.write_all(bytes);
    }
}

/// Connects from an address of loopback, so that attackers and clients come from different places.
///
/// # Errors
/// What the system says.
pub fn connect_from(source: [u8; 4], address: SocketAddr) -> io::Result<TcpStream> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
    let flags = SocketFlags::CLOEXEC;
    let socket: OwnedFd = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::from(source), 0))?;
    connect(&socket, &address)?;
    let stream = TcpStream::from(socket);
    stream.set_write_timeout(Some(Duration::from_secs(1)))?;
    Ok(stream)
}
