//! Which of a list of operations have been executed.

/// A set of indices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Used {
    /// Invariant: the last word is not zero, so that equal sets are equal.
    words: Vec<u64>,
}

impl Used {
    pub(super) fn has(&self, index: usize) -> bool {
        self.words.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// The set with one index more.
    pub(super) fn with(&self, index: usize) -> Self {
        let mut more = self.clone();
        if more.words.len() <= index / 64 {
            more.words.resize(index / 64 + 1, 0);
        }
        more.words[index / 64] |= 1 << (index % 64);
        more
    }

    pub(super) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sets_are_equal_however_they_grew() {
        let (a, b) = (Used::default().with(3).with(200), Used::default().with(200).with(3));
        assert_eq!(a, b);
        assert!(a.has(3) && a.has(200) && !a.has(4) && !a.has(1000));
        assert_eq!(a.count(), 2);
    }
}
