//! The register map, described once: for the RTL, for Rust and for readers.

use crate::verilog::header;
use std::fmt::Write;

/// Who may do what with a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Writes are ignored.
    Read,
    /// Writes take effect at any time.
    Write,
    /// Writes take effect while the device is disabled and nothing is in flight; otherwise they are ignored and `ERROR` says so.
    Configure,
    /// Writing a 1 clears the bit.
    Clear,
}

/// One register of 32 bits.
pub struct Register {
    /// Name in capitals.
    pub name: &'static str,
    /// Byte address.
    pub offset: u32,
    /// Who may do what.
    pub access: Access,
    /// What it means, one sentence.
    pub doc: &'static str,
}

const fn register(name: &'static str, offset: u32, access: Access, doc: &'static str) -> Register {
    Register { name, offset, access, doc }
}

/// Every register, in the order of its address.
pub const REGISTERS: [Register; 33] = [
    register("MAGIC", 0x00, Access::Read, "0x50585646, \"PXVF\"."),
    register("VERSION", 0x04, Access::Read, "Version of this map: 2."),
    register(
        "CAPABILITIES",
        0x08,
        Access::Read,
        "Engines in bits 7:0, rows in 15:8, contexts of an engine in 23:16, log2 of the requests in flight in 31:24.",
    ),
    register(
        "QUEUE_SIZES",
        0x0c,
        Access::Read,
        "Submission slots of the queue in use in bits 15:0, completions in 31:16.",
    ),
    register("CONTROL", 0x10, Access::Write, "Bit 0 enables; writing 1 to bit 1 aborts what is in flight."),
    register(
        "STATUS",
        0x14,
        Access::Read,
        "Bit 0: requests are in flight or completions on their way; bit 1: an abort goes on; bit 2: answers of the memory are due.",
    ),
    register("ERROR", 0x18, Access::Clear, "What went wrong, a bit each; see below."),
    register("WATCHDOG", 0x1c, Access::Configure, "Cycles after which a request in flight aborts all; 0 never."),
    register("SUBMIT_TAIL", 0x20, Access::Write, "Doorbell: slots that were filled, free running, 16 bits."),
    register("SUBMIT_HEAD", 0x24, Access::Read, "Slots that may be filled again, free running, 16 bits."),
    register("COMPLETE_HEAD", 0x28, Access::Write, "Doorbell: completions that were consumed, free running, 16 bits."),
    register("COMPLETE_TAIL", 0x2c, Access::Read, "Completions that were written, free running, 16 bits."),
    register("SNAPSHOT", 0x30, Access::Write, "Any write copies the counters below."),
    register("COUNT_CYCLES", 0x34, Access::Read, "Cycles since reset, low 32 bits."),
    register("COUNT_VALID", 0x38, Access::Read, "Completions with verdict 1."),
    register("COUNT_INVALID", 0x3c, Access::Read, "Completions with verdict 0."),
    register("COUNT_MALFORMED", 0x40, Access::Read, "Completions with verdict 2."),
    register("COUNT_ABORTED", 0x44, Access::Read, "Completions with verdict 3."),
    register("COUNT_PRODUCTS", 0x48, Access::Read, "Products that engine 0 started, low 32 bits."),
    register(
        "FEATURES",
        0x4c,
        Access::Read,
        "Bit 0: there is a memory port; fetch units in bits 15:8; entries of the hot-key table in 31:16, 0 without one.",
    ),
    register("MESSAGE_BYTES_MAX", 0x50, Access::Read, "The longest message; a longer one is malformed."),
    register(
        "QUEUE",
        0x54,
        Access::Configure,
        "Bit 0: slots and completions are in host memory, log2 of the slots in bits 11:8, of the completions in 19:16, each 1 to 15.",
    ),
    register("SUBMIT_BASE_LOW", 0x58, Access::Configure, "Bits 31:0 of the address of slot 0; a multiple of 256."),
    register("SUBMIT_BASE_HIGH", 0x5c, Access::Configure, "Bits 63:32 of the address of slot 0."),
    register(
        "COMPLETE_BASE_LOW",
        0x60,
        Access::Configure,
        "Bits 31:0 of the address of completion 0; a multiple of 16.",
    ),
    register("COMPLETE_BASE_HIGH", 0x64, Access::Configure, "Bits 63:32 of the address of completion 0."),
    register(
        "MEMORY_TIMEOUT",
        0x68,
        Access::Configure,
        "Cycles without an answer of the memory after which a read is given up; 0 stands for 2^32. 1,048,576 after reset.",
    ),
    register(
        "COUNT_MEMORY_WORDS",
        0x6c,
        Access::Read,
        "Words of 64 bits that arrived through the memory port, low 32 bits.",
    ),
    register("HOT_ENTRY", 0x70, Access::Write, "The entry of the hot-key table that the next registers are about."),
    register("HOT_COMMAND", 0x74, Access::Write, "1 evicts the entry, 2 begins to write it, 3 commits it."),
    register(
        "HOT_STATE",
        0x78,
        Access::Read,
        "Bit 0: signatures of the entry's key use it; bit 1: some that use it are in an engine; bit 2: it is being written.",
    ),
    register("COUNT_HOT", 0x7c, Access::Read, "Verdicts that came from the hot-key table."),
    register("UNMAPPED", 0xfc, Access::Read, "0xdeadbeef, as every address without a register or memory."),
];

