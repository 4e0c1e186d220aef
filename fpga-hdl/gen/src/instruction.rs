//! One instruction word, in the layout of `ed25519_isa_pkg.sv`.

/// Bits of an instruction word.
pub const BITS: u32 = 68;

/// Where to go on, as `seq_e` numbers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Sequence {
    /// The next instruction.
    #[default]
    Next,
    /// The target.
    Jump,
    /// The target if the last `!zero` sum was zero.
    IfZero,
    /// The target if the last `!zero` sum was not zero.
    IfNotZero,
    /// The target, one position down, if no scalar has a digit here.
    IfNoDigit,
    /// The target if the digit at hand is one of the base point.
    IfBaseDigit,
    /// The target, one position down, if the digit at hand is the last one here; the next digit is at hand otherwise.
    IfNoMore,
    /// The target, one position down.
    Loop,
    /// The target if the last position is done.
    IfEnd,
    /// The next instruction; the counter becomes the target.
    SetCount,
    /// The counter goes down by one; the target unless it is zero.
    CountDown,
    /// The target; the next instruction is where `Return` goes.
    Call,
    /// Behind the last call.
    Return,
    /// The next instruction once there is a job; the target when a batch starts instead.
    Wait,
    /// The job waits for a batch; how it ended stands in the target. The first instruction.
    Join,
    /// The target and the next member of the batch, unless this is the last.
    BatchUp,
    /// The member's result, from the flags. The target and the member below, or the end of the batch and the first instruction.
    Report,
    /// The target if the job's key has a comb.
    IfHot,
    /// The target, one position down, if the position is that of a comb's first table.
    IfColumn,
    /// The job ends, without a batch, with the flags as they are; how stands in the target. The first instruction.
    Done,
}

/// The product of a slot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Product {
    /// The register of the batch's member instead of `to`.
    pub to_member: bool,
    /// Register of bank M.
    pub to: u8,
    /// 0: bank M, 1: bank A.
    pub a_bank: u8,
    /// The register of the member before instead of `a`.
    pub a_below: bool,
    /// Register of that bank.
    pub a: u8,
    /// 0: bank M, 1: bank A, 2: the ROM, 3: the key's comb.
    pub b_source: u8,
    /// 0: as it is, 1: the entry of the digit at hand in the tables of -A and -R, 2: in that of the base point, 3: a word of the
    /// batch's member in the pool, 4: the entry of a comb.
    pub b_index: u8,
    /// Register, or address in the ROM.
    pub b: u8,
}

/// The sum of a slot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    /// A word of the job in the pool instead of a register.
    pub to_pool: bool,
    /// Register of bank A, or word.
    pub to: u8,
    /// 0: a + b, 1: a - b, 2: b - a.
    pub operation: u8,
    /// 0 and 1 of `operation` change places: 0: never, 1: for a negative digit; when the parity of the last `!odd` sum is the
    /// sign of the key (2), of R (3); for a negative digit of the key's comb (4), of the base point's (5).
    pub flip: u8,
    /// 0: bank M, 1: bank A, 2: the job's words, 3: zero.
    pub a_source: u8,
    /// Register or word.
    pub a: u8,
    /// Zero instead of bank M.
    pub b_zero: bool,
    /// Register of bank M.
    pub b: u8,
    /// Remember whether the result is zero.
    pub set_zero: bool,
    /// Remember whether the result is odd.
    pub set_odd: bool,
}

/// What a context does in one slot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Instruction {
    /// Where to go on.
    pub sequence: Sequence,
    /// Address or count.
    pub target: u16,
    /// The multiplier's work.
    pub product: Option<Product>,
    /// The add lane's work.
    pub sum: Option<Sum>,
}

impl Instruction {
    /// The word, the first field highest.
    pub fn encode(&self) -> u128 {
        let product = self.product.unwrap_or_default();
        let sum = self.sum.unwrap_or_default();
        let fields: [(u128, u32); 22] = [
            (self.sequence as u128, 5),
            (self.target.into(), 9),
            (self.product.is_some().into(), 1),
            (product.to_member.into(), 1),
            (product.to.into(), 5),
            (product.a_bank.into(), 1),
            (product.a_below.into(), 1),
            (product.a.into(), 5),
            (product.b_source.into(), 2),
            (product.b_index.into(), 3),
            (product.b.into(), 8),
            (self.sum.is_some().into(), 1),
            (sum.to_pool.into(), 1),
            (sum.to.into(), 5),
            (sum.operation.into(), 2),
            (sum.flip.into(), 3),
            (sum.a_source.into(), 2),
            (sum.a.into(), 5),
            (sum.b_zero.into(), 1),
            (sum.b.into(), 5),
            (sum.set_zero.into(), 1),
            (sum.set_odd.into(), 1),
        ];
        assert_eq!(fields.iter().map(|(_, bits)| bits).sum::<u32>(), BITS);
        fields.iter().fold(0, |word, (value, bits)| {
            assert!(value >> bits == 0, "{value} does not fit into {bits} bits");
            word << bits | value
        })
    }
}
