//! TLS records: where one ends and the next begins in a stream of encrypted bytes.
//!
//! A TLS library that is given part of a record can only say that it wants more, which in Python is
//! an exception. So what arrives is cut at the ends of records, and a part waits here for its rest.
//! Only the five bytes in front of each record are looked at, which are never encrypted and have been
//! the same since TLS 1.0. A stream that does not look like records is passed on as it comes: what to
//! say about it is the library's business.

/// Kind, version and length, in front of each record.
const HEADER_SIZE: usize = 5;
/// The largest contents of a record: 16 KiB, and what encryption may add (RFC 5246, 6.2.3).
const CONTENTS_MAX: usize = 16_384 + 2_048;
/// The kinds of records, from `change_cipher_spec` to `heartbeat`.
const KINDS: std::ops::RangeInclusive<u8> = 20..=24;
/// The first byte of the version of every TLS record.
const VERSION_MAJOR: u8 = 3;
/// Small records are passed on together, up to this many bytes: about one record of the largest size.
const GROUP_MAX: usize = HEADER_SIZE + CONTENTS_MAX;

/// What the beginning of a stream is.
enum Beginning {
    /// A record of this many bytes, header included.
    Record(usize),
    /// Too short to tell.
    Unknown,
    /// No TLS record.
    Foreign,
}

fn beginning(bytes: &[u8]) -> Beginning {
    let &[kind, major, _minor, high, low, ..] = bytes else {
        return Beginning::Unknown;
    };
    let contents = usize::from(u16::from_be_bytes([high, low]));
    if KINDS.contains(&kind) && major == VERSION_MAJOR && contents <= CONTENTS_MAX {
        Beginning::Record(HEADER_SIZE + contents)
    } else {
        Beginning::Foreign
    }
}

/// Consecutive bytes of the stream that are to be passed on at once.
#[derive(Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// The bytes.
    pub bytes: std::borrow::Cow<'a, [u8]>,
    /// How many whole records they are; none if the stream is not one of records.
    pub records: Option<usize>,
}

/// Cuts a stream into groups of whole records.
#[derive(Debug, Default)]
pub struct Records {
    /// The beginning of a record whose rest has not arrived.
    partial: Vec<u8>,
    /// The stream has turned out not to be one of records.
    is_foreign: bool,
}

impl Records {
    /// How many bytes wait for the rest of their record.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.partial.len()
    }

    /// Drops what waits for the rest of its record.
    pub fn clear(&mut self) {
        self.partial = Vec::new();
    }

    /// Whether `arrived` holds a single record and nothing else, and nothing waits.
    #[must_use]
    pub fn is_one_record(&self, arrived: &[u8]) -> bool {
        self.partial.is_empty()
            && !self.is_foreign
            && matches!(beginning(arrived), Beginning::Record(length) if length == arrived.len())
    }

    /// Takes the next group off the front of `arrived`; none once only part of a record is left, which is kept.
    pub fn next<'a>(&mut self, arrived: &mut &'a [u8]) -> Option<Group<'a>> {
        if !self.partial.is_empty() {
            return self.complete(arrived);
        }
        if self.is_foreign {
            return foreign(std::mem::take(arrived).into());
        }
        let (mut length, mut records) = (0, 0);
        loop {
            let rest = arrived.get(length..).unwrap_or_default();
            match beginning(rest) {
                Beginning::Record(size)
                    if size <= rest.len() && (records == 0 || length + size <= GROUP_MAX) =>
                {
                    length += size;
                    records += 1;
                }
                Beginning::Foreign if records == 0 => {
                    self.is_foreign = true;
                    return foreign(std::mem::take(arrived).into());
                }
                Beginning::Record(_) | Beginning::Unknown | Beginning::Foreign => break,
            }
        }
        if records == 0 {
            self.partial.extend_from_slice(std::mem::take(arrived));
            return None;
        }
        let (group, rest) = arrived.split_at(length);
        *arrived = rest;
        Some(Group {
            bytes: group.into(),
            records: Some(records),
        })
    }

    /// Adds to the record that waits for its rest; a group once it is whole.
    fn complete<'a>(&mut self, arrived: &mut &'a [u8]) -> Option<Group<'a>> {
        while !arrived.is_empty() {
            let missing = match beginning(&self.partial) {
                Beginning::Record(size) => size - self.partial.len(),
                Beginning::Unknown => HEADER_SIZE - self.partial.len(),
                Beginning::Foreign => {
                    self.is_foreign = true;
                    return foreign(std::mem::take(&mut self.partial).into());
                }
            };
            if missing == 0 {
                break;
            }
            let (more, rest) = arrived.split_at(missing.min(arrived.len()));
            self.partial.extend_from_slice(more);
            *arrived = rest;
        }
        match beginning(&self.partial) {
            Beginning::Record(size) if size == self.partial.len() => Some(Group {
                bytes: std::mem::take(&mut self.partial).into(),
                records: Some(1),
            }),
            Beginning::Foreign => {
                self.is_foreign = true;
                foreign(std::mem::take(&mut self.partial).into())
            }
            Beginning::Record(_) | Beginning::Unknown => None,
        }
    }

    /// What is left when the stream has ended: part of a record, which can only be judged as it is.
    pub fn take_rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.partial)
    }
}

