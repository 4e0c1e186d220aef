//! The cipher of a connection: what one side seals the other opens, in any pieces, and nothing else.

mod town;

use paxon_channel::{Cipher, CipherError, Limits, Security};
use proptest::prelude::*;
use std::cell::RefCell;
use std::slice::from_ref;
use town::{Desk, R0, R1, Town, connect};

/// The ciphers of the two ends of a connection, the dialler's first; no socket is between them any more.
fn pair(security: Security) -> (Cipher, Cipher) {
    let town = Town::new(security);
    let start = |id, listener| Desk::start(town.replica(&town.plan, id).without_kernel(), listener, Limits::default());
    let (acceptor, dialler) = (start(R0, Some(town.listener(R0))), start(R1, None));
    let (far, near) = connect(&dialler, &town.replica(&town.plan, R1), &acceptor, R0);
    (far.cipher, near.cipher)
}

/// Seals `messages` one by one and opens the bytes in pieces of the given sizes, again and again.
fn carry(from: &mut Cipher, to: &mut Cipher, messages: &[Vec<u8>], pieces: &[usize]) -> Vec<u8> {
    let mut wire = vec![];
    for message in messages {
        from.seal(message, &mut wire).expect("the connection stands");
    }
    let (mut plain, mut rest) = (vec![], wire.as_slice());
    for piece in pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at((*piece).min(rest.len()));
        let before = plain.len();
        to.open(now, &mut plain).expect("whole bytes in order");
        // One piece completes at most the record that was held back and those within it.
        assert!(plain.len() - before <= now.len() + (16 << 10));
        rest = later;
    }
    plain
}

#[test]
fn sizes_around_those_of_records_come_through() {
    for security in [Security::Tls, Security::Plaintext] {
        let (mut far, mut near) = pair(security);
        for size in [0, 1, 63, 64, 255, 256, 4095, 4096, 16383, 16384, 16385, 40000, 1 << 20] {
            let message: Vec<u8> = (0..size).map(|at| (at * 7) as u8).collect();
            for piece in [usize::MAX, 4096, 1460, 16406] {
                assert_eq!(carry(&mut far, &mut near, from_ref(&message), &[piece]), message, "{size} in {piece}");
                assert_eq!(carry(&mut near, &mut far, from_ref(&message), &[piece]), message, "{size} in {piece}");
            }
        }
        assert_eq!(carry(&mut far, &mut near, &[vec![1; 100]], &[1]), [1; 100], "byte by byte");
    }
}

#[test]
fn what_is_sealed_does_not_show_what_it_is() {
    let (mut far, mut near) = pair(Security::Tls);
    let secret = b"a command that nobody on the way may read".repeat(4);
    let mut wire = vec![];
    far.seal(&secret, &mut wire).expect("the connection stands");
    assert!(wire.windows(8).all(|window| !secret.windows(8).any(|part| part == window)));
    assert!(wire.len() <= secret.len() + 22, "one record: {} bytes", wire.len());
    let mut again = vec![];
    far.seal(&secret, &mut again).expect("the connection stands");
    assert_ne!(wire, again, "the same message twice is not the same bytes");
    let mut plain = vec![];
    near.open(&[wire, again].concat(), &mut plain).expect("in order");
    assert_eq!(plain, secret.repeat(2));
}

/// A receiver ignores the version of a record (RFC 8446, section 5.1).
const VERSION_BYTES: std::ops::Range<usize> = 1..3;
/// A record that seems longer than it is waits for the rest.
const LENGTH_BYTES: std::ops::Range<usize> = 3..5;

thread_local! {
    /// One connection for all cases: a handshake for each would take most of the time.
    static PAIR: RefCell<(Cipher, Cipher)> = RefCell::new(pair(Security::Tls));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_messages_in_any_pieces_come_through(
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 0..12),
        pieces in proptest::collection::vec(1usize..5000, 1..8),
        is_back in any::<bool>(),
    ) {
        PAIR.with_borrow_mut(|(far, near)| {
            let (from, to) = if is_back { (near, far) } else { (far, near) };
            assert_eq!(carry(from, to, &messages, &pieces), messages.concat());
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_changed_bit_changes_no_byte_unnoticed(size in 1usize..600, at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (mut far, mut near) = pair(Security::Tls);
        let (mut wire, message) = (vec![], vec![0x55; size]);
        far.seal(b"before", &mut wire).expect("the connection stands");
        let whole = wire.len();
        far.seal(&message, &mut wire).expect("the connection stands");
        let at = at.index(wire.len() - whole);
        wire[whole + at] ^= 1 << bit;
        let mut plain = vec![];
        let opened = near.open(&wire, &mut plain);
        if VERSION_BYTES.contains(&at) && opened.is_ok() {
            assert_eq!(plain, [b"before".as_slice(), &message].concat());
            return Ok(());
        }
        assert_eq!(plain, b"before");
        if opened.is_ok() {
            assert!(LENGTH_BYTES.contains(&at), "byte {at} of a record was changed");
            let mut flood = vec![];
            far.seal(&[0; 40000], &mut flood).expect("the connection stands");
            near.open(&flood, &mut plain).expect_err("what follows completes the longer record");
            assert_eq!(plain, b"before");
        }
        near.open(b"more", &mut plain).expect_err("it stays an error");
        near.seal(b"answer", &mut vec![]).expect_err("nothing more can be said");
    }
}

#[test]
fn records_in_another_order_twice_or_missing_are_an_error() {
    let records = |cipher: &mut Cipher| -> Vec<Vec<u8>> {
        let seal = |byte: u8| {
            let mut wire = vec![];
            cipher.seal(&[byte; 64], &mut wire).expect("the connection stands");
            wire
        };
        (1..=3).map(seal).collect()
    };
    for order in [vec![1, 0, 2], vec![0, 0, 1], vec![0, 2]] {
        let (mut far, mut near) = pair(Security::Tls);
        let sealed = records(&mut far);
        let mut plain = vec![];
        let wire: Vec<u8> = order.iter().flat_map(|place| sealed[*place].clone()).collect();
        assert!(matches!(near.open(&wire, &mut plain), Err(CipherError::Tls(_))), "{order:?}");
        assert!(plain.len() <= 64, "{order:?}");
    }
}
