//! The state machines of the package behind the service: snapshots of peers, and records of broken proposers.
//!
//! The input is `[machine: 2 bits | 4: a client table of its own in front of the snapshot]`, the length of a snapshot in two
//! bytes, the snapshot, and records that are decided after it.

use crate::client_table::LIMITS;
use crate::input::Input;
use paxon::machines::{Counter, KvCommand, KvLimits, KvReply, KvStore, Ledger};
use paxon_fastpath::{
    Ballot, Batch, ClientTable, Command, Decided, ENTRY_WORDS, Epoch, Flags, Header, Host, ReplicaId, Seq, Service,
    Slot, StateMachine, Unheard,
};

/// Bytes that the fuzzed store holds: so few that it is often full.
const STORE_BYTES_MAX: usize = 1 << 10;

/// A record of the input has at most 255 bytes: as many commands of one byte each, and one that opens a session.
const COMMANDS_MAX: usize = 256;
const BATCH_BYTES_MAX: usize = COMMANDS_MAX * (ENTRY_WORDS + 1) * 8;

/// Runs one input.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.u8();
    let is_framed = choice & 4 == 4;
    match choice % 3 {
        0 => {
            let store = KvStore::new(KvLimits { bytes_max: STORE_BYTES_MAX });
            kv_bytes(Input::new(data));
            run_on(store, input, is_framed);
        }
        1 => run_on(Counter::default(), input, is_framed),
        _ => run_on(Ledger::default(), input, is_framed),
    }
}

/// Commands and replies of the store as a client would read them.
fn kv_bytes(mut input: Input<'_>) {
    let bytes = input.rest();
    if let Some(command) = KvCommand::decode(bytes) {
        let mut encoded = Vec::new();
        command.encode(&mut encoded).expect("it came out of an encoding");
        assert_eq!(encoded, bytes, "one command has two encodings");
    }
    let _ = KvReply::decode(bytes);
}

type Replicated<M> = Service<M, Unheard>;

fn service<M: StateMachine>(machine: M) -> Replicated<M> {
    Service::new(machine, LIMITS, Unheard).expect("the limits are in range")
}

fn snapshot_of<M: StateMachine>(service: &mut Replicated<M>) -> Vec<u8> {
    let mut bytes = Vec::new();
    service.snapshot(&mut bytes);
    bytes
}

fn run_on<M: StateMachine + Clone>(machine: M, mut input: Input<'_>, is_framed: bool) {
    let mut live = service(machine.clone());
    let bytes = input.u16();
    let snapshot = in_frame(input.take(bytes.into()), is_framed);
    let untouched = live.digest();
    match live.restore(Slot(5), &snapshot) {
        Ok(()) => assert_eq!(snapshot_of(&mut live), snapshot, "one state has two snapshots"),
        Err(_) => assert_eq!(live.digest(), untouched, "a refused snapshot has changed the state"),
    }
    let mut slot = live.applied();
    while !input.is_empty() {
        slot = slot.next();
        decide(&mut live, slot, &mut input);
    }
    let mut answer = Vec::new();
    live.machine().query(input.rest(), &mut answer);
    let taken = snapshot_of(&mut live);
    let mut other = service(machine);
    other.restore(slot, &taken).expect("what a service has written can be read");
    assert_eq!(other.digest(), live.digest());
}

/// The snapshot of a machine behind an empty client table, if that is asked for.
fn in_frame(machine: &[u8], is_framed: bool) -> Vec<u8> {
    let mut table = Vec::new();
    if is_framed {
        let empty = ClientTable::new(LIMITS).expect("the limits are in range");
        empty.encode(&mut table);
        table.splice(..0, (table.len() as u64).to_le_bytes());
    }
    table.extend_from_slice(machine);
    table
}

/// Decides the next record of the input: one command, a batch, or words that are neither.
fn decide<M: StateMachine>(service: &mut Replicated<M>, slot: Slot, input: &mut Input<'_>) {
    let (choice, session, sequence) = (input.u8(), input.odd_u64(), input.odd_u64());
    let bytes = usize::from(input.u8());
    let payload = input.take(bytes);
    let mut batch = Batch::new(BATCH_BYTES_MAX, COMMANDS_MAX);
    let (mut flags, mut payload_bytes) = (Flags(choice & 0x3F), payload.len() as u32);
    let mut words = Input::new(payload).words(64);
    if choice & 0xC0 == 0xC0 {
        for part in payload.chunks(usize::from(choice & 7) + 1) {
            batch.push(Command { session, sequence, payload: part }).expect("the batch has room for so little");
        }
        batch.push(Command::open_session()).expect("it has room");
        (flags, payload_bytes, words) = (Flags::BATCH, batch.bytes() as u32, batch.words().to_vec());
    }
    let header = Header {
        seq: Seq::first(Epoch::FIRST),
        slot,
        ballot: Ballot::new(Epoch::FIRST, 1, ReplicaId(0)),
        commit_lag: 1,
        commands: if batch.is_empty() { u16::from(choice >> 6) } else { batch.commands() },
        flags,
        payload_bytes,
        session_or_arena: session,
        sequence,
        payload_hash: 0,
    };
    service.decided(Decided { slot, header: &header, payload: &words });
}
