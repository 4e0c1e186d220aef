//! Ways to break a device on purpose.

use crate::completion::{Completion, DeviceVerdict};
use crate::registers as map;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// No completion any more; registers answer, resets do not help.
    Stuck,
    /// No completion any more until the next reset.
    Hung,
    /// Every read is all ones and every write is lost, from now on.
    Removed,
    /// One completion is not written.
    Drop,
    /// One completion is written twice.
    Duplicate,
    /// One completion has the phase of the round before.
    WrongPhase,
    /// One completion is noise.
    Garbage,
    /// One completion has another cookie than its request.
    UnknownCookie,
    /// One completion more than there were requests.
    Unasked,
    /// One verdict is the opposite of what it should be, with a reason that goes with it.
    WrongVerdict,
    /// From now on every verdict is [`Defect::WrongVerdict`].
    AlwaysWrong,
    /// One request is answered as malformed.
    Malformed,
    /// The device resets itself once, as its watchdog does.
    Aborts,
}

/// Planned defects, and those that stay.
#[derive(Default)]
pub(super) struct Defects {
    /// Completions until it strikes.
    planned: Vec<(u64, Defect)>,
    stuck: bool,
    hung: bool,
    gone: bool,
    wrong: bool,
}

impl Defects {
    pub(super) fn plan(&mut self, completions: u64, defect: Defect) {
        if completions == 0 {
            self.stay(defect);
        }
        self.planned.push((completions, defect));
    }

    fn stay(&mut self, defect: Defect) {
        match defect {
            Defect::Stuck => self.stuck = true,
            Defect::Hung => self.hung = true,
            Defect::Removed => self.gone = true,
            Defect::AlwaysWrong => self.wrong = true,
            _ => {}
        }
    }

    /// The defects that strike the next completion.
    pub(super) fn next(&mut self) -> Vec<Defect> {
        let mut due: Vec<_> = self.planned.extract_if(.., |(left, _)| *left == 0).map(|(_, defect)| defect).collect();
        for (left, _) in &mut self.planned {
            *left -= 1;
        }
        // What stays strikes between two completions.
        let now: Vec<_> = self.planned.iter().filter(|(left, _)| *left == 0).map(|(_, defect)| *defect).collect();
        now.into_iter().for_each(|defect| self.stay(defect));
        if self.wrong {
            due.push(Defect::WrongVerdict);
        }
        due
    }

    /// Whether no completion is written.
    pub(super) const fn is_mute(&self) -> bool {
        self.stuck || self.hung || self.gone
    }

    pub(super) const fn is_gone(&self) -> bool {
        self.gone
    }

    pub(super) fn reset(&mut self) {
        self.hung = false;
    }
}

/// The completion that a broken device writes instead.
pub(super) fn spoil(defect: Defect, completion: &mut Completion) {
    match defect {
        Defect::WrongVerdict => {
            let (verdict, reason) = match completion.verdict {
                DeviceVerdict::Valid => (DeviceVerdict::Invalid, 0),
                _ => (DeviceVerdict::Valid, map::REASON_EQUAL),
            };
            (completion.verdict, completion.reason) = (verdict, reason as u8);
        }
        Defect::UnknownCookie => completion.cookie ^= 0x40_0000,
        Defect::Malformed => (completion.verdict, completion.reason) = (DeviceVerdict::Malformed, 0),
        _ => {}
    }
}
