//! Telling threads apart in a nanosecond.

thread_local! {
    /// Its address differs between threads that are alive.
    static HERE: u8 = const { 0 };
}

/// Marks a thread. A thread that has ended may have had the mark of one that lives; the default is nobody's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ThreadMark(usize);

impl ThreadMark {
    /// The mark of the calling thread.
    pub(super) fn here() -> Self {
        HERE.with(|here| Self(std::ptr::from_ref(here).addr()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_differ() {
        let here = ThreadMark::here();
        assert_eq!(here, ThreadMark::here());
        assert_ne!(here, ThreadMark::default());
        let there = std::thread::spawn(ThreadMark::here).join().expect("it does not panic");
        assert_ne!(here, there);
    }
}
