//! Which of the two ways files are served, and why.

use std::sync::atomic::{AtomicI32, Ordering};

use rustix::io::Errno;

/// What a program asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The ring if the system lets us have one.
    #[default]
    Best,
    /// The ring, or an error.
    Ring,
    /// Threads.
    Pool,
}

impl Choice {
    /// The name of the environment variable that chooses.
    pub const VARIABLE: &str = "AIOXIDE_FILES";

    /// What the variable's value asks for; None if there is no such choice.
    #[must_use]
    pub fn named(value: &str) -> Option<Self> {
        match value {
            "" => Some(Self::Best),
            "ring" => Some(Self::Ring),
            "pool" => Some(Self::Pool),
            _ => None,
        }
    }
}

/// How files are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// By an io_uring.
    Ring,
    /// By threads, because that was asked for.
    Pool,
    /// By threads, because the system refuses a ring with this error.
    Refused(Errno),
}

/// The system's refusal of a ring, which is remembered.
#[derive(Debug, Default)]
pub(super) struct Refusal(AtomicI32);

impl Refusal {
    pub(super) const fn new() -> Self {
        Self(AtomicI32::new(0))
    }

    /// What a ring was refused with, for good.
    pub(super) fn known(&self) -> Option<Errno> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            code => Some(Errno::from_raw_os_error(code)),
        }
    }

    /// Remembers the error, unless it may pass, as a lack of descriptors does.
    pub(super) fn note(&self, errno: Errno) {
        if is_refusal(errno) {
            self.0.store(errno.raw_os_error(), Ordering::Relaxed);
        }
    }
}

/// Whether an error of a ring means that there will be none.
pub(super) fn is_refusal(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::NOSYS | Errno::PERM | Errno::ACCESS | Errno::NOMEM | Errno::INVAL
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lasting_refusal_is_remembered() {
        let refusal = Refusal::new();
        refusal.note(Errno::MFILE);
        assert_eq!(refusal.known(), None);
        refusal.note(Errno::PERM);
        assert_eq!(refusal.known(), Some(Errno::PERM));
    }

    #[test]
    fn a_choice_has_a_name() {
        assert_eq!(Choice::named("ring"), Some(Choice::Ring));
        assert_eq!(Choice::named("pool"), Some(Choice::Pool));
        assert_eq!(Choice::named(""), Some(Choice::Best));
        assert_eq!(Choice::named("rings"), None);
    }
}
