//! SIGINT and SIGTERM as a question that long work asks now and then.

use crate::cli::error::CliError;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Whether the user wants the command to end.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on the signals are noted instead of ending the process at once; a second one ends it.
    pub fn listen() -> Result<Self, CliError> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // In this order: the second signal finds the flag of the first one set.
            flag::register_conditional_shutdown(signal, 130, interrupt.0.clone())
                .and_then(|_| flag::register(signal, interrupt.0.clone()))
                .map_err(|error| CliError::failed("cannot listen for signals", &error))?;
        }
        Ok(interrupt)
    }

    /// # Errors
    /// [`CliError::Interrupted`] once a signal has come.
    pub fn check(&self) -> Result<(), CliError> {
        if self.is_set() { Err(CliError::Interrupted) } else { Ok(()) }
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}
