//! A BIO of our own under an `ssl.SSLObject`, so that OpenSSL reads where the bytes have arrived and
//! writes where they will be sent from.
//!
//! Worth the raw calls: between two `ssl.MemoryBIO` each encrypted byte is cleared and copied once
//! more on its way in and on its way out, which for an echo of 100 KiB is a fifth of the time.
//!
//! The OpenSSL is the one that the interpreter's `_ssl` uses: its functions are asked for by name at
//! run time, of `_ssl` itself. The one thing that is not public is where an `_ssl._SSLSocket` keeps
//! its `SSL`; that was compared in the sources of CPython 3.11 to 3.14, and is believed only if the
//! class has the size that it has there. What we get is then asked whose it is. On any other Python,
//! and where a name is missing (an interpreter with OpenSSL inside), the memory BIOs stay.

use std::ffi::{CString, c_char, c_int, c_long, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// The sizes of `_ssl._SSLSocket` whose layout was compared: 3.11; 3.12 and 3.13; 3.14.
const KNOWN_SIZES: [usize; 3] = [96, 80, 88];
/// Where the `SSL` stands, in words: after the object's head (two words) and the socket.
const SSL_WORD: usize = 3;

const BIO_TYPE_SOURCE_SINK: c_int = 0x0400;
const BIO_FLAGS_READ: c_int = 0x01;
const BIO_FLAGS_SHOULD_RETRY: c_int = 0x08;
/// All flags that speak of retrying.
const BIO_FLAGS_RETRY: c_int = 0x0f;
const BIO_CTRL_PENDING: c_int = 10;
const BIO_CTRL_FLUSH: c_int = 11;
const BIO_CTRL_DUP: c_int = 12;
const BIO_CTRL_WPENDING: c_int = 13;
/// The slot of an `SSL` in which `_ssl` notes the object that it belongs to.
const APP_DATA: c_int = 0;

const RTLD_LAZY: c_int = 1;
const RTLD_NOLOAD: c_int = 4;

/// OpenSSL's types, of which only pointers are handled.
#[repr(C)]
struct Ssl {
    _private: [u8; 0],
}
#[repr(C)]
struct Bio {
    _private: [u8; 0],
}
#[repr(C)]
struct BioMethod {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

type Write = unsafe extern "C" fn(*mut Bio, *const c_char, c_int) -> c_int;
type Read = unsafe extern "C" fn(*mut Bio, *mut c_char, c_int) -> c_int;
type Control = unsafe extern "C" fn(*mut Bio, c_int, c_long, *mut c_void) -> c_long;
type Destroy = unsafe extern "C" fn(*mut Bio) -> c_int;

/// OpenSSL's functions, and the kind of BIO that we have made of them.
struct Library {
    ssl_get_ex_data: unsafe extern "C" fn(*const Ssl, c_int) -> *mut c_void,
    ssl_set_bio: unsafe extern "C" fn(*mut Ssl, *mut Bio, *mut Bio),
    bio_new: unsafe extern "C" fn(*const BioMethod) -> *mut Bio,
    bio_set_data: unsafe extern "C" fn(*mut Bio, *mut c_void),
    bio_get_data: unsafe extern "C" fn(*mut Bio) -> *mut c_void,
    bio_set_init: unsafe extern "C" fn(*mut Bio, c_int),
    bio_set_flags: unsafe extern "C" fn(*mut Bio, c_int),
    bio_clear_flags: unsafe extern "C" fn(*mut Bio, c_int),
    method: NonNull<BioMethod>,
}

// SAFETY: functions may be called from any thread, and the method is not changed after it was made.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

/// Set before the first BIO is made, so that the callbacks of one can rely on it.
static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();

/// A function of `library` by its name, as a pointer of type `F`.
///
/// The caller names the type that OpenSSL's headers give to the function.
fn symbol<F: Copy>(library: NonNull<c_void>, name: &str) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
    let name = CString::new(name).ok()?;
    // SAFETY: `library` was returned by dlopen and is never closed; the name is a C string.
    let address = unsafe { dlsym(library.as_ptr(), name.as_ptr()) };
    if address.is_null() {
        return None;
    }
    // SAFETY: `F` is a function pointer of the type that OpenSSL declares for this name (1.1.1 and 3.x agree
    // on all that are asked for here), and has the size of an address.
    Some(unsafe { std::mem::transmute_copy::<*mut c_void, F>(&address) })
}

impl Library {
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
        Self::of(NonNull::new(library)?)
    }

    fn of(library: NonNull<c_void>) -> Option<Self> {
        type SetWrite = unsafe extern "C" fn(*mut BioMethod, Write) -> c_int;
        type SetRead = unsafe extern "C" fn(*mut BioMethod, Read) -> c_int;
        type SetControl = unsafe extern "C" fn(*mut BioMethod, Control) -> c_int;
        type SetDestroy = unsafe extern "C" fn(*mut BioMethod, Destroy) -> c_int;
        type NewMethod = unsafe extern "C" fn(c_int, *const c_char) -> *mut BioMethod;
        type NewIndex = unsafe extern "C" fn() -> c_int;
        let set_write: SetWrite = symbol(library, "BIO_meth_set_write")?;
        let set_read: SetRead = symbol(library, "BIO_meth_set_read")?;
        let set_control: SetControl = symbol(library, "BIO_meth_set_ctrl")?;
        let set_destroy: SetDestroy = symbol(library, "BIO_meth_set_destroy")?;
        let new_method: NewMethod = symbol(library, "BIO_meth_new")?;
        let new_index: NewIndex = symbol(library, "BIO_get_new_index")?;
        let functions = Self {
            ssl_get_ex_data: symbol(library, "SSL_get_ex_data")?,
            ssl_set_bio: symbol(library, "SSL_set_bio")?,
            bio_new: symbol(library, "BIO_new")?,
            bio_set_data: symbol(library, "BIO_set_data")?,
            bio_get_data: symbol(library, "BIO_get_data")?,
            bio_set_init: symbol(library, "BIO_set_init")?,
            bio_set_flags: symbol(library, "BIO_set_flags")?,
            bio_clear_flags: symbol(library, "BIO_clear_flags")?,
            method: NonNull::dangling(),
        };
        // SAFETY: takes nothing and returns a number.
        let index = unsafe { new_index() };
        // SAFETY: a number and a static name.
        let method = unsafe { new_method(index | BIO_TYPE_SOURCE_SINK, c"aioxide".as_ptr()) };
        let method = NonNull::new(method)?;
        // SAFETY: the method was just made, and the callbacks have the types that OpenSSL calls them with.
        unsafe { set_write(method.as_ptr(), write) };
        // SAFETY: as above.
        unsafe { set_read(method.as_ptr(), read) };
        // SAFETY: as above.
        unsafe { set_control(method.as_ptr(), control) };
        // SAFETY: as above.
        unsafe { set_destroy(method.as_ptr(), destroy) };
        Some(Self {
            method,
            ..functions
        })
    }

    /// The `SSL` in an `_ssl._SSLSocket`.
    fn ssl_of(&self, object: &Bound<'_, PyAny>) -> Option<NonNull<Ssl>> {
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

/// Bytes in the hands of another, which stay where they are while they are lent.
#[derive(Clone, Copy)]
struct Lent {
    start: *const u8,
    length: usize,
}

/// What the two ends of the BIO share.
struct Buffers {
    /// Encrypted bytes that have arrived and nobody has read; `read` of them are gone.
    kept: Vec<u8>,
    read: usize,
    /// More of them, where they have arrived. Empty unless lent.
    lent: Lent,
    /// Encrypted bytes that are to be sent.
    outgoing: Vec<u8>,
}

// SAFETY: what is lent is only read, and the lender waits until it has taken it back.
unsafe impl Send for Buffers {}

impl Buffers {
    fn unread(&self) -> usize {
        self.kept.len() - self.read + self.lent.length
    }

    /// Copies what there is, at most `length` bytes, to `place`.
    ///
    /// # Safety
    ///
    /// `place` is valid for `length` bytes.
    unsafe fn read_to(&mut self, place: *mut u8, length: usize) -> usize {
        let rest = self.kept.get(self.read..).unwrap_or_default();
        if !rest.is_empty() {
            let count = rest.len().min(length);
            // SAFETY: both are valid for `count` bytes, and OpenSSL's memory is not ours.
            unsafe { std::ptr::copy_nonoverlapping(rest.as_ptr(), place, count) };
            self.read += count;
            if self.read == self.kept.len() {
                self.kept.clear();
                self.read = 0;
            }
            return count;
        }
        let count = self.lent.length.min(length);
        if count > 0 {
            // SAFETY: the lender has lent that many bytes, and waits; `place` is valid for more.
            unsafe { std::ptr::copy_nonoverlapping(self.lent.start, place, count) };
            // SAFETY: `count` is within what is lent.
            self.lent.start = unsafe { self.lent.start.add(count) };
            self.lent.length -= count;
        }
        count
    }

    /// Ends the loan; what nobody has read is kept.
    fn take_back(&mut self) {
        if self.lent.length > 0 {
            // SAFETY: still lent, for this many bytes.
            let rest = unsafe { std::slice::from_raw_parts(self.lent.start, self.lent.length) };
            self.kept.extend_from_slice(rest);
        }
        self.lent = NOTHING;
    }
}

const NOTHING: Lent = Lent {
    start: std::ptr::null(),
    length: 0,
};

type Shared = Mutex<Buffers>;

fn locked(shared: &Shared) -> MutexGuard<'_, Buffers> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The library, and the buffers of one of our BIOs. None only before the BIO has been given its buffers.
///
/// # Safety
///
/// `bio` is a BIO of our method, alive for the whole use of the result.
unsafe fn parts<'a>(bio: *mut Bio) -> Option<(&'static Library, &'a Shared)> {
    let library = LIBRARY.get()?.as_ref()?;
    // SAFETY: a BIO of ours.
    let data = unsafe { (library.bio_get_data)(bio) };
    let shared = NonNull::new(data.cast::<Shared>())?;
    // SAFETY: the BIO owns a count of the Arc that this points into, until `destroy`.
    Some((library, unsafe { shared.as_ref() }))
}

unsafe extern "C" fn write(bio: *mut Bio, data: *const c_char, length: c_int) -> c_int {
    // SAFETY: OpenSSL calls this for a BIO of ours.
    let Some((library, shared)) = (unsafe { parts(bio) }) else {
        return -1;
    };
    // SAFETY: a BIO of ours.
    unsafe { (library.bio_clear_flags)(bio, BIO_FLAGS_RETRY) };
    let Ok(count) = usize::try_from(length) else {
        return -1;
    };
    if count > 0 {
        // SAFETY: OpenSSL has `length` bytes there.
        let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), count) };
        locked(shared).outgoing.extend_from_slice(bytes);
    }
    length
}