/// A named constant that belongs to the map.
pub struct Constant {
    /// Name in capitals.
    pub name: &'static str,
    /// Its value.
    pub value: u32,
    /// What it means, one sentence.
    pub doc: &'static str,
}

const fn constant(name: &'static str, value: u32, doc: &'static str) -> Constant {
    Constant { name, value, doc }
}

/// Values of registers and bits in them, and the memories beside the registers.
pub const CONSTANTS: [Constant; 28] = [
    constant("MAGIC_VALUE", 0x5058_5646, "What `MAGIC` reads."),
    constant("VERSION_VALUE", 2, "What `VERSION` reads."),
    constant("UNMAPPED_VALUE", 0xdead_beef, "What an address reads that has neither register nor memory."),
    constant("SLOTS", 0x1_0000, "Where the submission slots of the device's own memory start."),
    constant("COMPLETIONS", 0x2_0000, "Where the completions of the device's own memory start."),
    constant(
        "HOT_TABLE",
        0x3_0000,
        "Where the words of the hot-key table's open entry are written, each once, in order.",
    ),
    constant("HOT_TABLE_WORDS", 12_320, "Words of 32 bits of an entry: 49,280 bytes, the last 32 are the key."),
    constant("CONTROL_ENABLE", 1 << 0, "`CONTROL`: slots are taken."),
    constant("CONTROL_ABORT", 1 << 1, "`CONTROL`: what is in flight is aborted."),
    constant("STATUS_BUSY", 1 << 0, "`STATUS`: requests are in flight or completions on their way."),
    constant("STATUS_ABORTING", 1 << 1, "`STATUS`: an abort goes on."),
    constant("STATUS_MEMORY", 1 << 2, "`STATUS`: answers of the memory are due."),
    constant(
        "ERROR_CONFIGURE",
        1 << 0,
        "`ERROR`: a configuration was ignored: while enabled or busy, or out of range.",
    ),
    constant("ERROR_WATCHDOG", 1 << 1, "`ERROR`: the watchdog aborted."),
    constant("ERROR_DOORBELL", 1 << 2, "`ERROR`: a doorbell beyond the queue was ignored."),
    constant(
        "ERROR_MEMORY_READ",
        1 << 3,
        "`ERROR`: the memory answered a read with an error; the request was aborted.",
    ),
    constant(
        "ERROR_MEMORY_WRITE",
        1 << 4,
        "`ERROR`: the memory answered a write with an error; a completion may be lost.",
    ),
    constant("ERROR_MEMORY_TIMEOUT", 1 << 5, "`ERROR`: the memory did not answer in time."),
    constant(
        "ERROR_HOT",
        1 << 6,
        "`ERROR`: a write for the hot-key table was ignored: no such entry, begun while valid or busy, out of order, incomplete.",
    ),
    constant("HOT_EVICT", 1, "`HOT_COMMAND`: later signatures do not use the entry; running ones finish with it."),
    constant("HOT_BEGIN", 2, "`HOT_COMMAND`: opens the entry, which is neither valid nor busy, for writing."),
    constant("HOT_COMMIT", 3, "`HOT_COMMAND`: makes the complete entry valid."),
    constant("HOT_STATE_VALID", 1 << 0, "`HOT_STATE`: signatures of the entry's key use it."),
    constant("HOT_STATE_BUSY", 1 << 1, "`HOT_STATE`: signatures that use the entry are in an engine."),
    constant("HOT_STATE_OPEN", 1 << 2, "`HOT_STATE`: the entry is being written."),
    constant("FEATURE_MEMORY", 1 << 0, "`FEATURES`: there is a memory port."),
    constant("QUEUE_HOST", 1 << 0, "`QUEUE`: slots and completions are in host memory."),
    constant("MEMORY_TIMEOUT_RESET", 1 << 20, "`MEMORY_TIMEOUT` after reset."),
];

