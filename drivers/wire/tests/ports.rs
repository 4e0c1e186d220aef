//! Wires between sockets of this process, framed as QEMU frames them; no privilege is needed.

use paxon_wire::{FRAME_BYTES_MAX, Impairment, Port, Traffic, Wire};
use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough for a frame that should not come.
const QUIET: Duration = Duration::from_millis(50);

/// A frame between stations, with a text.
fn frame(to: u8, from: u8, text: &[u8]) -> Vec<u8> {
    let station = |number| [2, 0, 0, 0, 0, number];
    [&station(to), &station(from), &[0x88, 0xb5][..], text].concat()
}

/// A port and the socket that stands for the machine on it.
fn machine() -> (Port, UnixDatagram) {
    let (port, machine) = UnixDatagram::pair().expect("a pair of sockets");
    machine.set_read_timeout(Some(PATIENCE)).expect("more than nothing");
    (Port::datagram(port, None).expect("it can be non-blocking"), machine)
}

fn three_machines() -> (Wire, Vec<UnixDatagram>) {
    let (ports, machines): (Vec<_>, Vec<_>) = (0..3).map(|_| machine()).unzip();
    (Wire::start(ports, 1).expect("three ports are not too many"), machines)
}

fn receive(machine: &UnixDatagram) -> Option<Vec<u8>> {
    let mut buffer = vec![0; FRAME_BYTES_MAX];
    let bytes = machine.recv(&mut buffer).ok()?;
    Some(buffer[..bytes].to_vec())
}

fn is_quiet(machine: &UnixDatagram) -> bool {
    machine.set_read_timeout(Some(QUIET)).expect("more than nothing");
    let quiet = receive(machine).is_none();
    machine.set_read_timeout(Some(PATIENCE)).expect("more than nothing");
    quiet
}

/// Waits for counters: what was sent is counted by another thread.
#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::yield_now();
    }
}

/// A folder for sockets, removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("paxon-wire-{}-{name}", std::process::id()));
        std::fs::create_dir(&path).expect("it is ours alone");
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("the folder is there");
    }
}

#[test]
fn a_frame_is_flooded_until_its_station_is_known() {
    let (wire, machines) = three_machines();
    machines[0].send(&frame(2, 1, b"who?")).expect("sent");
    assert_eq!(receive(&machines[1]), Some(frame(2, 1, b"who?")));
    assert_eq!(receive(&machines[2]), Some(frame(2, 1, b"who?")));
    machines[1].send(&frame(1, 2, b"me")).expect("sent");
    assert_eq!(receive(&machines[0]), Some(frame(1, 2, b"me")));
    machines[0].send(&frame(2, 1, b"you alone")).expect("sent");
    assert_eq!(receive(&machines[1]), Some(frame(2, 1, b"you alone")));
    assert!(is_quiet(&machines[2]));
    assert_eq!((wire.traffic(0, 1).forwarded, wire.traffic(0, 2).forwarded, wire.total().forwarded), (2, 1, 4));
}

#[test]
fn what_is_no_frame_is_ignored() {
    let (wire, machines) = three_machines();
    machines[0].send(b"short").expect("sent");
    machines[0].send(&frame(2, 1, b"frame")).expect("sent");
    assert_eq!(receive(&machines[1]), Some(frame(2, 1, b"frame")));
    assert_eq!(wire.traffic(0, 1).offered, 1);
}

#[test]
fn a_cut_holds_as_soon_as_it_is_set() {
    let (wire, machines) = three_machines();
    for round in 0..100 {
        wire.impair(0, 1, &Impairment::CUT);
        machines[0].send(&frame(9, 1, &[round])).expect("sent");
        assert_eq!(receive(&machines[2]), Some(frame(9, 1, &[round])));
        wire.heal();
        machines[0].send(&frame(9, 1, b"healed")).expect("sent");
        assert_eq!(receive(&machines[1]), Some(frame(9, 1, b"healed")), "and not the one that was cut");
        assert_eq!(receive(&machines[2]), Some(frame(9, 1, b"healed")));
    }
    assert_eq!(wire.traffic(0, 1).cut, 100);
}

#[test]
fn a_delay_is_kept_to_about_a_millisecond() {
    let (wire, machines) = three_machines();
    let delay = Duration::from_millis(20);
    wire.impair_both(0, 1, &Impairment { delay, ..Impairment::NONE });
    let mut late: Vec<_> = (0..50)
        .map(|round| {
            let sent = Instant::now();
            machines[0].send(&frame(9, 1, &[round])).expect("sent");
            assert_eq!(receive(&machines[1]), Some(frame(9, 1, &[round])));
            sent.elapsed().checked_sub(delay).expect("no frame is early")
        })
        .collect();
    late.sort();
    // Other tests share the processors, so the best fifth is looked at.
    assert!(late[10] < Duration::from_millis(3), "{late:?}");
}

#[test]
fn a_receiver_that_stops_reading_costs_bounded_memory_and_others_nothing() {
    let (wire, machines) = three_machines();
    for number in 0..2000_u16 {
        machines[0].send(&frame(9, 1, &number.to_le_bytes())).expect("sent");
        assert_eq!(receive(&machines[2]), Some(frame(9, 1, &number.to_le_bytes())));
    }
    let Traffic { forwarded, undeliverable, .. } = wire.traffic(0, 1);
    assert!(undeliverable > 1000 && forwarded > 0, "{forwarded} forwarded, {undeliverable} undeliverable");
    assert_eq!(receive(&machines[1]), Some(frame(9, 1, &0_u16.to_le_bytes())), "what there was room for is in order");
}

