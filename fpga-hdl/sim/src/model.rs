//! A verilated model whose ports are set and read by name.

use crate::ffi::{RawModel, RawPort};
use thiserror::Error;

/// Why a model cannot be used as asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No such line in `models.txt`.
    #[error("no verilated model is named {name:?}: add it to models.txt")]
    NoModel {
        /// The name asked for.
        name: String,
    },
    /// The top module has no such port.
    #[error("the top module of {model:?} has no port {port:?}")]
    NoPort {
        /// The model's name.
        model: String,
        /// The port asked for.
        port: String,
    },
}

/// A port of one model; good for models of the same name only.
#[derive(Clone, Copy, Debug)]
pub struct Port(RawPort);

/// One simulated circuit: inputs are set, the clock runs, outputs are read.
pub struct Model {
    name: String,
    raw: RawModel,
    cycles: u64,
}

impl Model {
    /// Builds the circuit of that name and resets it.
    ///
    /// # Errors
    /// [`ModelError::NoModel`] when `models.txt` has no such model.
    pub fn new(name: &str) -> Result<Self, ModelError> {
        let raw = RawModel::new(name).ok_or_else(|| ModelError::NoModel { name: name.to_owned() })?;
        let mut model = Self { name: name.to_owned(), raw, cycles: 0 };
        model.reset()?;
        Ok(model)
    }

    /// Holds the reset for two cycles and lets go of it.
    ///
    /// # Errors
    /// [`ModelError::NoPort`] when the circuit has no `rst_ni`.
    pub fn reset(&mut self) -> Result<(), ModelError> {
        let reset = self.port("rst_ni")?;
        // Verilator sees a change of level, so that the reset comes from above.
        self.set(reset, 1);
        self.eval();
        self.set(reset, 0);
        self.clock(2);
        self.set(reset, 1);
        self.eval();
        Ok(())
    }

    /// Finds a port of the top module.
    ///
    /// # Errors
    /// [`ModelError::NoPort`] when there is none of that name.
    pub fn port(&self, name: &str) -> Result<Port, ModelError> {
        let missing = || ModelError::NoPort { model: self.name.clone(), port: name.to_owned() };
        self.raw.port(name).map(Port).ok_or_else(missing)
    }

    /// Sets an input of at most 64 bits.
    ///
    /// # Panics
    /// When the port is an output or the value does not fit.
    pub fn set(&mut self, port: Port, value: u64) {
        let words = [value as u32, (value >> 32) as u32];
        let bits = port.0.bits;
        if bits > 64 {
            return self.set_words(port, &words);
        }
        assert!(port.0.input, "{}: an output is not set", self.name);
        assert!(bits == 64 || value >> bits == 0, "{}: {bits} bits do not hold the value", self.name);
        self.raw.write(port.0, &words[..bits.div_ceil(32) as usize]);
    }

    /// Sets an input from 32-bit words, lowest first; missing words are zero.
    ///
    /// # Panics
    /// When the port is an output or the value does not fit.
    pub fn set_words(&mut self, port: Port, words: &[u32]) {
        assert!(port.0.input, "{}: an output is not set", self.name);
        let count = port.0.bits.div_ceil(32) as usize;
        let mut whole = vec![0; count];
        for (at, word) in words.iter().enumerate() {
            let width = port.0.bits.saturating_sub(32 * at as u32);
            assert!(width >= 32 || *word >> width == 0, "{}: {} bits do not hold the value", self.name, port.0.bits);
            if at < count {
                whole[at] = *word;
            }
        }
        self.raw.write(port.0, &whole);
    }

    /// Sets an input from bytes, lowest first.
    ///
    /// # Panics
    /// When the port is an output or the value does not fit.
    pub fn set_bytes(&mut self, port: Port, bytes: &[u8]) {
        let word = |chunk: &[u8]| chunk.iter().rev().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        self.set_words(port, &bytes.chunks(4).map(word).collect::<Vec<_>>());
    }

    /// Reads the low 64 bits of a port.
    pub fn get(&self, port: Port) -> u64 {
        let count = port.0.bits.div_ceil(32) as usize;
        if count > 2 {
            let words = self.get_words(port);
            return u64::from(words[0]) | u64::from(words[1]) << 32;
        }
        let mut words = [0; 2];
        self.raw.read(port.0, &mut words[..count]);
        u64::from(words[0]) | u64::from(words[1]) << 32
    }

    /// Reads a port as 32-bit words, lowest first.
    pub fn get_words(&self, port: Port) -> Vec<u32> {
        let mut words = vec![0; port.0.bits.div_ceil(32) as usize];
        self.raw.read(port.0, &mut words);
        words
    }

    /// Reads a port as bytes, lowest first.
    pub fn get_bytes(&self, port: Port) -> Vec<u8> {
        let bytes = self.get_words(port).into_iter().flat_map(u32::to_le_bytes);
        bytes.take(port.0.bits.div_ceil(8) as usize).collect()
    }

    /// Lets inputs that were set reach the outputs, without a clock edge.
    pub fn eval(&mut self) {
        self.raw.eval();
    }

    /// Runs whole cycles.
    pub fn clock(&mut self, cycles: u64) {
        self.raw.clock(cycles);
        self.cycles += cycles;
    }

    /// Cycles since the model was built, those of the reset included.
    pub fn cycles(&self) -> u64 {
        self.cycles
    }
}
