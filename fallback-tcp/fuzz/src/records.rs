//! What a peer's memory holds: identity, status, head and records.
//!
//! The input is `[1: checksums made right]` and words. They are read as everything that they could be.

use crate::input::Input;
use paxon_fastpath::{
    BATCH_COMMANDS_MAX, Ballot, Batch, Cell, Command, Domain, Flags, Head, Header, INLINE_BYTES, Identity, Incarnation,
    LINE_WORDS, Layout, Promise, SealMark, Status, commands,
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Seals heads and records.
pub const SEED: u64 = 77;
/// An identity of which the fuzzed ones are variations.
pub const IDENTITY: Identity = Identity {
    cluster: 7,
    owner: 1,
    layout: Layout { replicas: 3, cells: 64, arena_words: 256, snapshot_words: 512 },
    domain: Domain::Processor,
    seal: SealMark::CHECKSUM,
    incarnation: Incarnation(9),
};
/// Words of a status page that are in use.
const STATUS_WORDS: usize = 8 * LINE_WORDS;

/// Runs one input.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let is_sealed = input.u8() & 1 == 1;
    let words = input.words(4096);
    let Some((line, payload)) = words.split_first_chunk::<LINE_WORDS>() else {
        assert_eq!(Status::parse(&words), Status::default());
        return;
    };
    identity(line, is_sealed);
    head(line, is_sealed);
    record(line, payload, is_sealed);
    status(words.clone(), is_sealed);
    let promise = Promise(line[0]);
    assert!(promise.ballot().is_none_or(|ballot| ballot == Ballot(line[0])), "{promise:?}");
}

/// The line with the checksum that fits.
fn sealed(line: &[u64; LINE_WORDS], seed: u64) -> [u64; LINE_WORDS] {
    let mut line = *line;
    line[LINE_WORDS - 1] = xxh3_64_with_seed(bytemuck::cast_slice(&line[..LINE_WORDS - 1]), seed);
    line
}

fn identity(line: &[u64; LINE_WORDS], is_sealed: bool) {
    let mut line = *line;
    if is_sealed {
        let magic = IDENTITY.encode()[0];
        line[0] = magic;
        line = sealed(&line, magic);
    }
    match Identity::decode(&line) {
        Ok(identity) => {
            assert_eq!(Identity::decode(&identity.encode()), Ok(identity));
            let expected = identity.expect(&IDENTITY);
            let is_expected = Identity { incarnation: IDENTITY.incarnation, ..identity } == IDENTITY;
            assert_eq!(expected.is_ok(), is_expected, "{identity:?}");
        }
        Err(error) => assert!(!is_sealed || error == paxon_fastpath::IdentityError::Foreign, "{error}"),
    }
}

fn head(line: &[u64; LINE_WORDS], is_sealed: bool) {
    let line = if is_sealed { sealed(line, SEED) } else { *line };
    let head = Head::decode(&line, SEED);
    assert!(head.is_some() || !is_sealed);
    if let Some(head) = head {
        assert_eq!(Head::decode(&head.encode(SEED), SEED), Some(head));
    }
}

fn record(line: &[u64; LINE_WORDS], payload: &[u64], is_sealed: bool) {
    let line = if is_sealed { sealed(line, SEED) } else { *line };
    let Some(header) = Header::decode(&line, SEED) else { return };
    assert!(header.flags.has(Flags::ARENA) || header.payload_bytes as usize <= INLINE_BYTES);
    assert!(header.commit() < header.slot);
    assert_eq!(header.encode(SEED), line, "one header has two encodings");
    let found: Result<Vec<_>, _> = commands(&header, payload).collect();
    if let Ok(found) = found {
        assert!(found.len() <= usize::from(header.commands).max(1));
        one_encoding(&header, payload, &found);
    }
    let mut cell = Cell([0; 2 * LINE_WORDS]);
    cell.0.iter_mut().zip(line.iter().chain(payload)).for_each(|(word, value)| *word = *value);
    assert_eq!(cell.line(), &line);
}

/// What a batch was read from is what its commands are packed into.
fn one_encoding(header: &Header, payload: &[u64], found: &[Command<'_>]) {
    if header.flags.has(Flags::BATCH) && !header.flags.has(Flags::NOOP) && !header.flags.has(Flags::CONFIG) {
        let mut batch = Batch::new(payload.len() * 8, BATCH_COMMANDS_MAX);
        found.iter().for_each(|command| batch.push(*command).expect("they came out of as many words"));
        assert_eq!(batch.words(), &payload[..header.payload_words()]);
        assert_eq!(batch.commands(), header.commands);
    }
}

fn status(mut words: Vec<u64>, is_sealed: bool) {
    if is_sealed && words.len() >= STATUS_WORDS {
        let magic = IDENTITY.encode()[0];
        for line in [1, 2, 5] {
            words[line * LINE_WORDS + 1] = !words[line * LINE_WORDS];
        }
        seal(&mut words[4 * LINE_WORDS..5 * LINE_WORDS], magic);
        seal(&mut words[6 * LINE_WORDS..8 * LINE_WORDS], magic);
    }
    let status = Status::parse(&words);
    if is_sealed && words.len() >= STATUS_WORDS {
        assert!(status.heartbeat.is_some() && status.applied.is_some() && status.request.is_some());
        assert!(status.snapshot.is_some());
    }
}

fn seal(lines: &mut [u64], seed: u64) {
    if let Some((sum, covered)) = lines.split_last_mut() {
        *sum = xxh3_64_with_seed(bytemuck::cast_slice(covered), seed);
    }
}
