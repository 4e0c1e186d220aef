//! An answer as the device writes it, and what is wrong with one that it cannot have written.

use crate::registers as map;
use thiserror::Error;

/// What the device says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceVerdict {
    /// `verify_strict` does not accept.
    Invalid,
    /// `verify_strict` accepts.
    Valid,
    /// The slot was no request.
    Malformed,
    /// Nothing is known: the request was in flight when the device was reset.
    Aborted,
}

impl DeviceVerdict {
    /// The verdict of a number in a completion.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            map::VERDICT_INVALID => Some(Self::Invalid),
            map::VERDICT_VALID => Some(Self::Valid),
            map::VERDICT_MALFORMED => Some(Self::Malformed),
            map::VERDICT_ABORTED => Some(Self::Aborted),
            _ => None,
        }
    }

    /// The number in a completion.
    pub const fn number(self) -> u32 {
        match self {
            Self::Invalid => map::VERDICT_INVALID,
            Self::Valid => map::VERDICT_VALID,
            Self::Malformed => map::VERDICT_MALFORMED,
            Self::Aborted => map::VERDICT_ABORTED,
        }
    }
}

/// A completion that no sound device writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadCompletion {
    /// The phase is one bit.
    #[error("a phase of {0:#04x} where 0 or 1 belongs")]
    Phase(u8),
    /// There are four verdicts.
    #[error("a verdict of {0}")]
    Verdict(u8),
    /// Bits that are always 0.
    #[error("bits {0:#04x} where none are in use")]
    Reserved(u8),
    /// The reason contradicts the verdict.
    #[error("reason {reason:#04x} does not go with verdict {verdict}")]
    Reason {
        /// The verdict's number.
        verdict: u8,
        /// The bits of the reason.
        reason: u8,
    },
}

/// The bits that a reason has.
const REASON_BITS: u32 = map::REASON_EQUAL
    | map::REASON_KEY_UNDECODABLE
    | map::REASON_S_OUT_OF_RANGE
    | map::REASON_KEY_SMALL
    | map::REASON_R_SMALL;

/// Each of these alone makes a signature invalid under the strict rule.
const REASON_AGAINST: u32 = REASON_BITS & !map::REASON_EQUAL;

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The cookie of the request's slot.
    pub cookie: u64,
    /// What came of it.
    pub verdict: DeviceVerdict,
    /// Why: bits `REASON_*`.
    pub reason: u8,
    /// Slots that may be filled again, free running.
    pub submit_head: u16,
    /// Cycles since the slot was taken, 65,535 for more.
    pub cycles: u16,
}

impl Completion {
    /// Offset of the word that holds the phase.
    pub(crate) const PHASE_WORD: u32 = map::COMPLETION_PHASE & !3;

    /// The phase that completion `index` has once it is written. `completions`: places of the queue, a power of two.
    pub fn phase_of(index: u16, completions: u16) -> u8 {
        u8::from((index / completions).is_multiple_of(2))
    }

    /// The phase in the last word of a completion.
    ///
    /// # Errors
    /// [`BadCompletion::Phase`] when it is not one bit.
    pub fn phase(word: u32) -> Result<u8, BadCompletion> {
        let phase = (word >> (8 * (map::COMPLETION_PHASE % 4))) as u8;
        if phase > 1 { Err(BadCompletion::Phase(phase)) } else { Ok(phase) }
    }

    /// Reads the four words of a completion.
    ///
    /// # Errors
    /// [`BadCompletion`] when no device that works answers so to a well-formed strict request.
    pub fn decode(words: [u32; 4]) -> Result<Self, BadCompletion> {
        let completion = Self::decode_any(words)?;
        let (verdict, reason) = (completion.verdict, completion.reason);
        if goes_with(verdict, reason.into()) {
            Ok(completion)
        } else {
            Err(BadCompletion::Reason { verdict: verdict.number() as u8, reason })
        }
    }