fn foreign(bytes: std::borrow::Cow<'_, [u8]>) -> Option<Group<'_>> {
    (!bytes.is_empty()).then_some(Group {
        bytes,
        records: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(contents: usize) -> Vec<u8> {
        let [high, low] = u16::try_from(contents).expect("small").to_be_bytes();
        let mut record = vec![23, 3, 3, high, low];
        record.resize(HEADER_SIZE + contents, 7);
        record
    }

    fn groups(records: &mut Records, mut arrived: &[u8]) -> Vec<(Vec<u8>, Option<usize>)> {
        std::iter::from_fn(|| records.next(&mut arrived))
            .map(|group| (group.bytes.into_owned(), group.records))
            .collect()
    }

    #[test]
    fn a_record_in_two_parts_is_passed_on_whole() {
        let (mut records, record) = (Records::default(), record(100));
        assert_eq!(groups(&mut records, &record[..60]), []);
        assert_eq!(records.waiting(), 60);
        assert_eq!(
            groups(&mut records, &record[60..]),
            [(record.clone(), Some(1))]
        );
        assert_eq!(records.waiting(), 0);
    }

    #[test]
    fn small_records_are_passed_on_together_and_large_ones_alone() {
        let mut records = Records::default();
        let small = [record(10), record(20), record(0)].concat();
        assert_eq!(groups(&mut records, &small), [(small.clone(), Some(3))]);
        let large = [record(16_000), record(16_000)].concat();
        let alone = record(16_000);
        assert_eq!(
            groups(&mut records, &large),
            [(alone.clone(), Some(1)), (alone, Some(1))]
        );
    }

    #[test]
    fn what_is_no_record_is_passed_on_as_it_comes() {
        let mut records = Records::default();
        let request = b"GET / HTTP/1.1\r\n".to_vec();
        assert_eq!(groups(&mut records, &request), [(request.clone(), None)]);
        assert_eq!(groups(&mut records, b"x"), [(b"x".to_vec(), None)]);
    }

    #[test]
    fn what_turns_out_to_be_no_record_is_passed_on_with_what_waited() {
        let mut records = Records::default();
        assert_eq!(groups(&mut records, b"GE"), []);
        let passed: Vec<u8> = groups(&mut records, b"T / HTTP/1.1")
            .into_iter()
            .flat_map(|(bytes, _)| bytes)
            .collect();
        assert_eq!(passed, b"GET / HTTP/1.1");
    }

    #[test]
    fn a_single_record_is_recognised() {
        let mut records = Records::default();
        assert!(records.is_one_record(&record(1000)));
        assert!(!records.is_one_record(&record(1000)[..999]));
        assert!(!records.is_one_record(&[record(1), record(1)].concat()));
        assert_eq!(groups(&mut records, &record(9)[..4]), []);
        assert!(!records.is_one_record(&record(1)));
        assert_eq!(records.take_rest(), record(9)[..4]);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_doubled_or_cut(
            sizes in prop::collection::vec(0_usize..18_432, 1..12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let stream: Vec<u8> = sizes.iter().flat_map(|&size| record(size)).collect();
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            ends.push(stream.len());
            ends.sort_unstable();
            let (mut records, mut passed, mut count, mut start) = (Records::default(), Vec::new(), 0, 0);
            for end in ends {
                for (bytes, records) in groups(&mut records, &stream[start..end]) {
                    passed.extend(bytes);
                    count += records.expect("records");
                }
                start = end;
            }
            prop_assert_eq!(passed, stream);
            prop_assert_eq!(count, sizes.len());
            prop_assert_eq!(records.waiting(), 0);
        }
    }
}
