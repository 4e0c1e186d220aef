//! A back end is dropped while the kernel works for it.

use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use paxon_tcp::backend::Backend;

use crate::harness::{PATIENCE, Seen, Variant, pair, pattern, send_until};

const CONNECTIONS: usize = 12;
const LIVES: usize = 25;
/// What memory taken after the drop is filled with; the peers send other bytes only.
const MARK: u8 = 0xa5;

/// Peers send without pause into a back end that is dropped at some moment. Memory of the sizes that it used is taken at once
/// and must keep its contents: a receive that had outlived its buffer would write there.
pub fn a_back_end_dropped_under_load_touches_no_memory(variant: &Variant) {
    let variant = variant.with(|options| options.receive_bytes = 4096);
    for life in 0..LIVES {
        let Some(mut backend) = variant.open() else { return };
        let (near, far): (Vec<_>, Vec<_>) = (0..CONNECTIONS).map(|_| pair()).unzip();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for peer in &far {
                let over = &over;
                scope.spawn(move || send_until(peer, over));
            }
            load(&mut *backend, near, life);
            drop(backend);
            let mut taken = Vec::new();
            for round in 0..20 {
                taken.push(vec![MARK; 4096 << (round % 8)]);
                thread::yield_now();
            }
            let kept = taken.iter().flatten().all(|byte| *byte == MARK);
            over.store(true, Ordering::Relaxed);
            for peer in &far {
                let _gone = peer.shutdown(Shutdown::Both);
            }
            assert!(kept, "memory was written to after the back end was dropped");
        });
    }
}

/// Receives for a few turns while half of the connections have sends that cannot finish.
fn load(backend: &mut dyn Backend, near: Vec<TcpStream>, life: usize) {
    let keys: Vec<_> = near.into_iter().map(|near| backend.add(near).expect("there is room")).collect();
    for key in keys.iter().step_by(2) {
        for _ in 0..8 {
            let _full = backend.send(*key, &pattern(0, 500_000));
        }
    }
    for _ in 0..life * 3 {
        backend.turn(None, &mut |_, _| {}).expect("the back end works");
    }
}

pub fn a_back_end_dropped_closes_its_sockets(variant: &Variant) {
    let Some(mut backend) = variant.open() else { return };
    let (near, mut far) = pair();
    backend.add(near).expect("there is room");
    for _ in 0..3 {
        Seen::default().look(&mut *backend);
    }
    drop(backend);
    far.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let mut rest = Vec::new();
    // Unlike a bare read it goes on when the kernel, taking an io_uring apart, interrupts this thread.
    far.read_to_end(&mut rest).expect("a regular end");
    assert!(rest.is_empty());
}