unsafe extern "C" fn read(bio: *mut Bio, place: *mut c_char, length: c_int) -> c_int {
    // SAFETY: OpenSSL calls this for a BIO of ours.
    let Some((library, shared)) = (unsafe { parts(bio) }) else {
        return -1;
    };
    // SAFETY: a BIO of ours.
    unsafe { (library.bio_clear_flags)(bio, BIO_FLAGS_RETRY) };
    let Ok(length) = usize::try_from(length) else {
        return -1;
    };
    // SAFETY: OpenSSL has room for `length` bytes there.
    let count = unsafe { locked(shared).read_to(place.cast(), length) };
    if count == 0 && length > 0 {
        // SAFETY: a BIO of ours.
        unsafe { (library.bio_set_flags)(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY) };
        return -1;
    }
    c_int::try_from(count).unwrap_or(-1)
}

unsafe extern "C" fn control(
    bio: *mut Bio,
    command: c_int,
    _number: c_long,
    _pointer: *mut c_void,
) -> c_long {
    // SAFETY: OpenSSL calls this for a BIO of ours.
    let Some((_library, shared)) = (unsafe { parts(bio) }) else {
        return 0;
    };
    let length = match command {
        BIO_CTRL_FLUSH | BIO_CTRL_DUP => 1,
        BIO_CTRL_PENDING => locked(shared).unread(),
        BIO_CTRL_WPENDING => locked(shared).outgoing.len(),
        _ => 0,
    };
    c_long::try_from(length).unwrap_or(c_long::MAX)
}

