//! Chains: what a proposer sends to the server of an acceptor, executed on memory of this process.
//!
//! The input is a [`Recipe`] and a stream of frames.

use crate::frames::{Content, LAYOUT, Memory, PROPOSER, Recipe, assert_untouched, seed_value};
use crate::input::{Input, pieces};
use paxon_fastpath::Area;
use paxon_tcp::frame::{
    Chain, HEADER_BYTES, Inbox, Kind, Receiver, ReplyEncoder, Request, Seed, ServerLimits, Violation, decode_reply,
    frame_bytes_max, read_words_max, reply_bytes,
};
use std::sync::atomic::Ordering::Relaxed;

/// Runs one input.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let recipe = Recipe::read(&mut input);
    let seed = Seed::default();
    let stream = recipe.stream(input.rest(), Kind::Chain, seed, seed_value(seed, 0));
    let before = Memory::new().content();
    let whole = outcome(&stream, 0, seed, &before);
    assert_eq!(whole, outcome(&stream, recipe.cut, seed, &before), "how the stream is cut decides what it does");
    assert_untouched(&before, &whole.memory);
    assert!(!whole.replies.is_empty() || whole.memory == before, "memory has changed without a chain");
}

/// What a stream of chains does.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The replies, one behind the other.
    pub replies: Vec<u8>,
    /// What all areas hold in the end.
    pub memory: Content,
    /// How the session ends, if the stream ends it.
    pub end: Result<(), Violation>,
}

/// Executes a stream of chains on memory that begins with a content.
///
/// # Panics
/// If a chain that is to be executed is not one that may be.
pub fn outcome(stream: &[u8], cut: u8, seed: Seed, content: &Content) -> Outcome {
    let frame_bytes_max = frame_bytes_max(&LAYOUT);
    let limits =
        ServerLimits { layout: LAYOUT, proposer: PROPOSER, frame_bytes_max, read_words_max: read_words_max(&LAYOUT) };
    let (executed, replies) = (Vec::new(), ReplyEncoder::default());
    let mut server = Server { memory: Memory::of(content), limits, seed, executed, replies };
    let mut inbox = Inbox::default();
    let end = pieces(stream, cut).try_for_each(|piece| {
        inbox.feed(piece, &mut server)?;
        assert!(inbox.held() < frame_bytes_max, "{} bytes are held back", inbox.held());
        Ok(())
    });
    server.check_replies();
    Outcome { replies: server.replies.bytes().to_vec(), memory: server.memory.content(), end }
}

/// Executes chains as the server does.
struct Server {
    memory: Memory,
    limits: ServerLimits,
    seed: Seed,
    /// The words that each chain has read.
    executed: Vec<Vec<u64>>,
    replies: ReplyEncoder,
}

impl Server {
    fn execute(&mut self, request: Request<'_>, read: &mut Vec<u64>) -> u64 {
        match request {
            Request::Write { span, words } => {
                assert_eq!((span.area, span.words), (Area::Lane(PROPOSER), words.len()));
                for (place, word) in self.memory.words(span.area)[span.start..][..span.words].iter().zip(words) {
                    place.store(u64::from_le_bytes(*word), Relaxed);
                }
                0
            }
            Request::Read(span) => {
                let words = &self.memory.words(span.area)[span.start..][..span.words];
                self.replies.read(words);
                read.extend(words.iter().map(|word| word.load(Relaxed)));
                0
            }
            Request::Cas { expected, new } => {
                let promise = &self.memory.words(Area::Promise)[0];
                promise.compare_exchange(expected, new, Relaxed, Relaxed).unwrap_or_else(|found| found)
            }
        }
    }

    /// The proposer's side reads what the server has said.
    fn check_replies(&self) {
        let mut rest = self.replies.bytes();
        for (number, expected) in (1..).zip(&self.executed) {
            let (frame, after) = rest.split_at(reply_bytes(expected.len()));
            let (_, words) = decode_reply(frame, number, self.seed).expect("a reply of this server");
            assert!(words.iter().map(|word| u64::from_le_bytes(*word)).eq(expected.iter().copied()));
            rest = after;
        }
        assert!(rest.is_empty());
    }
}

impl Receiver for Server {
    fn length(&self, header: &[u8; HEADER_BYTES]) -> Result<usize, Violation> {
        Chain::length(header, self.seed, &self.limits)
    }

    fn frame(&mut self, frame: &[u8]) -> Result<(), Violation> {
        let chain = Chain::decode(frame, self.seed, &self.limits)?;
        if chain.number != self.executed.len() as u64 + 1 {
            return Err(Violation::Order);
        }
        self.replies.begin();
        let mut read = Vec::new();
        let found = chain.requests().map(|request| self.execute(request, &mut read)).max().unwrap_or(0);
        assert_eq!(read.len(), chain.read_words);
        self.replies.finish(chain.number, found, self.seed);
        self.executed.push(read);
        Ok(())
    }
}
