//! Positions in text: numbers that say where to begin in the file of bytes, and how to come from there to the very
//! character.
//!
//! The number is laid out as `io.TextIOWrapper`'s: the offset in its lowest 64 bits, and above these, 32 bits each, the
//! decoder's state there, how many bytes to decode from there, and how many of their characters to pass over; then
//! whether to tell the decoder that these bytes are the last. For most positions it is the offset.

use pyo3::exceptions::PyOverflowError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt};

use super::decoding::decode;
use crate::raw::text;

/// A position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cookie {
    pub(super) offset: u64,
    pub(super) flags: u32,
    pub(super) bytes: u32,
    pub(super) characters: u32,
    pub(super) is_last: bool,
}

/// How many bytes the number has.
const COOKIE_BYTES: usize = 21;

impl Cookie {
    pub(super) fn to_object<'py>(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let simple = Self {
            offset: self.offset,
            ..Self::default()
        };
        if self == simple {
            return Ok(self.offset.into_pyobject(py)?.into_any());
        }
        let mut bytes = Vec::with_capacity(COOKIE_BYTES);
        bytes.extend_from_slice(&self.offset.to_le_bytes());
        bytes.extend_from_slice(&self.flags.to_le_bytes());
        bytes.extend_from_slice(&self.bytes.to_le_bytes());
        bytes.extend_from_slice(&self.characters.to_le_bytes());
        bytes.push(u8::from(self.is_last));
        let arguments = (PyBytes::new(py, &bytes), intern!(py, "little"));
        let class = py.get_type::<PyInt>();
        class.call_method1(intern!(py, "from_bytes"), arguments)
    }

    /// # Errors
    /// `OverflowError` for a number that is none; `TypeError` for what is no number.
    pub(super) fn of(number: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(offset) = number.extract::<u64>() {
            return Ok(Self {
                offset,
                ..Self::default()
            });
        }
        let py = number.py();
        // Python's own take what can be made one.
        let number = py.get_type::<PyInt>().call1((number,))?;
        let arguments = (COOKIE_BYTES, intern!(py, "little"));
        let bytes = number.call_method1(intern!(py, "to_bytes"), arguments)?;
        let bytes = bytes.cast_into::<PyBytes>()?;
        let word = |begin: usize| {
            let word = bytes.as_bytes().get(begin..begin + 4);
            word.and_then(|word| word.try_into().ok())
                .map_or(0, u32::from_le_bytes)
        };
        Ok(Self {
            offset: u64::from(word(0)) | u64::from(word(4)) << 32,
            flags: word(8),
            bytes: word(12),
            characters: word(16),
            is_last: bytes.as_bytes().get(20).is_some_and(|last| *last != 0),
        })
    }
}

/// A decoder that is set back to try something, and has its state again in the end.
pub(super) struct Trial<'py> {
    pub(super) decoder: Bound<'py, PyAny>,
    /// The state that it gets back.
    pub(super) kept: Bound<'py, PyAny>,
    /// What it decodes,
    pub(super) input: Bound<'py, PyBytes>,
    /// beginning with these flags.
    pub(super) flags: u32,
}

impl<'py> Trial<'py> {
    /// Decodes the first `count` bytes anew; how many characters they are, how many bytes the decoder keeps, its flags.
    fn run(&self, count: usize, is_last: bool) -> PyResult<(usize, usize, u32)> {
        let py = self.decoder.py();
        set_state(&self.decoder, self.flags)?;
        let input = self.input.as_bytes();
        let input = PyBytes::new(py, input.get(..count).unwrap_or(input));
        let text = decode(&self.decoder, &input, is_last)?;
        let (kept, flags) = state(&self.decoder)?;
        Ok((text::length(&text), kept.as_bytes().len(), flags))
    }

    /// How few bytes of the input make at least `used` characters; None if not even all do.
    fn shortest(&self, used: usize) -> PyResult<Option<usize>> {
        let all = self.input.as_bytes().len();
        if self.run(all, false)?.0 < used {
            return Ok(None);
        }
        let (mut less, mut enough) = (0, all);
        while less + 1 < enough {
            let middle = less.midpoint(enough);
            if self.run(middle, false)?.0 < used {
                less = middle;
            } else {
                enough = middle;
            }
        }
        Ok(Some(enough))
    }

    /// The position of the `used`-th character, counted from `offset`, where the input begins.
    pub(super) fn cookie(&self, offset: u64, used: usize) -> PyResult<Cookie> {
        let shortest = self.shortest(used)?;
        let end = shortest.unwrap_or(self.input.as_bytes().len());
        let mut begin = end;
        loop {
            let (characters, kept, flags) = self.run(begin, false)?;
            let is_safe = kept == 0 && characters <= used;
            if begin == 0 || is_safe {
                let skipped = if begin == 0 { 0 } else { characters };
                let cookie = Cookie {
                    offset: offset + begin as u64,
                    flags: if begin == 0 { self.flags } else { flags },
                    bytes: number(end - begin)?,
                    characters: number(used - skipped)?,
                    is_last: shortest.is_none(),
                };
                return Ok(cookie.without_detour());
            }
            begin -= 1;
        }
    }
}

impl Cookie {
    /// A position to which there is no character to pass over needs no bytes decoded.
    fn without_detour(self) -> Self {
        if self.characters > 0 {
            return self;
        }
        Self {
            bytes: 0,
            is_last: false,
            ..self
        }
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        let py = self.decoder.py();
        let restored = self
            .decoder
            .call_method1(intern!(py, "setstate"), (&self.kept,));
        if let Err(error) = restored {
            error.write_unraisable(py, Some(&self.decoder));
        }
    }
}

fn number(count: usize) -> PyResult<u32> {
    u32::try_from(count).map_err(|error| PyOverflowError::new_err(error.to_string()))
}

/// A decoder's state: the bytes that it keeps, and its flags.
fn state<'py>(decoder: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyBytes>, u32)> {
    let state = decoder.call_method0(intern!(decoder.py(), "getstate"))?;
    state_of(&state)
}

pub(super) fn state_of<'py>(state: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyBytes>, u32)> {
    state.extract::<(Bound<'py, PyBytes>, u32)>()
}

pub(super) fn set_state(decoder: &Bound<'_, PyAny>, flags: u32) -> PyResult<()> {
    let py = decoder.py();
    let state = (PyBytes::new(py, b""), flags);
    decoder
        .call_method1(intern!(py, "setstate"), (state,))
        .map(drop)
}