#[test]
fn datagram_machines_may_come_late_and_come_again() {
    let folder = Folder::new("datagram");
    let (here, there) = (folder.path("switch"), folder.path("machine"));
    let socket = UnixDatagram::bind(&here).expect("a new path");
    let (port, other) = machine();
    let named = Port::datagram(socket, Some(there.clone())).expect("it can be non-blocking");
    let wire = Wire::start(vec![named, port], 1).expect("two ports are not too many");
    other.send(&frame(1, 2, b"too early")).expect("sent");
    eventually("an undeliverable frame", || wire.traffic(1, 0).undeliverable == 1);
    for life in 0..2 {
        let machine = UnixDatagram::bind(&there).expect("a new path");
        machine.set_read_timeout(Some(PATIENCE)).expect("more than nothing");
        machine.send_to(&frame(2, 1, &[life]), &here).expect("sent");
        assert_eq!(receive(&other), Some(frame(2, 1, &[life])));
        other.send(&frame(1, 2, &[life])).expect("sent");
        assert_eq!(receive(&machine), Some(frame(1, 2, &[life])));
        drop(machine);
        std::fs::remove_file(&there).expect("it was bound");
    }
}

fn framed(frame: &[u8]) -> Vec<u8> {
    [&(frame.len() as u32).to_be_bytes()[..], frame].concat()
}

fn receive_framed(stream: &mut UnixStream) -> Vec<u8> {
    stream.set_read_timeout(Some(PATIENCE)).expect("more than nothing");
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("a length comes");
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame).expect("a frame comes");
    frame
}

#[test]
fn stream_machines_are_framed_and_the_last_to_connect_is_plugged_in() {
    let folder = Folder::new("stream");
    let listener = UnixListener::bind(folder.path("port")).expect("a new path");
    let (port, other) = machine();
    let wire =
        Wire::start(vec![Port::listener(listener).expect("it can be non-blocking"), port], 1).expect("two ports");
    // Those of earlier lives stay open: a machine may die without a word.
    let mut machines = Vec::new();
    for life in 0..3 {
        let mut machine = UnixStream::connect(folder.path("port")).expect("it listens");
        // Two frames in one write, the second of them cut.
        let both = [framed(&frame(2, 1, &[life])), framed(&frame(2, 1, b"second"))].concat();
        machine.write_all(&both[..both.len() - 3]).expect("sent");
        assert_eq!(receive(&other), Some(frame(2, 1, &[life])));
        machine.write_all(&both[both.len() - 3..]).expect("sent");
        assert_eq!(receive(&other), Some(frame(2, 1, b"second")));
        other.send(&frame(1, 2, &[life])).expect("sent");
        assert_eq!(receive_framed(&mut machine), frame(1, 2, &[life]));
        machines.push(machine);
    }
    assert_eq!(wire.traffic(1, 0).forwarded, 3);
}

#[test]
fn frames_that_were_read_at_once_all_go_on() {
    let (port, mut machine_stream) = UnixStream::pair().expect("a pair of sockets");
    let (other_port, other) = machine();
    let ports = vec![Port::stream(port).expect("it can be non-blocking"), other_port];
    let _wire = Wire::start(ports, 1).expect("two ports");
    let frames: Vec<_> = (0..=255).map(|number| frame(2, 1, &[number])).collect();
    machine_stream.write_all(&frames.iter().flat_map(|frame| framed(frame)).collect::<Vec<_>>()).expect("sent");
    frames.into_iter().for_each(|frame| assert_eq!(receive(&other), Some(frame)));
}

#[test]
fn a_stream_that_is_none_is_closed() {
    let (port, mut machine) = UnixStream::pair().expect("a pair of sockets");
    let _wire = Wire::start(vec![Port::stream(port).expect("it can be non-blocking")], 1).expect("one port");
    machine.write_all(&u32::MAX.to_be_bytes()).expect("sent");
    machine.set_read_timeout(Some(PATIENCE)).expect("more than nothing");
    assert_eq!(machine.read(&mut [0]).expect("it ends"), 0);
}

#[test]
fn frames_for_a_slow_stream_stay_whole() {
    let (port, mut slow) = UnixStream::pair().expect("a pair of sockets");
    let (other_port, other) = machine();
    let ports = vec![Port::stream(port).expect("it can be non-blocking"), other_port];
    let wire = Wire::start(ports, 1).expect("two ports");
    let long = |number: u8| frame(1, 2, &vec![number; 60_000]);
    (0..40).for_each(|number| assert!(other.send(&long(number)).is_ok()));
    // The socket's buffer is full by now, in the middle of a frame.
    (0..40).for_each(|number| assert!(receive_framed(&mut slow) == long(number), "frame {number}"));
    assert_eq!(wire.traffic(1, 0).forwarded, 40);
}

#[test]
fn too_many_ports_are_refused() {
    let ports = (0..17).map(|_| machine().0).collect();
    assert_eq!(Wire::start(ports, 1).expect_err("17").to_string(), "17 ports; a wire has at most 16");
}
