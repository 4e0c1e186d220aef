//! What a stranger sends to a porter, with TLS and without, over loopback.
//!
//! The input is `[1: TLS | 2: a hello made right]`, the cut, and the stream.

use crate::frames::LAYOUT;
use crate::input::{Input, pieces};
use paxon_channel::{Arrival, HELLO_BYTES, Hello, Identity, Member, Porter, PrivateKey, Roster, Security};
use paxon_fastpath::ReplicaId;
use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

/// A run that takes longer hangs. A deadline of the porter is no way out: it is later.
const PATIENCE: Duration = Duration::from_secs(15);
/// The cluster and the member that a stranger's hello has to name.
pub const CLUSTER: u64 = 0xF1;
/// Whose porter it is.
pub const ME: ReplicaId = ReplicaId(0);
/// More than a porter takes of a stranger.
const STREAM_BYTES_MAX: usize = 20 << 10;

/// A porter in its own house.
struct Door {
    /// Held: its thread ends with it.
    _porter: Porter,
    address: SocketAddr,
    admitted: Receiver<Hello>,
}

thread_local! {
    static DOORS: RefCell<[Door; 2]> = RefCell::new([Security::Plaintext, Security::Tls].map(Door::new));
}

impl Door {
    fn new(security: Security) -> Self {
        let key = || PrivateKey::generate().expect("random numbers");
        let keys: Vec<_> = ReplicaId::all(LAYOUT.replicas).map(|_| key()).collect();
        let member = |(id, key): (ReplicaId, &PrivateKey)| Member {
            id,
            address: "127.0.0.1:9".into(),
            key: Some(key.public()),
            expires: None,
        };
        let members = ReplicaId::all(LAYOUT.replicas).zip(&keys).map(member).collect();
        let roster = Arc::new(Roster::new(CLUSTER, LAYOUT, members, vec![], security).expect("a good roster"));
        let identity = Identity::replica(roster, ME, keys.into_iter().next()).expect("a member");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
        let address = listener.local_addr().expect("it is bound");
        let (sender, admitted) = channel();
        // The connection is closed behind the note that it came.
        let porter = Porter::start(identity, Some(listener), move |arrival| match arrival {
            Arrival::Inbound { hello, connection: _connection, .. } => drop(sender.send(hello)),
            other => panic!("nobody was dialled: {other:?}"),
        });
        Self { _porter: porter.expect("a thread"), address, admitted }
    }
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (choice, cut) = (input.u8(), input.u8());
    let mut stream = input.take(STREAM_BYTES_MAX).to_vec();
    if choice & 2 == 2 && stream.len() >= HELLO_BYTES {
        let sum = xxh3_64(&stream[..HELLO_BYTES - 8]);
        stream[HELLO_BYTES - 8..HELLO_BYTES].copy_from_slice(&sum.to_le_bytes());
    }
    DOORS.with_borrow(|[plaintext, tls]| {
        let is_tls = choice & 1 == 1;
        let door = if is_tls { tls } else { plaintext };
        let heard = knock(door, &stream, cut);
        assert!(heard < 4 << 10, "a stranger was told {heard} bytes");
        if let Ok(hello) = door.admitted.try_recv() {
            assert!(!is_tls, "nobody has a key");
            assert_eq!(Hello::decode(&stream[..HELLO_BYTES]), Ok(hello));
            may_enter(&hello);
        }
    });
}

fn may_enter(hello: &Hello) {
    assert_eq!((hello.cluster, hello.to), (CLUSTER, ME));
    assert!(hello.from.is_none_or(|id| id != ME && id.index() < LAYOUT.replicas));
    assert!(!hello.purpose.is_for_replicas() || (hello.layout == LAYOUT && hello.from.is_some()));
}

/// Says a stream and hears the end; returns the bytes heard.
fn knock(door: &Door, stream: &[u8], cut: u8) -> usize {
    let mut socket = TcpStream::connect(door.address).expect("the porter listens");
    socket.set_nodelay(true).and_then(|()| socket.set_read_timeout(Some(PATIENCE))).expect("a socket");
    // The porter may have closed it already.
    let _ = pieces(stream, cut).try_for_each(|piece| socket.write_all(piece));
    let _ = socket.shutdown(Shutdown::Write);
    let (mut heard, mut buffer) = (0, [0; 1024]);
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return heard,
            Ok(bytes) => heard += bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("the porter lets a stranger hang"),
            Err(_) => return heard,
        }
    }
}
