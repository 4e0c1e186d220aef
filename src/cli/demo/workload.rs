//! What is replicated: the lines of a file, or puts made up on the way.

use crate::cli::error::CliError;
use crate::cli::machine::{LINE_HEADER_BYTES, line_command, put_command};
use crate::cli::table::amount;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Keys that the built-in workload writes over and over.
const KEYS: u64 = 1_000;
/// Coprime to [`KEYS`]: the keys come in an order that is not theirs.
const STRIDE: u64 = 7_919;

/// The commands of a demo, by their place.
#[derive(Debug)]
pub enum Workload {
    Lines { path: PathBuf, text: Vec<u8>, lines: Vec<Range<usize>> },
    Puts(u64),
}

impl Workload {
    /// Reads the file, if there is one, and checks that every line fits a command.
    pub fn load(input: Option<&Path>, commands: u64, command_bytes_max: usize) -> Result<Self, CliError> {
        let Some(path) = input else { return Ok(Self::Puts(commands)) };
        let text = fs::read(path)
            .map_err(|error| CliError::Configuration(format!("cannot read {}: {error}", path.display())))?;
        let lines = split(&text);
        let most = command_bytes_max - LINE_HEADER_BYTES;
        if let Some((at, line)) = lines.iter().enumerate().find(|(_, line)| line.len() > most) {
            let (number, bytes) = (at + 1, line.len());
            return Err(CliError::Configuration(format!(
                "{}: line {number} has {bytes} bytes; a command has at most {most}",
                path.display()
            )));
        }
        Ok(Self::Lines { path: path.to_owned(), text, lines })
    }

    pub const fn len(&self) -> u64 {
        match self {
            Self::Lines { lines, .. } => lines.len() as u64,
            Self::Puts(commands) => *commands,
        }
    }

    /// The command at a place, from 0.
    pub fn command(&self, at: u64) -> Vec<u8> {
        match self {
            Self::Lines { text, lines, .. } => line_command(&text[lines[at as usize].clone()]),
            Self::Puts(_) => {
                let key = format!("key-{:03}", at * STRIDE % KEYS);
                put_command(key.as_bytes(), format!("value {at}").as_bytes()).expect("the key is short")
            }
        }
    }

    pub fn describe(&self) -> String {
        match self {
            Self::Lines { path, lines, .. } => format!("{} of {}", amount(lines.len() as u64, "line"), path.display()),
            Self::Puts(commands) => amount(*commands, "put"),
        }
    }
}

/// The lines without their newlines. A last line without one counts; nothing after the last newline does not.
fn split(text: &[u8]) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let mut start = 0;
    for (at, _) in text.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        lines.push(start..at);
        start = at + 1;
    }
    if start < text.len() {
        lines.push(start..text.len());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_at_newlines_and_nowhere_else() {
        let lines = |text: &[u8]| split(text).into_iter().map(|line| text[line].to_vec()).collect::<Vec<_>>();
        assert_eq!(lines(b"a\n\n\xFF\r\nend"), [&b"a"[..], b"", b"\xFF\r", b"end"]);
        assert_eq!(lines(b"\n"), [b""]);
        assert!(lines(b"").is_empty());
        assert_eq!(lines(b"whole\n"), [b"whole"]);
    }

    #[test]
    fn the_built_in_keys_are_all_written() {
        let keys: std::collections::BTreeSet<_> = (0..KEYS).map(|at| at * STRIDE % KEYS).collect();
        assert_eq!(keys.len() as u64, KEYS);
    }
}
