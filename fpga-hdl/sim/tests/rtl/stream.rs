//! The two sides of a ready and valid handshake, each of which may stall at random.

use paxon_fpga_sim::{Model, Port};
use rand::Rng;
use rand::rngs::SmallRng;

/// One handshake of a model.
#[derive(Clone, Copy)]
pub struct Handshake {
    valid: Port,
    ready: Port,
}

impl Handshake {
    /// The handshake of these two ports.
    pub fn new(model: &Model, valid: &str, ready: &str) -> Self {
        let port = |name: &str| model.port(name).expect("the model has the port");
        Self { valid: port(valid), ready: port(ready) }
    }

    /// Offers, on a side that feeds the model; what was offered stays until it is taken.
    pub fn offer(&self, model: &mut Model, valid: bool) {
        model.set(self.valid, u64::from(valid));
    }

    /// Is ready, on a side that the model feeds.
    pub fn accept(&self, model: &mut Model, ready: bool) {
        model.set(self.ready, u64::from(ready));
    }

    /// Whether the model offers, on a side that it feeds; inputs have reached the outputs.
    pub fn offered(&self, model: &Model) -> bool {
        model.get(self.valid) == 1
    }

    /// Whether the next clock edge moves something; inputs have reached the outputs.
    pub fn moves(&self, model: &Model) -> bool {
        model.get(self.valid) == 1 && model.get(self.ready) == 1
    }
}

/// How often a side holds back: never, rarely or often, chosen anew from time to time.
pub struct Stalls {
    percent: u32,
    left: u32,
}

impl Stalls {
    /// Starts without holding back.
    pub fn new() -> Self {
        Self { percent: 0, left: 50 }
    }

    /// Whether this side goes on in this cycle.
    pub fn go(&mut self, rng: &mut SmallRng) -> bool {
        if self.left == 0 {
            self.percent = [0, 10, 50, 95][rng.random_range(0..4)];
            self.left = rng.random_range(1..300);
        }
        self.left -= 1;
        !rng.random_ratio(self.percent, 100)
    }
}
