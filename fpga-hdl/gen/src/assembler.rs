//! The microcode assembler.
//!
//! A line is one slot: `product | sum | sequence`, each part optional, recognised by what it says. `.m` and `.a` give names to the
//! registers of a bank, `.table.*` to the entries of the table of -A and, with `.r`, of -R, `.rom` to the columns of the base
//! point's, `.comb` to those of the key's comb, `.start` to the point that it starts from, `.pool` to the words of a job that has
//! ended, `.members` to the registers of a batch, `.m.alias` a second name to a register. `.repeat n` to `.end` repeats lines with
//! `%` and `%+` as the count and the next one. Lines from `.macro NAME PARAMETERS` to `.endmacro` stand where `.use NAME ARGUMENTS`
//! does, `$PARAMETER` replaced.
//! Limits: 512 instructions, 32 registers a bank, labels are seen everywhere.

mod operand;
mod program;
mod source;
mod statement;

pub use program::Program;

use operand::Names;
use std::collections::HashMap;
use thiserror::Error;

/// Why a line does not assemble.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssembleError {
    /// A line says something that the hardware cannot do or that is not understood.
    #[error("line {line}: {what}")]
    Line {
        /// Counts from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

/// Instructions that fit into the program memory.
pub const PROGRAM_MAX: usize = 512;

/// Assembles a source text.
///
/// # Errors
/// The first line that does not assemble.
pub fn assemble(source: &str) -> Result<Program, AssembleError> {
    let lines = source::lines(source)?;
    let mut names = Names::default();
    let mut labels = HashMap::new();
    let mut slots = Vec::new();
    for line in &lines {
        let fail = |what: String| AssembleError::Line { line: line.number, what };
        if let Some(directive) = line.text.strip_prefix('.') {
            names.declare(directive).map_err(fail)?;
        } else if let Some(label) = line.text.strip_suffix(':') {
            if labels.insert(label.to_owned(), slots.len()).is_some() {
                return Err(fail(format!("{label} is already a label")));
            }
        } else {
            slots.push(line);
        }
    }
    if slots.len() > PROGRAM_MAX {
        return Err(AssembleError::Line {
            line: 0,
            what: format!("{} instructions are over {PROGRAM_MAX}", slots.len()),
        });
    }
    let mut program = Program::default();
    for (at, line) in slots.into_iter().enumerate() {
        let instruction = statement::slot(&line.text, &names, &labels, at);
        let instruction = instruction.map_err(|what| AssembleError::Line { line: line.number, what })?;
        program.push(instruction, &line.text);
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(source: &str) -> String {
        assemble(source).err().map_or_else(|| "none".to_owned(), |error| error.to_string())
    }

    #[test]
    fn a_slot_with_product_sum_and_jump_becomes_one_word() {
        let program =
            assemble(".m X Y\n.a S\nagain:\n X = S * Y | S = X - Y | jump again\n").expect("it is well formed");
        assert_eq!(program.words().len(), 1);
    }

    #[test]
    fn a_sum_takes_its_operands_in_the_order_that_the_ports_allow() {
        let program = assemble(".m X\n.a S\n | S = X - S\n | S = S - X\n").expect("it is well formed");
        assert_ne!(program.words()[0], program.words()[1]);
    }

    #[test]
    fn what_the_hardware_cannot_do_is_refused_with_its_line() {
        assert_eq!(complaint(".a S R\n | S = S + R\n"), "line 2: one operand of a sum comes from bank M, or is 0");
        assert_eq!(complaint(".a S\n S = S * S\n"), "line 2: S is not in bank M, where products go");
        assert_eq!(complaint(".m X\n X = X * Q\n"), "line 2: Q has no meaning here");
        assert_eq!(complaint(".m X\n X = X * X | jump nowhere\n"), "line 2: nowhere is no label");
        assert_eq!(complaint("a:\na:\n"), "line 2: a is already a label");
        assert_eq!(complaint(".m A B C D E F G H I J K L M N O P Q\n"), "line 1: bank M has no register left for Q");
        assert_eq!(complaint(".repeat 2\nx:\n"), "line 2: no .end");
    }

    #[test]
    fn a_macro_stands_for_its_lines() {
        let source = ".m X Y\n.macro square R S\n $R = $S * $S\n.endmacro\n.use square X Y\n.use square Y X\n";
        let expected = assemble(".m X Y\n X = Y * Y\n Y = X * X\n").expect("it is well formed");
        assert_eq!(assemble(source).expect("it is well formed").words(), expected.words());
        assert_eq!(complaint(".macro m A\n.endmacro\n.use m\n"), "line 3: m takes 1 arguments");
        assert_eq!(complaint(".use m\n"), "line 1: m is no macro");
        assert_eq!(complaint(".macro m\n"), "line 1: no .endmacro");
    }

    #[test]
    fn a_repetition_counts() {
        let program = assemble(".m X\n.repeat 3\nl%:\n X = X * X | jump l%\n.end\n").expect("it is well formed");
        assert_eq!(program.words().len(), 3);
    }
}