/// Slots and completions; offsets and sizes are in bytes, numbers are little-endian.
pub const FORMATS: [Constant; 22] = [
    constant("SLOT_BYTES", 256, "Bytes of a slot."),
    constant("SLOT_OPCODE", 0, "A slot's opcode, one byte."),
    constant("SLOT_RULESET", 1, "A slot's rule, one byte."),
    constant("SLOT_FLAGS", 2, "A slot's flags, two bytes, all 0."),
    constant("SLOT_MESSAGE_BYTES", 4, "A slot's length of the message, four bytes."),
    constant("SLOT_COOKIE", 8, "A slot's cookie, eight bytes, which its completion repeats."),
    constant(
        "SLOT_MESSAGE_ADDRESS",
        16,
        "A slot's address of a message that is longer than `SLOT_INLINE_BYTES`, eight bytes, a multiple of 8.",
    ),
    constant("SLOT_R", 32, "A slot's R, 32 bytes."),
    constant("SLOT_S", 64, "A slot's s, 32 bytes."),
    constant("SLOT_KEY", 96, "A slot's key, 32 bytes."),
    constant("SLOT_MESSAGE", 128, "A slot's message, if it is not longer than `SLOT_INLINE_BYTES`."),
    constant("SLOT_INLINE_BYTES", 128, "The longest message that stands in its slot."),
    constant("OPCODE_VERIFY", 1, "The only opcode."),
    constant("RULESET_STRICT", 0, "`verify_strict`."),
    constant("RULESET_PLAIN", 1, "`verify`."),
    constant("COMPLETION_BYTES", 16, "Bytes of a completion."),
    constant("COMPLETION_COOKIE", 0, "A completion's cookie, eight bytes; all ones when the slot could not be read."),
    constant("COMPLETION_VERDICT", 8, "A completion's verdict, one byte."),
    constant("COMPLETION_REASON", 9, "A completion's reason, one byte."),
    constant("COMPLETION_SUBMIT_HEAD", 10, "`SUBMIT_HEAD` as the completion was made, two bytes."),
    constant("COMPLETION_CYCLES", 12, "Cycles since the slot was taken, two bytes, 65,535 for more."),
    constant("COMPLETION_PHASE", 15, "Bit 0 changes with every round of the queue, 1 in the first; one byte."),
];

/// Verdicts and the bits of a reason.
pub const VERDICTS: [Constant; 9] = [
    constant("VERDICT_INVALID", 0, "The rule does not accept the signature."),
    constant("VERDICT_VALID", 1, "The rule accepts the signature."),
    constant("VERDICT_MALFORMED", 2, "The slot is no request."),
    constant("VERDICT_ABORTED", 3, "Nothing is known of the signature."),
    constant("REASON_EQUAL", 1 << 0, "The encoding of sB - hA is R, and key and s are well-formed."),
    constant("REASON_KEY_UNDECODABLE", 1 << 1, "The key is the encoding of no point."),
    constant("REASON_S_OUT_OF_RANGE", 1 << 2, "s is not below the order of the group."),
    constant("REASON_KEY_SMALL", 1 << 3, "The key is of small order."),
    constant("REASON_R_SMALL", 1 << 4, "R is of small order."),
];

