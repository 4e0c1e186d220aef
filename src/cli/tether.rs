//! A process that ends with the one that started it: the standard input is the tether.

use std::{io, thread};

/// Calls `on_end` once the standard input has ended, from a thread of its own.
pub fn watch(on_end: impl FnOnce() + Send + 'static) {
    thread::spawn(move || {
        // An unreadable input is as good as an ended one.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        on_end();
    });
}
