//! `write`, `writelines`, `flush`, `truncate`.

use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyString};

use super::class::TextFile;
use super::codec::Known;
use crate::files::BinaryFile;
use crate::files::binary::{
    Answer, Flush as FlushBytes, Need, Next, Placed, Step, Truncate as TruncateBytes,
};
use crate::raw::file_memory::FileMemory;
use crate::raw::text;

/// Text that is on its way into the file of bytes.
enum Encoded<'py> {
    /// It is held there.
    Held,
    /// These bytes are still to be placed.
    Bytes(Bound<'py, PyAny>),
}

impl TextFile {
    /// Encodes text, and has the file of bytes hold it if that needs nothing else. What was decoded is forgotten.
    ///
    /// # Errors
    /// What the encoder raises.
    fn encode<'py>(&self, text: &Bound<'py, PyString>) -> PyResult<Encoded<'py>> {
        let py = text.py();
        let codec = self.codec(py);
        let translated = match codec.newline.written() {
            Some(newline) => {
                let arguments = (intern!(py, "\n"), newline);
                let replaced = text.call_method1(intern!(py, "replace"), arguments)?;
                replaced.cast_into::<PyString>()?
            }
            None => text.clone(),
        };
        if codec.known == Known::Utf8
            && let Ok(bytes) = translated.to_str()
        {
            self.end_reading(py)?;
            if self.binary.get().holds(py, bytes.as_bytes()) {
                return Ok(Encoded::Held);
            }
        }
        let bytes = self
            .encoder(py)?
            .call_method1(intern!(py, "encode"), (translated,))?;
        self.end_reading(py)?;
        Ok(Encoded::Bytes(bytes))
    }

    fn encoder<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (known, is_beginning) = self.state.with(py, |state| {
            let known = state.encoder.as_ref().map(|known| known.bind(py).clone());
            (known, state.encodes_beginning)
        });
        if let Some(known) = known {
            return Ok(known);
        }
        let encoder = self.codec(py).encoder(py)?;
        if !is_beginning {
            // No mark in the midst of a file.
            encoder.call_method1(intern!(py, "setstate"), (0,))?;
        }
        let made = Some(encoder.clone().unbind());
        let previous = self
            .state
            .with(py, |state| std::mem::replace(&mut state.encoder, made));
        drop(previous);
        Ok(encoder)
    }

    /// Forgets what was decoded: a write goes where the bytes of that end.
    fn end_reading(&self, py: Python<'_>) -> PyResult<()> {
        if self
            .state
            .with(py, |state| state.chunks.current().is_none())
        {
            return Ok(());
        }
        self.forget_chunks(py);
        match self.known_decoder(py) {
            Some(decoder) => decoder.call_method0(intern!(py, "reset")).map(drop),
            None => Ok(()),
        }
    }

    /// Whether text has to be flushed once it is written.
    fn is_flushed(&self, text: &Bound<'_, PyString>) -> bool {
        let has = |end| text::find(text, end, 0, text::length(text)).is_some();
        let is_line_buffered = self.state.with(text.py(), |state| state.is_line_buffered);
        is_line_buffered && (has('\n') || has('\r'))
    }
}

/// One text on its way: what `write` and `writelines` do with each.
struct Writing {
    file: Py<TextFile>,
    /// What the encoder has made of it, and is not placed yet.
    bytes: Option<Py<PyAny>>,
    is_flushed: bool,
}

impl Writing {
    fn new(file: &Bound<'_, TextFile>) -> Self {
        Self {
            file: file.clone().unbind(),
            bytes: None,
            is_flushed: false,
        }
    }

    /// Begins with a text; what is needed first.
    fn begin(&mut self, text: &Bound<'_, PyAny>) -> PyResult<Option<Need>> {
        let text = checked(text)?;
        let slf = self.file.get();
        slf.check_writable(text.py())?;
        self.is_flushed = slf.is_flushed(text);
        if let Encoded::Bytes(bytes) = slf.encode(text)? {
            self.bytes = Some(bytes.unbind());
        }
        self.go_on(text.py())
    }

