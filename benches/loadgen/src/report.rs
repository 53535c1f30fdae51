//! The result of one measured window, as one line of JSON.

use std::fmt;
use std::time::Duration;

use crate::histogram::Histogram;

/// One measured window.
#[derive(Debug)]
pub(crate) struct Report {
    /// From the first request to the last reply.
    pub(crate) elapsed: Duration,
    /// One latency for each request.
    pub(crate) latencies: Histogram,
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            r#"{{"requests": {}, "elapsed_ns": {}, "p50_ns": {}, "p99_ns": {}}}"#,
            self.latencies.count(),
            self.elapsed.as_nanos(),
            self.latencies.quantile_ns(500),
            self.latencies.quantile_ns(990),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Histogram, Report};
    use std::time::Duration;

    #[test]
    fn a_report_is_one_json_object() {
        let mut latencies = Histogram::default();
        latencies.record(Duration::from_nanos(32));
        let report = Report {
            elapsed: Duration::from_secs(1),
            latencies,
        };
        let expected = r#"{"requests": 1, "elapsed_ns": 1000000000, "p50_ns": 32, "p99_ns": 32}"#;
        assert_eq!(report.to_string(), expected);
    }
}
