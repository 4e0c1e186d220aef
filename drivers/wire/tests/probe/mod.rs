//! Traffic between two namespaces, to see an impairment from the outside.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use paxon_wire::Namespaces;
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

/// Nothing here takes longer on a machine that is not stuck.
pub const PATIENCE: Duration = Duration::from_secs(30);
pub const MS: Duration = Duration::from_millis(1);

/// A packet that arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub number: u32,
    pub took: Duration,
}

/// Room for every packet of a test, should its thread not run for a while: what a socket drops, no wire has lost.
const RECEIVE_BYTES: usize = 16 << 20;

/// A UDP socket in a namespace.
pub fn socket(net: &Namespaces, namespace: usize) -> UdpSocket {
    let bound = net.enter(namespace, || UdpSocket::bind((net.address(namespace), 0)));
    let socket = bound.expect("the namespace is there").expect("its address is there");
    set_socket_recv_buffer_size_force(&socket, RECEIVE_BYTES).expect("who may make namespaces may do this");
    socket
}

/// Sends numbered packets from one namespace to another, one every `spacing`, and returns those that arrive, in the order of
/// their arrival. Ends when nothing has come for `quiet`.
pub fn packets(
    net: &Namespaces,
    (from, to): (usize, usize),
    count: u32,
    spacing: Duration,
    quiet: Duration,
) -> Vec<Arrival> {
    let (sender, receiver) = (socket(net, from), socket(net, to));
    let target = receiver.local_addr().expect("it is bound");
    let (began, mut sent_at, mut arrived) = (Instant::now(), Vec::new(), Vec::new());
    for number in 0..count {
        while let Some(wait) = (spacing * number).checked_sub(began.elapsed()).filter(|wait| !wait.is_zero()) {
            arrived.extend(receive(&receiver, wait, &sent_at));
        }
        sent_at.push(Instant::now());
        sender.send_to(&number.to_le_bytes(), target).expect("a packet can be sent");
    }
    while let Some(arrival) = receive(&receiver, quiet, &sent_at) {
        assert!(began.elapsed() < PATIENCE, "packets keep coming");
        arrived.push(arrival);
    }
    arrived
}

fn receive(receiver: &UdpSocket, wait: Duration, sent_at: &[Instant]) -> Option<Arrival> {
    receiver.set_read_timeout(Some(wait)).expect("more than nothing");
    let mut number = [0; 4];
    receiver.recv(&mut number).ok()?;
    let number = u32::from_le_bytes(number);
    Some(Arrival { number, took: sent_at[number as usize].elapsed() })
}

/// Whether a packet passes.
pub fn passes(net: &Namespaces, from: usize, to: usize) -> bool {
    !packets(net, (from, to), 3, MS, 100 * MS).is_empty()
}

/// Sends `bytes` over TCP from namespace 0 to 1 and back; how long it took.
pub fn tcp_echo(net: &Namespaces, bytes: &[u8]) -> Duration {
    let began = Instant::now();
    let listener = net.enter(1, || TcpListener::bind((net.address(1), 0))).expect("it is there").expect("a port");
    let target = listener.local_addr().expect("it is bound");
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().expect("the client connects");
            limit(&stream);
            let mut received = vec![0; bytes.len()];
            stream.read_exact(&mut received).expect("all arrives in time");
            stream.write_all(&received).expect("all is sent in time");
        });
        let connected = net.enter(0, || TcpStream::connect_timeout(&target, PATIENCE));
        let mut stream = connected.expect("it is there").expect("the server answers");
        limit(&stream);
        stream.write_all(bytes).expect("all is sent in time");
        let mut echo = vec![0; bytes.len()];
        stream.read_exact(&mut echo).expect("all comes back in time");
        assert!(echo == bytes, "other bytes came back");
    });
    began.elapsed()
}

fn limit(stream: &TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).expect("more than nothing");
    stream.set_write_timeout(Some(PATIENCE)).expect("more than nothing");
}

/// The middle of some durations.
pub fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort();
    durations[durations.len() / 2]
}