    /// The same for a request under any rule: the reason may go with any verdict.
    ///
    /// # Errors
    /// [`BadCompletion`] when no device that works answers so.
    pub fn decode_any(words: [u32; 4]) -> Result<Self, BadCompletion> {
        let mut bytes = [0; map::COMPLETION_BYTES as usize];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let byte = |offset: u32| bytes[offset as usize];
        let half = |offset: u32| u16::from_le_bytes([byte(offset), byte(offset + 1)]);
        Self::phase(words[3])?;
        if byte(map::COMPLETION_PHASE - 1) != 0 {
            return Err(BadCompletion::Reserved(byte(map::COMPLETION_PHASE - 1)));
        }
        let number = byte(map::COMPLETION_VERDICT);
        let verdict = DeviceVerdict::from_number(number.into()).ok_or(BadCompletion::Verdict(number))?;
        let reason = byte(map::COMPLETION_REASON);
        Ok(Self {
            cookie: u64::from(words[1]) << 32 | u64::from(words[0]),
            verdict,
            reason,
            submit_head: half(map::COMPLETION_SUBMIT_HEAD),
            cycles: half(map::COMPLETION_CYCLES),
        })
    }

    /// The four words, with a phase.
    pub fn encode(&self, phase: u8) -> [u32; 4] {
        let third = self.verdict.number() | u32::from(self.reason) << 8 | u32::from(self.submit_head) << 16;
        [self.cookie as u32, (self.cookie >> 32) as u32, third, u32::from(self.cycles) | u32::from(phase) << 24]
    }
}

/// Whether a strict request can have that reason with that verdict.
fn goes_with(verdict: DeviceVerdict, reason: u32) -> bool {
    let accepted = reason & map::REASON_EQUAL != 0 && reason & REASON_AGAINST == 0;
    reason & !REASON_BITS == 0
        && match verdict {
            DeviceVerdict::Valid => accepted,
            DeviceVerdict::Invalid => !accepted,
            DeviceVerdict::Malformed | DeviceVerdict::Aborted => reason == 0,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: Completion = Completion {
        cookie: 0x8000_0001_7fff_fffe,
        verdict: DeviceVerdict::Valid,
        reason: 1,
        submit_head: 0xfedc,
        cycles: 48_000,
    };

    #[test]
    fn a_completion_comes_back_whole() {
        assert_eq!(Completion::decode(SOUND.encode(1)), Ok(SOUND));
        assert_eq!(Completion::decode(SOUND.encode(0)), Ok(SOUND));
    }

    #[test]
    fn each_kind_of_garbage_is_named() {
        let [cookie, high, third, last] = SOUND.encode(1);
        let bad = |third, last| Completion::decode([cookie, high, third, last]).expect_err("it is garbage");
        assert_eq!(bad(third, last | 0x0200_0000), BadCompletion::Phase(3));
        assert_eq!(bad(third, last | 0x0010_0000), BadCompletion::Reserved(0x10));
        assert_eq!(bad(4, last), BadCompletion::Verdict(4));
        assert_eq!(bad(third & !0x100, last), BadCompletion::Reason { verdict: 1, reason: 0 });
        assert_eq!(bad(third | 0x800, last), BadCompletion::Reason { verdict: 1, reason: 9 });
        assert_eq!(bad(0x100, last), BadCompletion::Reason { verdict: 0, reason: 1 });
        assert_eq!(bad(0x2000, last), BadCompletion::Reason { verdict: 0, reason: 0x20 });
        assert_eq!(Completion::decode([u32::MAX; 4]), Err(BadCompletion::Phase(0xff)));
    }

    #[test]
    fn the_phase_is_one_in_the_first_round_and_turns_with_each() {
        let phases: Vec<_> = [0, 127, 128, 255, 256, u16::MAX].map(|index| Completion::phase_of(index, 128)).into();
        assert_eq!(phases, [1, 1, 0, 0, 1, 0]);
    }
}
