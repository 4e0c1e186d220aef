//! Replicas on loopback that tell each other things, authenticated and in plaintext.

use super::{Me, SetupChannel, SetupDesk};
use paxon_channel::dial_until;
use paxon_channel::{Arrival, Blocking, Hello, Identity, Member, Porter, PrivateKey, Purpose, Roster, Security};
use paxon_fastpath::{Layout, ReplicaId};
use paxon_rdma::{ControlChannel, MESSAGE_BYTES_MAX};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const LAYOUT: Layout = Layout { replicas: 3, cells: 1024, arena_words: 4096, snapshot_words: 512 };
const CLUSTER: u64 = 77;
const A: ReplicaId = ReplicaId(0);
const B: ReplicaId = ReplicaId(1);
const C: ReplicaId = ReplicaId(2);
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a message is repeated, as the steward does.
const REPEAT: Duration = Duration::from_millis(50);

/// Addresses and keys of three replicas; the keys are removed with it.
struct Town {
    folder: PathBuf,
    security: Security,
    listeners: Vec<TcpListener>,
    roster: Arc<Roster>,
}

impl Town {
    fn new(security: Security) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("paxon-rdma-setup-{}-{}", std::process::id(), MADE.fetch_add(1, Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).expect("a folder for keys");
        let listeners: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        let member = |(id, listener): (u8, &TcpListener)| {
            let key = PrivateKey::generate().expect("random numbers");
            key.write_new(folder.join(id.to_string())).expect("a new file");
            let address = listener.local_addr().expect("bound").to_string();
            Member { id: ReplicaId(id), address, key: Some(key.public()), expires: None }
        };
        let members = (0..).zip(&listeners).map(member).collect();
        let roster = Roster::new(CLUSTER, LAYOUT, members, vec![], security).expect("a roster");
        Self { folder, security, listeners, roster: Arc::new(roster) }
    }

    fn identity(&self, id: ReplicaId) -> Identity {
        let key = PrivateKey::read(self.folder.join(id.0.to_string())).expect("the key is there");
        Identity::replica(self.roster.clone(), id, Some(key)).expect("a member")
    }

    fn move_in(&self, replica: ReplicaId) -> House {
        let listener = self.listeners[replica.index()].try_clone().expect("a descriptor");
        let desk = SetupDesk::default();
        let (left, others) = (desk.clone(), Arc::new(Mutex::new(vec![])));
        let kept = others.clone();
        let on_arrival = move |arrival| kept.lock().expect("no panics").extend(left.put(arrival));
        let porter = Porter::start(self.identity(replica), Some(listener), on_arrival).expect("a thread");
        let (porter, (say, heard)) = (Arc::new(porter), channel());
        let deliver = move |from, message: &[u8]| drop(say.send((from, message.to_vec())));
        let me = Me { replica, cluster: CLUSTER, layout: LAYOUT, incarnation: 9 };
        let channel = desk.open(me, &porter, Arc::new(deliver));
        House { channel, heard, desk, others, _porter: porter }
    }

    /// A connection of `from` to `to` that the test speaks on by itself.
    fn dial(&self, from: ReplicaId, to: ReplicaId, purpose: Purpose) -> Blocking {
        let hello =
            Hello { purpose, cluster: CLUSTER, from: Some(from), to, layout: LAYOUT, incarnation: 9, attempt: 0 };
        dial_until(self.identity(from), to, hello, PATIENCE).expect("welcome").1
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// A replica's ends of the channel.
struct House {
    channel: SetupChannel,
    heard: Receiver<(ReplicaId, Vec<u8>)>,
    desk: SetupDesk,
    /// Arrivals that are not for set-up.
    others: Arc<Mutex<Vec<Arrival>>>,
    /// Last: the lines go before.
    _porter: Arc<Porter>,
}

impl House {
    /// Repeats a message until `to` has heard it, as the steward repeats an offer.
    fn tell(&mut self, to: ReplicaId, there: &Self, message: &[u8], from: ReplicaId) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.channel.send(to, message);
            if let Ok(heard) = there.heard.recv_timeout(REPEAT)
                && heard == (from, message.to_vec())
            {
                return;
            }
            assert!(Instant::now() < deadline, "{to} was not told: {:?}", self.desk.problem(to));
        }
    }
}

