//! A progress bar: one line of the standard error, on terminals only.

use crate::cli::output::Output;
use crate::cli::table::count;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// The bar is drawn at most this often.
const REDRAW_EVERY: Duration = Duration::from_millis(100);
const BAR_CHARS: u64 = 40;

/// Shows how much of a long work is done, and wipes itself off when dropped.
#[derive(Debug)]
pub struct Progress {
    visible: bool,
    total: u64,
    drawn_at: Option<Instant>,
}

impl Progress {
    pub fn new(total: u64, output: &Output) -> Self {
        Self { visible: !output.is_json() && io::stderr().is_terminal(), total, drawn_at: None }
    }

    pub fn show(&mut self, done: u64) {
        if !self.visible || self.drawn_at.is_some_and(|at| at.elapsed() < REDRAW_EVERY) {
            return;
        }
        self.drawn_at = Some(Instant::now());
        let filled = (done * BAR_CHARS / self.total.max(1)).min(BAR_CHARS) as usize;
        let bar = "#".repeat(filled) + &"-".repeat(BAR_CHARS as usize - filled);
        // A terminal that went away is no reason to stop.
        let _ = write!(io::stderr(), "\r\x1b[K[{bar}] {} of {}", count(done), count(self.total));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn_at.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
