//! Latencies in buckets that grow with the value: constant memory, at most 1.6 % off at any size.

use std::time::Duration;

/// Each power of two is cut into this many buckets (2^6): the width of a bucket is at most 1/64 of its values.
const STEPS_BITS: u32 = 6;
const STEPS: u64 = 1 << STEPS_BITS;

/// How often each latency was seen.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// Occurrences by bucket; grown to the largest value seen.
    buckets: Vec<u64>,
    /// The sum of all buckets.
    count: u64,
}

impl Histogram {
    pub(crate) fn record(&mut self, latency: Duration) {
        let bucket = bucket_of(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
    }

    /// How many latencies were recorded.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The smallest bucket value, in nanoseconds, that at least `per_mille` thousandths of the latencies do not exceed.
    pub(crate) fn quantile_ns(&self, per_mille: u64) -> u64 {
        let rank = (self.count * per_mille).div_ceil(1000);
        let mut seen = 0;
        for (bucket, occurrences) in self.buckets.iter().enumerate() {
            seen += occurrences;
            if seen >= rank {
                return lower_bound_ns(bucket);
            }
        }
        0
    }
}

/// Values below `STEPS` have a bucket each; above, the leading `STEPS_BITS + 1` bits choose it.
fn bucket_of(value_ns: u64) -> usize {
    let shift = (u64::BITS - value_ns.leading_zeros()).saturating_sub(STEPS_BITS + 1);
    let bucket = u64::from(shift) * STEPS + (value_ns >> shift);
    usize::try_from(bucket).unwrap_or(usize::MAX)
}

fn lower_bound_ns(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / STEPS).saturating_sub(1);
    (bucket - shift * STEPS) << shift
}

#[cfg(test)]
mod tests {
    use super::{Histogram, bucket_of, lower_bound_ns};
    use std::time::Duration;

    #[test]
    fn every_value_lies_in_the_bucket_that_it_is_counted_in() {
        for value in (0..2_000).chain([65_535, 65_536, 1 << 40, u64::MAX / 3, u64::MAX]) {
            let bucket = bucket_of(value);
            assert!(lower_bound_ns(bucket) <= value, "{value}");
            assert!(
                value == u64::MAX
                    || bucket == bucket_of(u64::MAX)
                    || lower_bound_ns(bucket + 1) > value,
                "{value}"
            );
            assert!(
                (value - lower_bound_ns(bucket)) as f64 <= value as f64 / 64.0,
                "{value}"
            );
        }
    }

    #[test]
    fn quantiles_are_those_of_the_recorded_values() {
        let mut histogram = Histogram::default();
        for microseconds in 1..=1000 {
            histogram.record(Duration::from_micros(microseconds));
        }
        assert_eq!(histogram.count(), 1000);
        for (per_mille, expected) in [(500, 500_000.0), (990, 990_000.0), (1000, 1_000_000.0)] {
            let found = histogram.quantile_ns(per_mille) as f64;
            assert!(
                (found / expected - 1.0).abs() < 0.02,
                "{per_mille}: {found}"
            );
        }
    }
}