/// Waits for the end of a connection.
fn ends(connection: &mut Blocking) {
    let mut rest = vec![];
    // A connection that is reset has ended too.
    let _ = connection.read_to_end(&mut rest);
    assert!(rest.is_empty(), "nothing was acknowledged");
}

#[test]
fn messages_arrive_both_ways_and_say_who_sent_them() {
    for security in [Security::Tls, Security::Plaintext] {
        let town = Town::new(security);
        let [mut a, mut b, mut c] = [A, B, C].map(|id| town.move_in(id));
        a.tell(B, &b, b"an offer", A);
        b.tell(A, &a, b"a welcome", B);
        c.tell(B, &b, &vec![7; MESSAGE_BYTES_MAX], C);
        for number in 0..100u8 {
            a.tell(C, &c, &[number], A);
        }
        assert_eq!((a.desk.problem(B), town.security), (None, security));
    }
}

#[test]
fn a_replica_that_comes_back_is_told_again() {
    let town = Town::new(Security::Tls);
    let (mut a, mut b) = (town.move_in(A), town.move_in(B));
    a.tell(B, &b, b"before", A);
    b.tell(A, &a, b"before", B);
    drop(b);
    let mut b = town.move_in(B);
    a.tell(B, &b, b"after", A);
    b.tell(A, &a, b"after", B);
}

#[test]
fn messages_to_nobody_and_of_no_length_are_lost_and_harm_nothing() {
    let town = Town::new(Security::Plaintext);
    let (mut a, b) = (town.move_in(A), town.move_in(B));
    a.channel.send(ReplicaId(200), b"nobody");
    a.channel.send(A, b"myself");
    a.channel.send(B, b"");
    a.channel.send(B, &vec![0; MESSAGE_BYTES_MAX + 1]);
    a.tell(B, &b, b"well", A);
}

#[test]
fn a_length_that_no_message_has_ends_the_connection() {
    let town = Town::new(Security::Tls);
    let (mut a, b) = (town.move_in(A), town.move_in(B));
    for length in [0, MESSAGE_BYTES_MAX as u32 + 1, u32::MAX] {
        let mut stranger = town.dial(C, B, Purpose::RdmaSetup);
        stranger.write_all(&length.to_le_bytes()).expect("it stands");
        ends(&mut stranger);
    }
    a.tell(B, &b, b"still there", A);
    assert!(b.heard.try_recv().is_err(), "nothing else was heard");
}

#[test]
fn the_newest_connection_of_a_replica_is_read_and_the_one_before_has_ended() {
    let town = Town::new(Security::Tls);
    let b = town.move_in(B);
    let mut first = town.dial(A, B, Purpose::RdmaSetup);
    let mut second = town.dial(A, B, Purpose::RdmaSetup);
    ends(&mut first);
    super::frame::send(&mut second, b"newest").expect("taken");
    assert_eq!(b.heard.recv_timeout(PATIENCE), Ok((A, b"newest".to_vec())));
}

#[test]
fn connections_for_something_else_are_passed_on() {
    let town = Town::new(Security::Tls);
    let b = town.move_in(B);
    let hello = Hello {
        purpose: Purpose::Operations,
        cluster: CLUSTER,
        from: Some(A),
        to: B,
        layout: LAYOUT,
        incarnation: 9,
        attempt: 0,
    };
    drop(dial_until(town.identity(A), B, hello, Duration::from_secs(2)).expect_err("nobody welcomes it"));
    let others = b.others.lock().expect("no panics");
    assert!(
        others
            .iter()
            .any(|arrival| matches!(arrival, Arrival::Inbound { hello, .. } if hello.purpose == Purpose::Operations))
    );
    assert!(b.heard.try_recv().is_err());
}