    /// What else is needed; None if the text is written.
    fn go_on(&mut self, py: Python<'_>) -> PyResult<Option<Need>> {
        if let Some(bytes) = self.bytes.take() {
            match self.file.get().binary.get().place(bytes.bind(py))? {
                Placed::Held(_) => {}
                Placed::NeedsFlush => {
                    self.bytes = Some(bytes);
                    return Ok(Some(Need::Flush));
                }
                Placed::Direct(view, _) => return Ok(Some(Need::Write(FileMemory::View(view)))),
            }
        }
        Ok(std::mem::take(&mut self.is_flushed).then_some(Need::Flush))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.file)?;
        visit.call(&self.bytes)
    }
}

fn checked<'a, 'py>(text: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyString>> {
    text.cast::<PyString>().or_else(|_other| {
        let class = text.get_type().name()?.to_string();
        let shown = if text.is_none() { "None" } else { &class };
        Err(PyTypeError::new_err(format!(
            "write() argument must be str, not {shown}"
        )))
    })
}

/// `write`.
pub(crate) struct Write {
    text: Py<PyString>,
    writing: Writing,
}

impl Write {
    pub(super) fn new(file: &Bound<'_, TextFile>, text: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self {
            text: checked(text)?.clone().unbind(),
            writing: Writing::new(file),
        })
    }
}

impl Step for Write {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        let text = self.text.bind(py);
        let need = match answer {
            Answer::Start => self.writing.begin(text.as_any())?,
            _ => self.writing.go_on(py)?,
        };
        Ok(match need {
            Some(need) => Next::Need(need),
            None => Next::Return(text::length(text).into_pyobject(py)?.into_any()),
        })
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.text)?;
        self.writing.traverse(visit)
    }
}

/// `writelines`.
pub(crate) struct WriteLines {
    lines: Py<PyAny>,
    iterator: Option<Py<PyIterator>>,
    writing: Writing,
}

impl WriteLines {
    pub(super) fn new(file: &Bound<'_, TextFile>, lines: &Bound<'_, PyAny>) -> Self {
        Self {
            lines: lines.clone().unbind(),
            iterator: None,
            writing: Writing::new(file),
        }
    }
}

impl Step for WriteLines {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        let mut need = match answer {
            Answer::Start => {
                self.writing.file.get().check_open(py)?;
                self.iterator = Some(self.lines.bind(py).try_iter()?.unbind());
                None
            }
            _ => self.writing.go_on(py)?,
        };
        let mut lines = self
            .iterator
            .as_ref()
            .map(|iterator| iterator.bind(py).clone());
        while need.is_none() {
            let Some(line) = lines.as_mut().and_then(Iterator::next) else {
                return Ok(Next::Return(py.None().into_bound(py)));
            };
            need = self.writing.begin(&line?)?;
        }
        match need {
            Some(need) => Ok(Next::Need(need)),
            None => Ok(Next::Return(py.None().into_bound(py))),
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.lines)?;
        visit.call(&self.iterator)?;
        self.writing.traverse(visit)
    }
}

/// What is done by the file of bytes alone, after a check in the words of text.
pub(crate) struct Bytes<S> {
    file: Py<TextFile>,
    step: S,
}

impl<S: Step> Bytes<S> {
    pub(super) fn new(file: &Bound<'_, TextFile>, step: S) -> Self {
        Self {
            file: file.clone().unbind(),
            step,
        }
    }
}

impl<S: Step> Step for Bytes<S> {
    const HANDLES_FAILURES: bool = S::HANDLES_FAILURES;
    const IS_POSITIONAL: bool = S::IS_POSITIONAL;
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        if matches!(answer, Answer::Start) {
            self.file.get().check_open(file.py())?;
        }
        self.step.step(file, answer)
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.file)?;
        self.step.traverse(visit)
    }
}

/// `flush`.
pub(crate) type Flush = Bytes<FlushBytes>;

/// `truncate`: as in Python's own, at the position of the file of bytes, which is that of the chunk.
pub(crate) type Truncate = Bytes<TruncateBytes>;
