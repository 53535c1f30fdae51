//! Where a line of text ends.

use pyo3::prelude::*;
use pyo3::types::PyString;

use super::codec::Newline;
use crate::raw::text;

/// Where the first line ends that goes on at `begin`: behind its last character. None if it does not end here.
///
/// `is_after_return` is whether the character before `begin` was a `\r` which, with a `\n`, would have ended it.
#[inline]
pub(super) fn line_end(
    chunk: &Bound<'_, PyString>,
    begin: usize,
    length: usize,
    newline: Newline,
    is_after_return: bool,
) -> Option<usize> {
    match newline {
        Newline::Translated | Newline::Only("\n") => {
            text::find(chunk, '\n', begin, length).map(|place| place + 1)
        }
        Newline::Only("\r") => text::find(chunk, '\r', begin, length).map(|place| place + 1),
        Newline::Only(_) => {
            if is_after_return && text::find(chunk, '\n', begin, begin + 1).is_some() {
                return Some(begin + 1);
            }
            both(chunk, begin, length)
        }
        Newline::Universal => {
            let feed = text::find(chunk, '\n', begin, length);
            let before = feed.unwrap_or(length);
            match text::find(chunk, '\r', begin, before) {
                // The decoder does not part the two.
                Some(place) if Some(place + 1) == feed => Some(place + 2),
                Some(place) => Some(place + 1),
                None => feed.map(|place| place + 1),
            }
        }
    }
}

/// The end of the first `\r\n`.
fn both(chunk: &Bound<'_, PyString>, begin: usize, length: usize) -> Option<usize> {
    let mut begin = begin;
    while let Some(place) = text::find(chunk, '\r', begin, length) {
        if text::find(chunk, '\n', place + 1, place + 2).is_some() {
            return Some(place + 2);
        }
        begin = place + 1;
    }
    None
}

/// Whether a chunk ends with what may be the first half of a line's end.
pub(super) fn ends_with_return(chunk: &Bound<'_, PyString>, length: usize) -> bool {
    length > 0 && text::find(chunk, '\r', length - 1, length).is_some()
}