fn constants() -> impl Iterator<Item = &'static Constant> {
    CONSTANTS.iter().chain(&FORMATS).chain(&VERDICTS)
}

/// The package for the RTL.
pub fn package() -> String {
    let mut text = header("Byte addresses of the registers of ed25519_device, and the values that belong to them.");
    text.push_str("package device_registers_pkg;\n\n");
    for register in &REGISTERS {
        writeln!(text, "  localparam logic [7:0] Reg{} = 8'h{:02x};", camel(register.name), register.offset)
            .expect("a string takes text");
    }
    text.push('\n');
    for constant in &CONSTANTS {
        writeln!(text, "  localparam logic [31:0] {} = 32'h{:08x};", camel(constant.name), constant.value)
            .expect("a string takes text");
    }
    text.push_str("\nendpackage\n");
    text
}

/// `SUBMIT_TAIL` as `SubmitTail`.
fn camel(name: &str) -> String {
    let word = |word: &str| format!("{}{}", &word[..1], word[1..].to_lowercase());
    name.split('_').map(word).collect()
}

/// The constants for Rust.
pub fn rust() -> String {
    let mut text = String::from(
        "//! Byte addresses of the device's registers, and the values that belong to them. Generated by paxon-fpga-gen; do not edit.\n\n",
    );
    for register in &REGISTERS {
        writeln!(text, "/// {}\npub const {}: u32 = 0x{:02x};", register.doc, register.name, register.offset)
            .expect("a string takes text");
    }
    for constant in constants() {
        writeln!(text, "/// {}\npub const {}: u32 = 0x{:x};", constant.doc, constant.name, constant.value)
            .expect("a string takes text");
    }
    text
}

/// The tables for readers.
pub fn document() -> String {
    let mut text = String::from("# Registers\n\nGenerated by paxon-fpga-gen; do not edit.\n\n");
    text.push_str("| address | name | access | meaning |\n| --- | --- | --- | --- |\n");
    for register in &REGISTERS {
        let access = match register.access {
            Access::Read => "read",
            Access::Write => "write",
            Access::Configure => "write while disabled and idle",
            Access::Clear => "write 1 to clear",
        };
        writeln!(text, "| 0x{:02x} | `{}` | {access} | {} |", register.offset, register.name, register.doc)
            .expect("a string takes text");
    }
    text.push_str("\nNames are those of the crate `paxon-fpga-map`. A slot has 256 bytes, a completion 16.\n");
    for (title, table) in
        [("Values and bits", &CONSTANTS[..]), ("Slots and completions", &FORMATS[..]), ("Verdicts", &VERDICTS[..])]
    {
        write!(text, "\n## {title}\n\n| name | value | meaning |\n| --- | --- | --- |\n").expect("a string takes text");
        for constant in table {
            writeln!(text, "| `{}` | 0x{:x} | {} |", constant.name, constant.value, constant.doc)
                .expect("a string takes text");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_stand_in_order_each_at_a_word_of_its_own() {
        for pair in REGISTERS.windows(2) {
            assert!(pair[0].offset < pair[1].offset, "{}", pair[1].name);
        }
        assert!(REGISTERS.iter().all(|register| register.offset.is_multiple_of(4) && register.offset < 0x100));
    }

    #[test]
    fn no_name_means_two_things() {
        let mut names: Vec<_> = REGISTERS.iter().map(|register| register.name).collect();
        names.extend(constants().map(|constant| constant.name));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn names_of_the_rtl_are_in_camel_case() {
        assert_eq!(camel("SUBMIT_TAIL"), "SubmitTail");
    }
}
