//! The corpus: a few valid inputs of each target, from which a fuzzer gets to the others.

mod channel;
mod clients;
mod engine;
mod fabric;

pub use channel::hellos;

/// A seed: its target, its name, its bytes.
pub type Seed = (&'static str, String, Vec<u8>);

/// All seeds.
pub fn all() -> Vec<Seed> {
    [channel::all(), fabric::all(), clients::all(), engine::all()].concat()
}

fn seed(target: &'static str, name: &str, parts: &[&[u8]]) -> Seed {
    (target, name.to_owned(), parts.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seed of a target with a name.
    fn bytes(target: &str, name: &str) -> Vec<u8> {
        let found = all().into_iter().find(|seed| seed.0 == target && seed.1 == name);
        found.map(|(_, _, bytes)| bytes).expect("there is such a seed")
    }

    #[test]
    fn the_chains_of_the_seeds_are_executed() {
        use crate::frames::{Memory, Recipe};
        use paxon_tcp::frame::{Kind, Seed as Sums, Violation};
        let before = Memory::new().content();
        for (name, expected) in [("repaired", Ok(())), ("raw", Ok(())), ("flipped", Err(Violation::Checksum))] {
            let bytes = bytes("tcp_chains", name);
            let mut input = crate::input::Input::new(&bytes);
            let recipe = Recipe::read(&mut input);
            let stream = recipe.stream(input.rest(), Kind::Chain, Sums::default(), 0);
            let outcome = crate::tcp_chains::outcome(&stream, recipe.cut, Sums::default(), &before);
            assert_eq!(outcome.end, expected, "{name}");
            assert_eq!(outcome.replies.is_empty(), expected.is_err(), "{name}");
        }
    }

    #[test]
    fn the_messages_of_the_seeds_are_read() {
        use paxon_client::wire::{Reply, Request};
        for name in ["repaired", "raw"] {
            let mut read = [0, 0];
            crate::client_frames::read(&bytes("client_requests", name), |_, body| {
                read[0] += u32::from(Request::decode(body).is_ok());
            });
            crate::client_frames::read(&bytes("client_replies", name), |_, body| {
                read[1] += u32::from(Reply::decode(body).is_ok());
            });
            assert_eq!(read, [8, 7], "{name}");
        }
    }

    #[test]
    fn the_seeds_of_the_engine_elect_a_leader_that_commits() {
        assert_eq!(crate::memory::decided(&bytes("memory", "lead")), 2, "a proposal of each of two lives");
        assert!(crate::memory::decided(&bytes("memory", "follow")) > 0);
    }
}
