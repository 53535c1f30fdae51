//! Time as the loop sees it: nanoseconds on a clock that never goes back.
//!
//! The real clock is the kernel's `CLOCK_MONOTONIC`, the clock of Python's `time.monotonic()`.
//! A virtual clock fills the same trait: it answers [`Clock::until`] by jumping to the deadline.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A point in time, in nanoseconds since an origin that only the clock knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The deadline that is never reached (584 years from the origin).
    pub const NEVER: Self = Self(u64::MAX);
    /// The origin of the clock.
    pub const ORIGIN: Self = Self(0);

    /// The point `nanos` nanoseconds after the clock's origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The first instant whose [`as_seconds`](Self::as_seconds) is not less than `seconds`.
    ///
    /// A timer set for `seconds` that waits for this instant is never early, not even by the
    /// rounding between floating-point seconds and nanoseconds. Negative values and NaN are the
    /// origin; what lies beyond the range (infinity too) is [`NEVER`](Self::NEVER).
    #[must_use]
    pub fn at_or_after_seconds(seconds: f64) -> Self {
        let nanos = (seconds * 1e9).ceil();
        if nanos.is_nan() || nanos <= 0.0 {
            return Self::ORIGIN;
        }
        if nanos >= u64::MAX as f64 {
            return Self::NEVER;
        }
        let mut instant = Self(nanos as u64);
        while instant.as_seconds() < seconds {
            instant.0 += 1;
        }
        instant
    }

    /// Seconds since the clock's origin, as `time.monotonic()` gives them.
    #[must_use]
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The time from `earlier` to this instant, or zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Where the loop reads the time.
pub trait Clock: Send + Sync {
    /// The time now. Never less than what an earlier call returned.
    fn now(&self) -> Instant;

    /// How long the thread has to sleep until `deadline` is reached.
    ///
    /// A virtual clock may move its time forward to `deadline` and return zero.
    fn until(&self, deadline: Instant) -> Duration {
        deadline.since(self.now())
    }
}

/// The kernel's `CLOCK_MONOTONIC`.
#[derive(Clone, Copy, Debug, Default)]
pub struct MonotonicClock;

impl Clock for MonotonicClock {
    fn now(&self) -> Instant {
        let time = clock_gettime(ClockId::Monotonic);
        // The kernel keeps tv_sec and tv_nsec of this clock non-negative and normalised.
        Instant(time.tv_sec.unsigned_abs() * NANOS_PER_SECOND + time.tv_nsec.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_monotonic_clock_never_goes_back() {
        let clock = MonotonicClock;
        let mut last = clock.now();
        for _ in 0..10_000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn unreachable_and_past_deadlines_are_clamped() {
        assert_eq!(Instant::at_or_after_seconds(f64::INFINITY), Instant::NEVER);
        assert_eq!(Instant::at_or_after_seconds(2f64.powi(55)), Instant::NEVER);
        assert_eq!(Instant::at_or_after_seconds(f64::NAN), Instant::ORIGIN);
        assert_eq!(Instant::at_or_after_seconds(-1.0), Instant::ORIGIN);
        assert_eq!(
            Instant::at_or_after_seconds(f64::NEG_INFINITY),
            Instant::ORIGIN
        );
    }

    proptest! {
        #[test]
        fn even_a_deadline_after_centuries_is_never_early(seconds in 1e9..1.9e10f64) {
            let instant = Instant::at_or_after_seconds(seconds);
            prop_assert!(instant == Instant::NEVER || instant.as_seconds() >= seconds);
        }

        #[test]
        fn a_deadline_in_seconds_is_never_early(seconds in 0.0..1e9f64) {
            prop_assert!(Instant::at_or_after_seconds(seconds).as_seconds() >= seconds);
        }

        #[test]
        fn a_deadline_is_late_by_no_more_than_the_precision_of_a_double(nanos in 0u64..1 << 53) {
            let there_and_back = Instant::at_or_after_seconds(Instant::from_nanos(nanos).as_seconds());
            prop_assert!(there_and_back.as_nanos().abs_diff(nanos) <= 2);
        }
    }
}
