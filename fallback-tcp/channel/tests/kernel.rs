//! TLS in the kernel, where there is a kernel that does it: the same bytes come through, also to a peer in user space.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod town;

use paxon_channel::{Cipher, Identity, Limits, Secured, Security};
use std::io::{ErrorKind, Read, Write};
use town::{Desk, PATIENCE, R0, R1, Town, connect, receive, send};

/// Whether this kernel has TLS. Says so if not, since the tests then show nothing.
fn has_kernel_tls() -> bool {
    let available = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_ulp").unwrap_or_default();
    let has = available.split_whitespace().any(|name| name == "tls");
    if !has {
        eprintln!("SKIPPED: this kernel has no TLS (CONFIG_TLS, `modprobe tls`): {}", available.trim());
    }
    has
}

/// A connection of r1 to r0, each with or without the kernel: r1's end and r0's.
fn pair(dialler_in_kernel: bool, acceptor_in_kernel: bool) -> (Secured, Secured) {
    let town = Town::new(Security::Tls);
    let place = |identity: Identity, in_kernel| if in_kernel { identity } else { identity.without_kernel() };
    let identity = |id, in_kernel| place(town.replica(&town.plan, id), in_kernel);
    let acceptor = Desk::start(identity(R0, acceptor_in_kernel), Some(town.listener(R0)), Limits::default());
    let dialler = Desk::start(identity(R1, dialler_in_kernel), None, Limits::default());
    connect(&dialler, &town.replica(&town.plan, R1), &acceptor, R0)
}

fn is_kernel(connection: &Secured) -> bool {
    matches!(connection.cipher, Cipher::Kernel)
}

#[test]
fn the_kernel_takes_over_where_it_can_and_speaks_with_user_space() {
    if !has_kernel_tls() {
        return;
    }
    for (dialler, acceptor, expected) in
        [(true, true, (true, true)), (true, false, (true, false)), (false, true, (false, false))]
    {
        let (mut far, mut near) = pair(dialler, acceptor);
        // The dialler's preference counts: ChaCha20 if it has the kernel for it, else AES, which stays in user space.
        assert_eq!((is_kernel(&far), is_kernel(&near)), expected);
        for size in [1, 64, 256, 5000, 16384, 100_000] {
            let message: Vec<u8> = (0..size).map(|at| (at * 31) as u8).collect();
            std::thread::scope(|scope| {
                scope.spawn(|| send(&mut far, &message));
                assert_eq!(receive(&mut near, size), message);
            });
            std::thread::scope(|scope| {
                scope.spawn(|| send(&mut near, &message));
                assert_eq!(receive(&mut far, size), message);
            });
        }
    }
}

#[test]
fn the_end_of_a_connection_and_a_broken_one_are_seen() {
    if !has_kernel_tls() {
        return;
    }
    let (mut far, near) = pair(true, true);
    drop(near);
    far.stream.set_nonblocking(false).expect("a socket");
    far.stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    assert_eq!(far.stream.read(&mut [0]).expect("the end"), 0);
    let (mut far, mut near) = pair(true, false);
    // What does not come from the other side's cipher is no record.
    near.stream.set_nonblocking(false).expect("a socket");
    near.stream.write_all(&[0x17, 3, 3, 0, 40]).expect("sent");
    near.stream.write_all(&[0x55; 40]).expect("sent");
    far.stream.set_nonblocking(false).expect("a socket");
    far.stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let error = far.stream.read(&mut [0; 64]).expect_err("it is not what was sealed");
    assert_ne!(error.kind(), ErrorKind::WouldBlock, "{error}");
}