unsafe extern "C" fn destroy(bio: *mut Bio) -> c_int {
    // SAFETY: OpenSSL calls this for a BIO of ours, once.
    if let Some((library, shared)) = unsafe { parts(bio) } {
        let shared: *const Shared = shared;
        // SAFETY: a BIO of ours.
        unsafe { (library.bio_set_data)(bio, std::ptr::null_mut()) };
        // SAFETY: the count that the BIO has owned since it was made; nobody reaches it any more.
        drop(unsafe { Arc::from_raw(shared) });
    }
    1
}

/// The buffers between an `ssl.SSLObject` and the wire.
pub(crate) struct Wire(Arc<Shared>);

/// Takes back what was lent however the call ends.
struct Loan<'a>(&'a Shared);

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        locked(self.0).take_back();
    }
}

impl Wire {
    /// Puts our BIO into the place of those that `builtin`, an `_ssl._SSLSocket` that has not begun, was made
    /// with; nothing where that cannot be done.
    pub(crate) fn under(builtin: &Bound<'_, PyAny>) -> Option<Self> {
        let py = builtin.py();
        if LIBRARY.get().is_none() {
            // Not from within the cell: looking calls Python, where another thread may come for the same.
            drop(LIBRARY.set(Library::find(py)));
        }
        let library = LIBRARY.get()?.as_ref()?;
        let ssl = library.ssl_of(builtin)?;
        let shared = Arc::new(Mutex::new(Buffers {
            kept: Vec::new(),
            read: 0,
            lent: NOTHING,
            outgoing: Vec::new(),
        }));
        // SAFETY: the method was made by this library, and stays.
        let bio = NonNull::new(unsafe { (library.bio_new)(library.method.as_ptr()) })?;
        let data = Arc::into_raw(Arc::clone(&shared)).cast_mut().cast();
        // SAFETY: the BIO was just made; `destroy` takes the count back.
        unsafe { (library.bio_set_data)(bio.as_ptr(), data) };
        // SAFETY: as above.
        unsafe { (library.bio_set_init)(bio.as_ptr(), 1) };
        // SAFETY: the `SSL` takes over the BIO, for both directions, and lets go of the two that it had, which
        // belong to the two `MemoryBIO` as well.
        unsafe { (library.ssl_set_bio)(ssl.as_ptr(), bio.as_ptr(), bio.as_ptr()) };
        Some(Self(shared))
    }

    /// Lends arrived bytes while `call` runs; what is not read meanwhile is kept.
    pub(crate) fn with_input<R>(&self, bytes: &[u8], call: impl FnOnce() -> R) -> R {
        {
            let mut buffers = locked(&self.0);
            // A call from within a call, which nobody makes: the order is kept all the same.
            buffers.take_back();
            buffers.lent = Lent {
                start: bytes.as_ptr(),
                length: bytes.len(),
            };
        }
        let _loan = Loan(&self.0);
        call()
    }

    /// How many encrypted bytes nobody has read.
    pub(crate) fn unread(&self) -> usize {
        locked(&self.0).unread()
    }

    /// Gives OpenSSL other memory to append what is to be sent to, and takes out what it has written to until now.
    pub(crate) fn swap_outgoing(&self, memory: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut locked(&self.0).outgoing, memory)
    }
}
