use super::*;
use proptest::prelude::*;

const SMALL: SessionLimits = SessionLimits { sessions_max: 3, window: 4, reply_bytes_max: 8 };

fn small() -> ClientTable {
    ClientTable::new(SMALL).expect("the limits are in range")
}

fn encoded(table: &ClientTable) -> Vec<u8> {
    let mut bytes = Vec::new();
    table.encode(&mut bytes);
    bytes
}

fn reply(bytes: &[u8]) -> Reply {
    let mut reply = Reply::new(SMALL.reply_bytes_max);
    reply.write(bytes);
    reply
}

#[test]
fn a_duplicate_gets_the_first_reply_and_the_first_slot() {
    let mut table = small();
    let session = table.open().expect("ids are left");
    assert_eq!(table.admit(session, 1), Admission::New);
    table.keep(session, 1, Slot(10), &reply(b"one"));
    assert_eq!(table.admit(session, 1), Admission::Duplicate { slot: Slot(10), reply: Some(b"one") });
}

#[test]
fn a_reply_that_was_too_large_stays_too_large_for_the_duplicate() {
    let mut table = small();
    let session = table.open().expect("ids are left");
    table.keep(session, 1, Slot(10), &reply(b"123456789"));
    assert_eq!(table.admit(session, 1), Admission::Duplicate { slot: Slot(10), reply: None });
}

#[test]
fn pipelined_commands_may_be_applied_out_of_order_within_the_window() {
    let mut table = small();
    let session = table.open().expect("ids are left");
    table.keep(session, 4, Slot(10), &reply(b"four"));
    assert_eq!(table.admit(session, 2), Admission::New);
    table.keep(session, 2, Slot(11), &reply(b"two"));
    assert_eq!(table.admit(session, 1), Admission::New);
    assert_eq!(table.admit(session, 2), Admission::Duplicate { slot: Slot(11), reply: Some(b"two") });
    table.keep(session, 5, Slot(12), &reply(b"five"));
    assert_eq!(table.admit(session, 1), Admission::TooOld);
    assert_eq!(table.admit(session, 4), Admission::Duplicate { slot: Slot(10), reply: Some(b"four") });
}

#[test]
fn a_jump_over_the_whole_window_forgets_what_was_before() {
    let mut table = small();
    let session = table.open().expect("ids are left");
    table.keep(session, 1, Slot(1), &reply(b""));
    table.keep(session, u64::MAX, Slot(2), &reply(b""));
    assert_eq!(table.admit(session, 1), Admission::TooOld);
    assert_eq!(table.admit(session, u64::MAX - 3), Admission::New);
    assert_eq!(table.admit(session, u64::MAX - 4), Admission::TooOld);
    assert_eq!(table.admit(session, 0), Admission::TooOld);
}

#[test]
fn the_session_used_least_recently_is_evicted_and_its_id_is_never_used_again() {
    let mut table = small();
    let sessions: Vec<u64> = (0..3).map(|_| table.open().expect("ids are left")).collect();
    table.admit(sessions[0], 1);
    let newcomer = table.open().expect("ids are left");
    assert!(!sessions.contains(&newcomer));
    assert_eq!(table.admit(sessions[1], 1), Admission::Expired);
    assert_eq!(table.admit(sessions[0], 1), Admission::New);
    assert_eq!(table.admit(newcomer, 1), Admission::New);
    assert_eq!(table.admit(0, 1), Admission::Expired);
}

#[test]
fn limits_out_of_range_are_refused_with_the_range() {
    let error = ClientTable::new(SessionLimits { window: 65, ..SMALL }).expect_err("65 bits do not fit a word");
    assert_eq!(error.to_string(), "window is 65; it must be in 1..=64");
    assert!(ClientTable::new(SessionLimits { sessions_max: 1 << 24, window: 64, reply_bytes_max: 1 << 20 }).is_err());
}

#[test]
fn a_snapshot_that_claims_more_sessions_than_ids_can_count_is_refused() {
    let mut bytes = Vec::new();
    small().encode(&mut bytes);
    assert!(ClientTable::decode(SMALL, &bytes).is_ok());
    for opened in [u64::MAX, 1 << 40] {
        bytes[32..40].copy_from_slice(&opened.to_le_bytes());
        assert!(ClientTable::decode(SMALL, &bytes).is_err(), "{opened}");
    }
}

