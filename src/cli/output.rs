//! What the user sees: text or JSON, coloured on terminals only.

use crate::cli::error::{CliError, output_error};
use serde::Serialize;
use std::env;
use std::io::{self, IsTerminal, Write};

/// The colours that mean something here.
#[derive(Clone, Copy, Debug)]
pub enum Colour {
    Good,
    Bad,
    Heading,
}

impl Colour {
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "\x1b[32m",
            Self::Bad => "\x1b[31m",
            Self::Heading => "\x1b[1m",
        }
    }
}

/// The way out of a command.
#[derive(Debug)]
pub struct Output {
    json: bool,
    coloured: bool,
    errors_coloured: bool,
}

impl Output {
    /// Colours need a terminal that understands them and a user who has not set `NO_COLOR`.
    pub fn new(json: bool) -> Self {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|term| term == "dumb");
        let coloured = !refused && !json && io::stdout().is_terminal();
        Self { json, coloured, errors_coloured: !refused && io::stderr().is_terminal() }
    }

    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Text in a colour, if colours are wanted.
    pub fn paint(&self, colour: Colour, text: &str) -> String {
        if self.coloured { format!("{}{text}\x1b[0m", colour.code()) } else { text.to_owned() }
    }

    /// Prints a line for people; nothing in JSON mode.
    pub fn line(&mut self, text: &str) -> Result<(), CliError> {
        if self.json { Ok(()) } else { self.bytes(format!("{text}\n").as_bytes()) }
    }

    /// Prints an object for programs; nothing in text mode.
    pub fn object(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        if !self.json {
            return Ok(());
        }
        let mut text =
            serde_json::to_vec(value).map_err(|error| CliError::failed("cannot encode the output", &error))?;
        text.push(b'\n');
        self.bytes(&text)
    }

    /// Prints bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| output_error(&error))
    }

    /// Says why the command failed: on the standard error, in JSON mode as an object on the standard output.
    pub fn error(&mut self, error: &CliError) {
        if matches!(error, CliError::Reported(_)) {
            return;
        }
        let object = serde_json::json!({ "error": error.to_string(), "kind": error.status().1 });
        if self.json && self.object(&object).is_ok() {
            return;
        }
        let red = if self.errors_coloured { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
        // If nobody reads the standard error either, the exit status has to do.
        let _ = writeln!(io::stderr(), "{}paxon:{} {error}", red.0, red.1);
    }
}
