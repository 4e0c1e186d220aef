//! Hello and greeting against bytes of every kind: what was not written by the encoder is not read, and nothing panics.

use paxon_channel::{
    DecodeError, GREETING_BYTES, Greeting, HELLO_BYTES, Hello, LayoutField, Purpose, Refusal, Security, Welcome,
};
use paxon_fastpath::{Layout, ReplicaId};
use proptest::prelude::*;

fn hello() -> Hello {
    Hello {
        purpose: Purpose::Operations,
        cluster: 0x1122_3344_5566_7788,
        from: Some(ReplicaId(2)),
        to: ReplicaId(1),
        layout: Layout { replicas: 3, cells: 1 << 14, arena_words: 1 << 20, snapshot_words: 1 << 22 },
        incarnation: u64::MAX - 1,
        attempt: 0xabcd_0000_0001,
    }
}

fn greetings() -> Vec<Greeting> {
    let (one, two) = (ReplicaId(1), ReplicaId(2));
    let refusals = [
        Refusal::Version { here: 1, yours: 2 },
        Refusal::Cluster { here: 3, yours: u64::MAX },
        Refusal::Recipient { here: one, yours: two },
        Refusal::Impostor { here: Some(one), yours: None },
        Refusal::Impostor { here: None, yours: Some(two) },
        Refusal::NoPeer { yours: ReplicaId(255) },
        Refusal::Purpose { yours: Purpose::RdmaSetup },
        Refusal::Layout { field: LayoutField::SnapshotWords, here: 1, yours: u64::MAX },
        Refusal::Security { here: Security::Plaintext },
        Refusal::Damaged,
        Refusal::NotServed { yours: Purpose::Floor },
        Refusal::Busy { most: 64, retry_ms: 1000 },
        Refusal::Stale,
    ];
    let welcome = Welcome { incarnation: u64::MAX, frame_bytes_max: u32::MAX, outstanding_max: 1 };
    refusals.into_iter().map(Greeting::Refused).chain([Greeting::Welcome(welcome)]).collect()
}

#[test]
fn every_hello_and_greeting_is_read_as_it_was_written() {
    for purpose in [Purpose::Operations, Purpose::RdmaSetup, Purpose::Client, Purpose::Floor] {
        for from in [None, Some(ReplicaId(0)), Some(ReplicaId(255))] {
            let hello = Hello { purpose, from, ..hello() };
            assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
        }
    }
    for greeting in greetings() {
        assert_eq!(Greeting::decode(&greeting.encode()), Ok(greeting));
    }
}

#[test]
fn no_flipped_bit_is_accepted() {
    let bytes = hello().encode();
    for bit in 0..HELLO_BYTES * 8 {
        let mut bytes = bytes;
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Hello::decode(&bytes).is_err(), "bit {bit} of the hello");
    }
    for greeting in greetings() {
        for bit in 0..GREETING_BYTES * 8 {
            let mut bytes = greeting.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Greeting::decode(&bytes).is_err(), "bit {bit} of {greeting:?}");
        }
    }
}

#[test]
fn truncated_and_oversized_messages_are_refused() {
    let (hello, greeting) = (hello().encode(), greetings()[0].encode());
    for length in 0..HELLO_BYTES {
        assert!(matches!(Hello::decode(&hello[..length]), Err(DecodeError::Size { have, .. }) if have == length));
    }
    for length in 0..GREETING_BYTES {
        assert!(matches!(Greeting::decode(&greeting[..length]), Err(DecodeError::Size { have, .. }) if have == length));
    }
    for extra in [1, 8, 1 << 16] {
        let longer = [hello.as_slice(), &vec![0; extra]].concat();
        let need = HELLO_BYTES;
        assert_eq!(Hello::decode(&longer), Err(DecodeError::Size { have: need + extra, need }));
        assert!(Greeting::decode(&[greeting.as_slice(), &vec![0; extra]].concat()).is_err());
    }
}

/// The message with other bytes at `at` and the checksum that belongs to them: what a program, not an accident, makes.
fn forged<const N: usize>(mut message: [u8; N], at: usize, bytes: &[u8]) -> [u8; N] {
    message[at..at + bytes.len()].copy_from_slice(bytes);
    let sum = xxhash_rust::xxh3::xxh3_64(&message[..N - 8]);
    message[N - 8..].copy_from_slice(&sum.to_le_bytes());
    message
}

#[test]
fn fields_without_a_meaning_are_named() {
    let field = |at, bytes: &[u8]| match Hello::decode(&forged(hello().encode(), at, bytes)) {
        Err(DecodeError::Field { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(12, &0u32.to_le_bytes()), "purpose");
    assert_eq!(field(12, &5u32.to_le_bytes()), "purpose");
    assert_eq!(field(24, &256u64.to_le_bytes()), "from");
    assert_eq!(field(32, &256u32.to_le_bytes()), "to");
    assert_eq!(field(36, &1u32.to_le_bytes()), "reserved");
    let greeting = |at, bytes: &[u8]| match Greeting::decode(&forged(greetings()[0].encode(), at, bytes)) {
        Err(DecodeError::Field { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(greeting(12, &99u32.to_le_bytes()), "code");
    assert_eq!(greeting(16, &(1u64 << 32).to_le_bytes()), "version");
    assert_eq!(greeting(32, &1u64.to_le_bytes()), "unused");
    assert_eq!(greeting(48, &1u64.to_le_bytes()), "reserved");
}

#[test]
fn a_later_version_is_told_apart_from_garbage() {
    let later = forged(hello().encode(), 8, &2u32.to_le_bytes());
    assert_eq!(Hello::decode(&later), Err(DecodeError::Version { here: 1, theirs: 2 }));
    assert!(matches!(Hello::decode(&[0x16; HELLO_BYTES]), Err(DecodeError::Magic { .. })));
}

#[test]
fn the_first_byte_is_none_of_tls() {
    assert!(!(20..=24).contains(&hello().encode()[0]));
    assert!(!(20..=24).contains(&greetings()[0].encode()[0]));
}

#[test]
fn only_hellos_of_one_process_are_older_or_newer() {
    let attempt = |attempt| Hello { attempt, ..hello() };
    assert!(attempt(7 << 32 | 1).is_older_than(&attempt(7 << 32 | 2)));
    assert!(!attempt(7 << 32 | 2).is_older_than(&attempt(7 << 32 | 2)));
    assert!(!attempt(7 << 32 | 3).is_older_than(&attempt(7 << 32 | 2)));
    assert!(!attempt(6 << 32 | 1).is_older_than(&attempt(7 << 32 | 2)));
}

proptest! {
    #[test]
    fn random_bytes_are_neither(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Hello::decode(&bytes).is_err());
        prop_assert!(Greeting::decode(&bytes).is_err());
    }

    #[test]
    fn what_a_program_forges_is_read_as_itself_or_not_at_all(at in 12usize..88, bytes in any::<[u8; 4]>()) {
        let at = at.min(HELLO_BYTES - 12);
        let forged_hello = forged(hello().encode(), at, &bytes);
        if let Ok(read) = Hello::decode(&forged_hello) {
            prop_assert_eq!(read.encode(), forged_hello);
        }
        let at = at.min(GREETING_BYTES - 12);
        let forged_greeting = forged(greetings()[0].encode(), at, &bytes);
        if let Ok(read) = Greeting::decode(&forged_greeting) {
            prop_assert_eq!(read.encode(), forged_greeting);
        }
    }
}