#[test]
fn a_table_that_has_given_all_ids_opens_no_more_and_can_still_be_saved() {
    let mut bytes = encoded(&small());
    bytes[32..40].copy_from_slice(&((1u64 << 40) - 2).to_le_bytes());
    let mut table = ClientTable::decode(SMALL, &bytes).expect("one id is left");
    let last = table.open().expect("one id is left");
    assert_eq!(table.admit(last, 1), Admission::New);
    assert_eq!(table.open(), None);
    assert_eq!(table.open_sessions(), 1, "nobody's session was forgotten for it");
    let saved = encoded(&table);
    assert_eq!(encoded(&ClientTable::decode(SMALL, &saved).expect("what a table has written can be read")), saved);
}

#[test]
fn a_snapshot_under_other_limits_is_refused() {
    let bytes = encoded(&small());
    assert!(ClientTable::decode(SessionLimits { window: 5, ..SMALL }, &bytes).is_err());
    assert!(ClientTable::decode(SMALL, &bytes).is_ok());
}

#[test]
fn a_table_that_is_full_to_the_brim_takes_the_announced_bytes() {
    let mut table = small();
    for slot in 1..=SMALL.sessions_max as u64 {
        let session = table.open().expect("ids are left");
        for sequence in 1..=SMALL.window as u64 {
            table.keep(session, sequence, Slot(slot), &reply(&[1; 8]));
        }
    }
    assert_eq!(encoded(&table).len(), SMALL.encoded_bytes_max());
}

/// What may happen to a table.
#[derive(Clone, Debug)]
enum Step {
    Open,
    /// A command of the `n`-th session opened so far.
    Command {
        nth: usize,
        sequence: u64,
        reply: Vec<u8>,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let command = (0..8usize, 0..12u64, prop::collection::vec(any::<u8>(), 0..11));
    let step = prop_oneof![
        1 => Just(Step::Open),
        5 => command.prop_map(|(nth, sequence, reply)| Step::Command { nth, sequence, reply }),
    ];
    prop::collection::vec(step, 0..80)
}

/// Takes a step and says what came of it.
fn take(table: &mut ClientTable, opened: &mut Vec<u64>, slot: Slot, step: &Step) -> String {
    match step {
        Step::Open => {
            opened.push(table.open().expect("ids are left"));
            format!("{:x}", opened[opened.len() - 1])
        }
        Step::Command { nth, sequence, reply: bytes } => {
            let session = opened.get(*nth).copied().unwrap_or(99);
            let admission = table.admit(session, *sequence);
            let told = format!("{admission:?}");
            if admission == Admission::New {
                table.keep(session, *sequence, slot, &reply(bytes));
            }
            told
        }
    }
}

proptest! {
    #[test]
    fn a_restored_table_goes_on_exactly_as_the_original(before in steps(), after in steps()) {
        let (mut table, mut opened) = (small(), Vec::new());
        for (slot, step) in (1..).zip(&before) {
            take(&mut table, &mut opened, Slot(slot), step);
        }
        let bytes = encoded(&table);
        let mut restored = ClientTable::decode(SMALL, &bytes).expect("its own encoding");
        prop_assert_eq!(&encoded(&restored), &bytes);
        let mut opened_by_restored = opened.clone();
        for (slot, step) in (1000..).zip(&after) {
            let expected = take(&mut table, &mut opened, Slot(slot), step);
            prop_assert_eq!(take(&mut restored, &mut opened_by_restored, Slot(slot), step), expected);
        }
        prop_assert_eq!(encoded(&restored), encoded(&table));
    }

    #[test]
    fn no_command_is_admitted_twice(sequences in prop::collection::vec(1u64..40, 0..200)) {
        let mut table = small();
        let session = table.open().expect("ids are left");
        let mut seen = std::collections::HashSet::new();
        for sequence in sequences {
            if table.admit(session, sequence) == Admission::New {
                prop_assert!(seen.insert(sequence), "sequence {} was admitted twice", sequence);
                table.keep(session, sequence, Slot(1), &reply(b""));
            }
        }
    }

    #[test]
    fn damaged_bytes_are_refused_or_decode_to_a_table_with_that_very_encoding(
        before in steps(), at in any::<prop::sample::Index>(), flip in 1u8..=255, cut in any::<prop::sample::Index>(),
    ) {
        let (mut table, mut opened) = (small(), Vec::new());
        for (slot, step) in (1..).zip(&before) {
            take(&mut table, &mut opened, Slot(slot), step);
        }
        let whole = encoded(&table);
        prop_assert!(ClientTable::decode(SMALL, &whole[..cut.index(whole.len())]).is_err());
        let mut damaged = whole;
        let at = at.index(damaged.len());
        damaged[at] ^= flip;
        if let Ok(table) = ClientTable::decode(SMALL, &damaged) {
            prop_assert_eq!(encoded(&table), damaged);
        }
    }
}
