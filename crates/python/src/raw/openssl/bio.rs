//! The kind of BIO that we have made: what it reads and writes are `Buffers`.

use std::ffi::{c_char, c_int, c_long, c_void};
use std::ptr::NonNull;
use std::sync::Arc;

use super::buffers::{Shared, locked};
use super::library::{Library, Loaded};

const BIO_TYPE_SOURCE_SINK: c_int = 0x0400;
const BIO_FLAGS_READ: c_int = 0x01;
const BIO_FLAGS_SHOULD_RETRY: c_int = 0x08;
/// All flags that speak of retrying.
const BIO_FLAGS_RETRY: c_int = 0x0f;
const BIO_CTRL_PENDING: c_int = 10;
const BIO_CTRL_FLUSH: c_int = 11;
const BIO_CTRL_DUP: c_int = 12;
const BIO_CTRL_WPENDING: c_int = 13;

/// OpenSSL's types, of which only pointers are handled.
#[repr(C)]
pub(super) struct Bio {
    _private: [u8; 0],
}
#[repr(C)]
struct BioMethod {
    _private: [u8; 0],
}

type Write = unsafe extern "C" fn(*mut Bio, *const c_char, c_int) -> c_int;
type Read = unsafe extern "C" fn(*mut Bio, *mut c_char, c_int) -> c_int;
type Control = unsafe extern "C" fn(*mut Bio, c_int, c_long, *mut c_void) -> c_long;
type Destroy = unsafe extern "C" fn(*mut Bio) -> c_int;

/// OpenSSL's functions for BIOs, and the method of ours.
pub(super) struct Functions {
    new: unsafe extern "C" fn(*const BioMethod) -> *mut Bio,
    set_data: unsafe extern "C" fn(*mut Bio, *mut c_void),
    get_data: unsafe extern "C" fn(*mut Bio) -> *mut c_void,
    set_init: unsafe extern "C" fn(*mut Bio, c_int),
    set_flags: unsafe extern "C" fn(*mut Bio, c_int),
    clear_flags: unsafe extern "C" fn(*mut Bio, c_int),
    method: NonNull<BioMethod>,
}

// SAFETY: functions may be called from any thread, and the method is not changed after it was made.
unsafe impl Send for Functions {}
// SAFETY: as above.
unsafe impl Sync for Functions {}

impl Functions {
    pub(super) fn of(loaded: &Loaded) -> Option<Self> {
        Some(Self {
            new: loaded.symbol("BIO_new")?,
            set_data: loaded.symbol("BIO_set_data")?,
            get_data: loaded.symbol("BIO_get_data")?,
            set_init: loaded.symbol("BIO_set_init")?,
            set_flags: loaded.symbol("BIO_set_flags")?,
            clear_flags: loaded.symbol("BIO_clear_flags")?,
            method: new_method(loaded)?,
        })
    }

    /// A BIO over buffers, which lives as long as the `SSL` that takes it over.
    pub(super) fn make(&self, shared: &Arc<Shared>) -> Option<NonNull<Bio>> {
        // SAFETY: the method was made by this library, and stays.
        let bio = NonNull::new(unsafe { (self.new)(self.method.as_ptr()) })?;
        let data = Arc::into_raw(Arc::clone(shared)).cast_mut().cast();
        // SAFETY: the BIO was just made; `destroy` takes the count back.
        unsafe { (self.set_data)(bio.as_ptr(), data) };
        // SAFETY: as above.
        unsafe { (self.set_init)(bio.as_ptr(), 1) };
        Some(bio)
    }
}

fn new_method(loaded: &Loaded) -> Option<NonNull<BioMethod>> {
    type SetWrite = unsafe extern "C" fn(*mut BioMethod, Write) -> c_int;
    type SetRead = unsafe extern "C" fn(*mut BioMethod, Read) -> c_int;
    type SetControl = unsafe extern "C" fn(*mut BioMethod, Control) -> c_int;
    type SetDestroy = unsafe extern "C" fn(*mut BioMethod, Destroy) -> c_int;
    type NewMethod = unsafe extern "C" fn(c_int, *const c_char) -> *mut BioMethod;
    type NewIndex = unsafe extern "C" fn() -> c_int;
    let set_write: SetWrite = loaded.symbol("BIO_meth_set_write")?;
    let set_read: SetRead = loaded.symbol("BIO_meth_set_read")?;
    let set_control: SetControl = loaded.symbol("BIO_meth_set_ctrl")?;
    let set_destroy: SetDestroy = loaded.symbol("BIO_meth_set_destroy")?;
    let new_method: NewMethod = loaded.symbol("BIO_meth_new")?;
    let new_index: NewIndex = loaded.symbol("BIO_get_new_index")?;
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
    Some(method)
}

/// The library, and the buffers of one of our BIOs. None only before the BIO has been given its buffers.
///
/// # Safety
///
/// `bio` is a BIO of our method, alive for the whole use of the result.
unsafe fn parts<'a>(bio: *mut Bio) -> Option<(&'static Library, &'a Shared)> {
    let library = Library::found()?;
    // SAFETY: a BIO of ours.
    let data = unsafe { (library.bio.get_data)(bio) };
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
    unsafe { (library.bio.clear_flags)(bio, BIO_FLAGS_RETRY) };
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
    unsafe { (library.bio.clear_flags)(bio, BIO_FLAGS_RETRY) };
    let Ok(length) = usize::try_from(length) else {
        return -1;
    };
    // SAFETY: OpenSSL has room for `length` bytes there.
    let count = unsafe { locked(shared).read_to(place.cast(), length) };
    if count == 0 && length > 0 {
        // SAFETY: a BIO of ours.
        unsafe { (library.bio.set_flags)(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY) };
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
        unsafe { (library.bio.set_data)(bio, std::ptr::null_mut()) };
        // SAFETY: the count that the BIO has owned since it was made; nobody reaches it any more.
        drop(unsafe { Arc::from_raw(shared) });
    }
    1
}
