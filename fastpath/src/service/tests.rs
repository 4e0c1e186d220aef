use super::*;
use crate::command::{Batch, Commands};
use crate::record::Header;
use crate::test_records::{batch_header, inline_header};

const LIMITS: SessionLimits = SessionLimits { sessions_max: 2, window: 4, reply_bytes_max: 8 };

/// Adds up the bytes of its commands and replies with the sum.
#[derive(Default)]
struct Sum(u64);

impl StateMachine for Sum {
    /// 66 may not come before 10 is reached.
    fn screen(&mut self, _: Slot, command: &Command<'_>) -> Result<(), u8> {
        if command.payload == [66] && self.0 < 10 { Err(4) } else { Ok(()) }
    }

    fn apply(&mut self, _: Slot, command: &[u8], reply: &mut Reply) {
        self.0 += command.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        reply.write(&self.0.to_le_bytes());
        if command == [99] {
            reply.write(b"more than fits");
        }
    }

    fn snapshot(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.0.to_le_bytes());
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.0 = u64::from_le_bytes(bytes.try_into().map_err(|_| SnapshotError)?);
        Ok(())
    }

    fn digest(&self) -> u64 {
        self.0
    }
}

/// Writes the outcomes down as a human would.
#[derive(Default)]
struct Transcript(Vec<String>);

impl Outcomes for Transcript {
    fn answered(&mut self, answer: Answer<'_>) {
        let what = match answer.outcome {
            Outcome::Applied { first, reply } => format!("{} at {first}", reply[0]),
            Outcome::ReplyTooLarge { first } => format!("too large at {first}"),
            Outcome::SessionOpened { session } => format!("session {session:#x}"),
            Outcome::TooOld => "too old".into(),
            Outcome::SessionExpired => "expired".into(),
            Outcome::Refused { code } => format!("refused {code}"),
        };
        self.0.push(format!("{}.{} {what}", answer.slot, answer.index));
    }
}

fn service() -> Service<Sum, Transcript> {
    Service::new(Sum::default(), LIMITS, Transcript::default()).expect("the limits are in range")
}

fn decide(service: &mut Service<Sum, Transcript>, slot: u64, batch: &[Command<'_>]) {
    let mut packed = Batch::new(4096, 64);
    for command in batch {
        packed.push(*command).expect("room");
    }
    service.decided(Decided { slot: Slot(slot), header: &batch_header(&packed), payload: packed.words() });
}

const fn add(session: u64, sequence: u64, payload: &[u8]) -> Command<'_> {
    Command { session, sequence, payload }
}

/// The first session that a table with room opens.
const FIRST: u64 = 1 << 24;

fn saved(service: &mut Service<Sum, Transcript>) -> Vec<u8> {
    let mut bytes = b"kept".to_vec();
    service.snapshot(&mut bytes);
    bytes.split_off(4)
}

#[test]
fn a_command_sent_twice_is_applied_once_and_answered_twice() {
    let mut service = service();
    decide(&mut service, 1, &[Command::open_session()]);
    decide(&mut service, 2, &[add(FIRST, 1, &[5]), add(FIRST, 2, &[1])]);
    decide(&mut service, 3, &[add(FIRST, 1, &[5]), Command::plain(&[3]), Command::plain(&[3])]);
    assert_eq!(
        service.outcomes().0,
        ["s1.0 session 0x1000000", "s2.0 5 at s2", "s2.1 6 at s2", "s3.0 5 at s2", "s3.1 9 at s3", "s3.2 12 at s3"]
    );
    assert_eq!(service.applied(), Slot(3));
}

#[test]
fn old_unknown_and_oversized_commands_have_the_same_outcome_each_time() {
    let mut service = service();
    decide(&mut service, 1, &[Command::open_session()]);
    decide(&mut service, 2, &[add(FIRST, 9, &[99]), add(FIRST, 9, &[99]), add(FIRST, 5, &[1]), add(77, 1, &[1])]);
    assert_eq!(
        service.outcomes().0[1..],
        ["s2.0 too large at s2", "s2.1 too large at s2", "s2.2 too old", "s2.3 expired"]
    );
    assert_eq!(service.machine().0, 99);
}

#[test]
fn an_inline_record_carries_its_session_in_the_header() {
    let mut service = service();
    decide(&mut service, 1, &[Command::open_session()]);
    for slot in [2, 3] {
        let header = Header { slot: Slot(slot), ..inline_header(FIRST, 1, 2) };
        service.decided(Decided { slot: Slot(slot), header: &header, payload: &[0x0203] });
    }
    assert_eq!(service.outcomes().0[1..], ["s2.0 5 at s2", "s3.0 5 at s2"]);
}

