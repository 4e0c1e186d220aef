//! An assembled program.

use super::PROGRAM_MAX;
use crate::instruction::{BITS, Instruction};
use crate::verilog::header;
use std::fmt::Write;

/// Instruction words with the lines they come from.
#[derive(Debug, Default)]
pub struct Program {
    words: Vec<u128>,
    lines: Vec<String>,
}

impl Program {
    pub(super) fn push(&mut self, instruction: Instruction, line: &str) {
        self.words.push(instruction.encode());
        self.lines.push(line.split_whitespace().collect::<Vec<_>>().join(" "));
    }

    /// The words, from address 0.
    pub fn words(&self) -> &[u128] {
        &self.words
    }

    /// The package that the engine reads its program from.
    pub fn package(&self) -> String {
        let mut text = header("The microcode of ed25519_engine, assembled from ucode/verify.ucode.");
        text.push_str("package ed25519_ucode_pkg;\n\n");
        writeln!(text, "  localparam int unsigned ProgramLength = {};\n", self.words.len())
            .expect("a string takes text");
        writeln!(text, "  localparam logic [{}:0] Program [{PROGRAM_MAX}] = '{{", BITS - 1)
            .expect("a string takes text");
        for at in 0..PROGRAM_MAX {
            let word = self.words.get(at).copied().unwrap_or_default();
            let line = self.lines.get(at).map_or("", String::as_str);
            let comma = if at + 1 == PROGRAM_MAX { "" } else { "," };
            writeln!(text, "    {BITS}'h{word:017x}{comma}  // {at}: {line}").expect("a string takes text");
        }
        text.push_str("  };\n\nendpackage\n");
        text
    }
}
