//! What stands behind a bus: is it a verifier, of which version, how large.

use crate::bus::Bus;
use crate::registers as map;
use std::fmt;
use thiserror::Error;

/// The first version of the map. It has no `FEATURES`; everything else that the driver uses is the same.
const VERSION_FIRST: u32 = 1;

/// The version from which `FEATURES` and what stands behind it are there.
const VERSION_FEATURES: u32 = 2;

/// Why there is no device to drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// All ones: nothing answers.
    #[error("nothing answers (all ones): the card is gone, unpowered, or its memory space is not enabled")]
    Gone,
    /// Something else answers.
    #[error("MAGIC reads {found:#010x}, not {expected:#010x}: this is not the verifier, or not the BAR that it is behind", expected = map::MAGIC_VALUE)]
    NotAVerifier {
        /// What was read.
        found: u32,
    },
    /// A map that this driver does not know.
    #[error("the device has version {found} of the register map, this driver knows {VERSION_FIRST} to {known}: load another bitstream or use another driver", known = map::VERSION_VALUE)]
    Version {
        /// What was read.
        found: u32,
    },
    /// Sizes that make no sense.
    #[error("the device says {what} {found:#x}, which no device has: the bitstream is broken or the bus is")]
    Capabilities {
        /// What was read.
        what: &'static str,
        /// Its value.
        found: u32,
    },
    /// The software that has to stand in does not verify Ed25519.
    #[error("the software verifier does not support Ed25519: it could not stand in for the device")]
    Software,
}

/// What a device says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Version of the register map.
    pub version: u32,
    /// Engines.
    pub engines: u8,
    /// Rows of an engine's multiplier: 1, 2, 4 or 11.
    pub rows: u8,
    /// Signatures that an engine works on at a time.
    pub contexts: u8,
    /// Most requests in flight.
    pub in_flight: u32,
    /// Whether it reads and writes memory of the host.
    pub memory_port: bool,
    /// Units that read slots and hash messages.
    pub fetch_units: u8,
    /// Entries of the table of hot keys, 0 without one.
    pub hot_keys: u16,
    /// The longest message.
    pub message_bytes_max: u32,
}

impl Identity {
    /// Asks the device. Reads only.
    ///
    /// # Errors
    /// [`OpenError`] when it is none that this driver can use.
    pub fn read(bus: &mut impl Bus) -> Result<Self, OpenError> {
        match bus.read(map::MAGIC) {
            map::MAGIC_VALUE => {}
            u32::MAX => return Err(OpenError::Gone),
            found => return Err(OpenError::NotAVerifier { found }),
        }
        let version = bus.read(map::VERSION);
        if !(VERSION_FIRST..=map::VERSION_VALUE).contains(&version) {
            return Err(OpenError::Version { found: version });
        }
        let word = bus.read(map::CAPABILITIES);
        let [engines, rows, contexts, in_flight_log2] = word.to_le_bytes();
        if engines == 0 || ![1, 2, 4, 11].contains(&rows) || contexts == 0 || !(1..=15).contains(&in_flight_log2) {
            return Err(OpenError::Capabilities { what: "capabilities", found: word });
        }
        let features = if version >= VERSION_FEATURES { bus.read(map::FEATURES) } else { 1 << 8 };
        let longest =
            if version >= VERSION_FEATURES { bus.read(map::MESSAGE_BYTES_MAX) } else { map::SLOT_INLINE_BYTES };
        if longest < map::SLOT_INLINE_BYTES {
            return Err(OpenError::Capabilities { what: "a longest message of", found: longest });
        }
        Ok(Self {
            version,
            engines,
            rows,
            contexts,
            in_flight: 1 << in_flight_log2,
            memory_port: features & map::FEATURE_MEMORY != 0,
            fetch_units: (features >> 8) as u8,
            hot_keys: (features >> 16) as u16,
            message_bytes_max: longest,
        })
    }

    /// Cycles that an engine needs for a signature when it has plenty: 2,919 products, each of which takes as many cycles as
    /// the rows have to be walked through for 11 rows of work.
    pub fn cycles_per_signature(&self) -> u64 {
        2_919 * 11_u64.div_ceil(self.rows.into())
    }

    /// Whether the map has the registers of a queue in host memory.
    pub(crate) fn configures_queue(&self) -> bool {
        self.version >= VERSION_FEATURES
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "version {}, {} engine(s) of {} row(s) and {} contexts, {} fetch unit(s), {} requests in flight, messages of up to {} bytes, ",
            self.version,
            self.engines,
            self.rows,
            self.contexts,
            self.fetch_units,
            self.in_flight,
            self.message_bytes_max
        )?;
        let port = if self.memory_port { "a memory port" } else { "no memory port" };
        match self.hot_keys {
            0 => write!(f, "{port}, no hot keys"),
            entries => write!(f, "{port}, {entries} hot keys"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Registers 0x00 to 0x0c and nothing else.
    struct Words([u32; 4]);

    impl Bus for Words {
        fn read(&mut self, address: u32) -> u32 {
            self.0.get(address as usize / 4).copied().unwrap_or(map::UNMAPPED_VALUE)
        }

        fn write(&mut self, _: u32, _: u32) {}

        fn place(&self) -> String {
            "words".to_owned()
        }
    }

    #[test]
    fn each_stranger_is_told_apart() {
        let read = |words| Identity::read(&mut Words(words));
        let capabilities = 7 << 24 | 16 << 16 | 11 << 8 | 2;
        let queue = 128 << 16 | 64;
        assert_eq!(read([u32::MAX; 4]), Err(OpenError::Gone));
        assert_eq!(read([7, 1, capabilities, queue]), Err(OpenError::NotAVerifier { found: 7 }));
        assert_eq!(read([map::MAGIC_VALUE, 0, capabilities, queue]), Err(OpenError::Version { found: 0 }));
        assert_eq!(read([map::MAGIC_VALUE, 99, capabilities, queue]), Err(OpenError::Version { found: 99 }));
        let odd = OpenError::Capabilities { what: "capabilities", found: 0 };
        assert_eq!(read([map::MAGIC_VALUE, 1, 0, queue]), Err(odd));
        let identity = read([map::MAGIC_VALUE, 1, capabilities, queue]).expect("a device");
        assert_eq!((identity.engines, identity.in_flight, identity.hot_keys), (2, 128, 0));
        assert_eq!((identity.memory_port, identity.message_bytes_max), (false, 128));
    }
}