#[test]
fn a_malformed_record_is_counted_and_ends_the_slot() {
    let mut service = service();
    let mut packed = Batch::new(4096, 64);
    packed.push(Command::plain(&[1])).expect("room");
    let header = Header { commands: 2, ..batch_header(&packed) };
    service.decided(Decided { slot: Slot(1), header: &header, payload: packed.words() });
    assert_eq!((service.malformed(), service.applied(), service.machine().0), (1, Slot(1), 1));
}

#[test]
fn a_duplicate_is_recognised_across_a_snapshot() {
    let mut original = service();
    decide(&mut original, 1, &[Command::open_session(), add(FIRST, 1, &[7])]);
    let bytes = saved(&mut original);
    let mut restored = service();
    restored.restore(Slot(1), &bytes).expect("its own snapshot");
    assert_eq!(restored.digest(), original.digest());
    for service in [&mut original, &mut restored] {
        decide(service, 2, &[add(FIRST, 1, &[7]), Command::open_session()]);
    }
    assert_eq!(restored.outcomes().0, ["s2.0 7 at s1", "s2.1 session 0x2000001"]);
    assert_eq!(original.outcomes().0[2..], restored.outcomes().0);
    assert_eq!(restored.digest(), original.digest());
}

#[test]
fn a_damaged_snapshot_leaves_the_state_as_it_was() {
    let mut service = service();
    decide(&mut service, 1, &[Command::open_session(), add(FIRST, 1, &[7])]);
    let (digest, bytes) = (service.digest(), saved(&mut service));
    for cut in 0..bytes.len() {
        assert!(service.restore(Slot(9), &bytes[..cut]).is_err(), "{cut} bytes of {}", bytes.len());
    }
    assert_eq!((service.digest(), service.applied()), (digest, Slot(1)));
}

#[test]
fn a_record_with_the_most_commands_is_applied_whole() {
    let mut service = service();
    let mut packed = Batch::new(1 << 21, usize::MAX);
    while packed.push(Command::plain(&[])).is_ok() {}
    let mut words = packed.words().to_vec();
    words.extend([0; 3]);
    let header = Header { payload_bytes: words.len() as u32 * 8, ..batch_header(&packed) };
    service.decided(Decided { slot: Slot(1), header: &header, payload: &words });
    assert_eq!((service.outcomes().0.len(), service.malformed()), (usize::from(u16::MAX), 1));
}

#[test]
fn a_refused_command_changes_nothing_and_leaves_its_number_free() {
    let mut service = service();
    decide(&mut service, 1, &[Command::open_session()]);
    let before = service.digest();
    decide(&mut service, 2, &[add(FIRST, 1, &[66]), Command::plain(&[66])]);
    assert_eq!((service.digest(), service.refused()), (before, 2));
    decide(&mut service, 3, &[add(FIRST, 2, &[10]), add(FIRST, 1, &[66]), add(FIRST, 1, &[66])]);
    assert_eq!(
        service.outcomes().0[1..],
        ["s2.0 refused 4", "s2.1 refused 4", "s3.0 10 at s3", "s3.1 76 at s3", "s3.2 76 at s3"]
    );
}

/// Notes what it is told to expect.
#[derive(Default)]
struct Waiting(Vec<(Slot, u64)>);

impl StateMachine for Waiting {
    fn apply(&mut self, _: Slot, _: &[u8], _: &mut Reply) {}

    fn expects(&self) -> bool {
        true
    }

    fn expect(&mut self, slot: Slot, commands: Commands<'_>) {
        self.0.extend(commands.flatten().map(|command| (slot, command.sequence)));
    }

    fn apply_command(&mut self, slot: Slot, command: &Command<'_>, reply: &mut Reply) {
        assert!(self.0.contains(&(slot, command.sequence)), "announced before it is applied");
        reply.write(&command.sequence.to_le_bytes());
    }

    fn snapshot(&self, _: &mut Vec<u8>) {}

    fn restore(&mut self, _: &[u8]) -> Result<(), SnapshotError> {
        Ok(())
    }

    fn digest(&self) -> u64 {
        0
    }
}

#[test]
fn a_machine_that_expects_hears_of_all_commands_of_a_record_before_the_first_is_applied() {
    let mut service = Service::new(Waiting::default(), LIMITS, Unheard).expect("the limits are in range");
    let mut packed = Batch::new(4096, 64);
    for sequence in [5, 6] {
        packed.push(Command { session: 0, sequence, payload: &[] }).expect("room");
    }
    let (header, payload) = (batch_header(&packed), packed.words());
    service.expected(Expected { slot: Slot(1), header: &header, payload });
    assert_eq!(service.machine().0, [(Slot(1), 5), (Slot(1), 6)]);
    service.decided(Decided { slot: Slot(1), header: &header, payload });
    assert_eq!(service.machine().0.len(), 4, "a record that comes with its decision is announced all the same");
}
