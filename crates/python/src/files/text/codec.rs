//! How text is told from bytes: the encoding, what becomes of errors, and how lines end.

use std::sync::Arc;

use pyo3::exceptions::{PyLookupError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString};

use crate::raw::guarded::Guarded;

/// How lines end, and what becomes of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Newline {
    /// By `\n`, `\r` or `\r\n`, which are all read as `\n`.
    Translated,
    /// By any of the three, which stays.
    Universal,
    /// Only by this, which `\n` is written as.
    Only(&'static str),
}

impl Newline {
    /// What the argument `newline` means.
    ///
    /// # Errors
    /// `TypeError` for what is neither text nor None, `ValueError` for other text.
    pub(super) fn of(argument: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let Some(argument) = argument else {
            return Ok(Self::Translated);
        };
        let Ok(text) = argument.cast::<PyString>() else {
            let class = argument.get_type();
            let class = class.name()?;
            return Err(PyTypeError::new_err(format!(
                "newline must be str or None, not {class}"
            )));
        };
        match &*text.to_string_lossy() {
            "" => Ok(Self::Universal),
            "\n" => Ok(Self::Only("\n")),
            "\r" => Ok(Self::Only("\r")),
            "\r\n" => Ok(Self::Only("\r\n")),
            other => Err(PyValueError::new_err(format!(
                "illegal newline value: {other}"
            ))),
        }
    }

    /// Whether all ends of lines are known as such.
    pub(super) fn is_universal(self) -> bool {
        !matches!(self, Self::Only(_))
    }

    /// What `\n` is written as, if not as itself.
    pub(super) fn written(self) -> Option<&'static str> {
        match self {
            Self::Only(newline) if newline != "\n" => Some(newline),
            _ => None,
        }
    }
}

/// The encodings that are recognised, to spare the way through Python's codecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Utf8,
    Other,
}

/// An encoding with its errors and line ends.
pub(super) struct Codec {
    pub(super) encoding: Py<PyString>,
    pub(super) errors: Py<PyString>,
    pub(super) newline: Newline,
    info: Py<PyAny>,
    pub(super) known: Known,
}

/// Codecs that have been looked up: a file that is opened for one read should not take longer for that.
static KNOWN: Guarded<Vec<Arc<Codec>>> = Guarded::new(Vec::new());

/// How many are kept. Programs have few, and those who have many open few files with each.
const KNOWN_MAX: usize = 16;

impl Codec {
    /// Looks an encoding up; None is the default one, and strict errors.
    ///
    /// # Errors
    /// `LookupError` for one that is unknown, or no encoding of text.
    pub(super) fn get(
        py: Python<'_>,
        encoding: Option<&Bound<'_, PyString>>,
        errors: Option<&Bound<'_, PyString>>,
        newline: Newline,
    ) -> PyResult<Arc<Self>> {
        let encoding = match encoding {
            Some(encoding) if encoding != "locale" => encoding.clone(),
            Some(_locale) => locale_encoding(py)?,
            None => default_encoding(py)?,
        };
        let errors = errors
            .cloned()
            .unwrap_or_else(|| intern!(py, "strict").clone());
        let known = KNOWN.with(py, |known| {
            let is_it = |codec: &&Arc<Self>| codec.is(&encoding, &errors, newline);
            known.iter().find(is_it).map(Arc::clone)
        });
        if let Some(known) = known {
            return Ok(known);
        }
        let codec = Arc::new(Self::new(&encoding, &errors, newline)?);
        KNOWN.with(py, |known| {
            if known.len() < KNOWN_MAX {
                known.push(Arc::clone(&codec));
            }
        });
        Ok(codec)
    }

    /// Whether it is the codec for these.
    fn is(
        &self,
        encoding: &Bound<'_, PyString>,
        errors: &Bound<'_, PyString>,
        newline: Newline,
    ) -> bool {
        let py = encoding.py();
        let is_same = |own: &Py<PyString>, other: &Bound<'_, PyString>| matches!((own.bind(py).to_str(), other.to_str()), (Ok(own), Ok(other)) if own == other);
        self.newline == newline
            && is_same(&self.encoding, encoding)
            && is_same(&self.errors, errors)
    }

    fn new(
        encoding: &Bound<'_, PyString>,
        errors: &Bound<'_, PyString>,
        newline: Newline,
    ) -> PyResult<Self> {
        let py = encoding.py();
        let info = look_up(encoding)?;
        let is_utf8 = info.getattr(intern!(py, "name"))?.eq("utf-8")? && errors == "strict";
        Ok(Self {
            encoding: encoding.clone().unbind(),
            errors: errors.clone().unbind(),
            newline,
            info: info.unbind(),
            known: if is_utf8 { Known::Utf8 } else { Known::Other },
        })
    }

    /// A new decoder.
    pub(super) fn decoder<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        static NEWLINES: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let make = self
            .info
            .bind(py)
            .getattr(intern!(py, "incrementaldecoder"))?;
        let decoder = make.call1((&self.errors,))?;
        if let Newline::Only(_) = self.newline {
            return Ok(decoder);
        }
        let newlines = NEWLINES.get_or_try_init(py, || {
            let class = py.import("io")?.getattr("IncrementalNewlineDecoder")?;
            Ok::<_, PyErr>(class.unbind())
        })?;
        let is_translated = self.newline == Newline::Translated;
        newlines.bind(py).call1((decoder, is_translated))
    }

    /// A new encoder.
    pub(super) fn encoder<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let make = self
            .info
            .bind(py)
            .getattr(intern!(py, "incrementalencoder"))?;
        make.call1((&self.errors,))
    }

    /// Decodes bytes that are a whole file, if that can be done at once. None if it takes a decoder.
    pub(super) fn decode_whole<'py>(
        &self,
        bytes: &Bound<'py, PyBytes>,
    ) -> Option<Bound<'py, PyString>> {
        let has_returns = self.newline == Newline::Translated && bytes.as_bytes().contains(&b'\r');
        if self.known != Known::Utf8 || has_returns {
            return None;
        }
        let text = std::str::from_utf8(bytes.as_bytes()).ok()?;
        Some(PyString::new(bytes.py(), text))
    }
}

/// Python's knowledge of an encoding of text.
fn look_up<'py>(encoding: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
    static LOOKUP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = encoding.py();
    let lookup = LOOKUP.get_or_try_init(py, || {
        Ok::<_, PyErr>(py.import("codecs")?.getattr("lookup")?.unbind())
    })?;
    let info = lookup.bind(py).call1((encoding,))?;
    if info
        .getattr(intern!(py, "_is_text_encoding"))?
        .is_truthy()?
    {
        return Ok(info);
    }
    // From 3.14 on `codecs.open` is not recommended any more.
    let advice = if cfg!(Py_3_14) {
        ""
    } else {
        "; use codecs.open() to handle arbitrary codecs"
    };
    Err(PyLookupError::new_err(format!(
        "{} is not a text encoding{advice}",
        encoding.repr()?
    )))
}

/// The encoding of the locale, or UTF-8 in Python's UTF-8 mode, which is usual since 3.15.
fn default_encoding(py: Python<'_>) -> PyResult<Bound<'_, PyString>> {
    let flags = py.import(intern!(py, "sys"))?.getattr("flags")?;
    if flags.getattr("utf8_mode")?.is_truthy()? {
        return Ok(intern!(py, "utf-8").clone());
    }
    locale_encoding(py)
}

fn locale_encoding(py: Python<'_>) -> PyResult<Bound<'_, PyString>> {
    let encoding = py.import("locale")?.call_method0("getencoding")?;
    Ok(encoding.cast_into::<PyString>()?)
}
