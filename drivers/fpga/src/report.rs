//! What was found, for the operator.

use crate::bus::Bus;
use crate::identity::{Identity, OpenError};
use std::fmt;

/// A place where a device was looked for, and what stands there.
#[derive(Clone, Debug)]
pub struct Report {
    /// The device's address or file.
    pub place: String,
    /// What the device says of itself, or why it cannot be used.
    pub finding: Result<Identity, String>,
}

impl Report {
    /// Asks the device behind a bus. Reads only.
    pub fn of(bus: &mut impl Bus) -> Self {
        let finding = Identity::read(bus).map_err(|error: OpenError| error.to_string());
        Self { place: bus.place(), finding }
    }

    /// A place whose bus could not be opened.
    pub fn unreachable(place: impl Into<String>, error: &dyn std::error::Error) -> Self {
        let mut finding = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            finding.push_str(": ");
            finding.push_str(&cause.to_string());
            source = cause.source();
        }
        Self { place: place.into(), finding: Err(finding) }
    }

    /// Whether a driver can use it.
    pub const fn is_usable(&self) -> bool {
        self.finding.is_ok()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.finding {
            Ok(identity) => write!(f, "{}: {identity}", self.place),
            Err(why) => write!(f, "{}: not usable: {why}", self.place),
        }
    }
}
