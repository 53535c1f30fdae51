//! The interpreter's OpenSSL: its functions, by name, and the `SSL` in an object of `_ssl`.

use std::ffi::{CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::OnceLock;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use super::bio::{self, Bio};

/// The sizes of `_ssl._SSLSocket` whose layout was compared: 3.11; 3.12 and 3.13; 3.14.
const KNOWN_SIZES: [usize; 3] = [96, 80, 88];
/// Where the `SSL` stands, in words: after the object's head (two words) and the socket.
const SSL_WORD: usize = 3;
/// The slot of an `SSL` in which `_ssl` notes the object that it belongs to.
const APP_DATA: c_int = 0;

const RTLD_LAZY: c_int = 1;
const RTLD_NOLOAD: c_int = 4;

/// OpenSSL's type for a connection, of which only pointers are handled.
#[repr(C)]
pub(super) struct Ssl {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// OpenSSL's functions.
pub(super) struct Library {
    ssl_get_ex_data: unsafe extern "C" fn(*const Ssl, c_int) -> *mut c_void,
    pub(super) ssl_set_bio: unsafe extern "C" fn(*mut Ssl, *mut Bio, *mut Bio),
    pub(super) ssl_pending: unsafe extern "C" fn(*const Ssl) -> c_int,
    pub(super) bio: bio::Functions,
}

/// Set before the first BIO is made, so that the callbacks of one can rely on it.
static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();

/// A shared library that stays loaded.
pub(super) struct Loaded(NonNull<c_void>);

impl Loaded {
    /// A function by its name, as a pointer of type `F`.
    ///
    /// The caller names the type that OpenSSL's headers give to the function.
    pub(super) fn symbol<F: Copy>(&self, name: &str) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        let name = CString::new(name).ok()?;
        // SAFETY: the library was returned by dlopen and is never closed; the name is a C string.
        let address = unsafe { dlsym(self.0.as_ptr(), name.as_ptr()) };
        if address.is_null() {
            return None;
        }
        // SAFETY: `F` is a function pointer of the type that OpenSSL declares for this name (1.1.1 and 3.x agree
        // on all that are asked for here), and has the size of an address.
        Some(unsafe { std::mem::transmute_copy::<*mut c_void, F>(&address) })
    }
}

impl Library {
    /// The library, which is looked for once; None where it cannot be used.
    pub(super) fn get(py: Python<'_>) -> Option<&'static Self> {
        if LIBRARY.get().is_none() {
            // Not from within the cell: looking calls Python, where another thread may come for the same.
            drop(LIBRARY.set(Self::find(py)));
        }
        Self::found()
    }

    /// The library, if it has been looked for.
    pub(super) fn found() -> Option<&'static Self> {
        LIBRARY.get()?.as_ref()
    }

    fn find(py: Python<'_>) -> Option<Self> {
        let module = py.import("_ssl").ok()?;
        let size: usize = module
            .getattr("_SSLSocket")
            .and_then(|class| class.getattr("__basicsize__"))
            .and_then(|size| size.extract())
            .ok()?;
        if cfg!(any(Py_GIL_DISABLED, Py_3_15))
            || size_of::<usize>() != 8
            || !KNOWN_SIZES.contains(&size)
        {
            return None;
        }
        let path: PathBuf = module.getattr("__file__").ok()?.extract().ok()?;
        let path = CString::new(path.as_os_str().as_bytes()).ok()?;
        // SAFETY: the path is a C string, and loading nothing runs nothing.
        let library = unsafe { dlopen(path.as_ptr(), RTLD_LAZY | RTLD_NOLOAD) };
        // What `_ssl` itself is linked with is found through it, and no other OpenSSL in the process.
        Self::of(&Loaded(NonNull::new(library)?))
    }

    fn of(loaded: &Loaded) -> Option<Self> {
        Some(Self {
            ssl_get_ex_data: loaded.symbol("SSL_get_ex_data")?,
            ssl_set_bio: loaded.symbol("SSL_set_bio")?,
            ssl_pending: loaded.symbol("SSL_pending")?,
            bio: bio::Functions::of(loaded)?,
        })
    }

    /// The `SSL` in an `_ssl._SSLSocket`.
    pub(super) fn ssl_of(&self, object: &Bound<'_, PyAny>) -> Option<NonNull<Ssl>> {
        static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        let class = CLASS.import(object.py(), "_ssl", "_SSLSocket").ok()?;
        if !object.get_type().is(class) {
            return None;
        }
        let place = object.as_ptr().cast::<*mut Ssl>();
        // SAFETY: the object is an `_SSLSocket` of a size that was compared, so that this word is inside of it.
        let place = unsafe { place.add(SSL_WORD) };
        // SAFETY: as above; the word is set when the object is made and stays.
        let ssl = NonNull::new(unsafe { place.read() })?;
        // SAFETY: by the layout that was compared this is an `SSL`.
        let owner = unsafe { (self.ssl_get_ex_data)(ssl.as_ptr(), APP_DATA) };
        (owner.cast() == object.as_ptr()).then_some(ssl)
    }
}
