//! What pointers of the caller point to: the only file that follows one.

use std::mem::{MaybeUninit, offset_of};
use std::slice;

use bytes::Bytes;
use moq_mls_boundary::Status;
use moq_mls_boundary::config::KeysConfig;

use crate::abi;
use crate::fail::Fail;

/// A plain struct that begins with its size, and may grow at its end.
///
/// # Safety
/// It is `repr(C)`, its first field is `size: u32`, and all bits zero are a value of it.
pub(crate) unsafe trait Growing: Copy {
    /// How much of it every caller has, bytes.
    const LEAST: usize;
}

// SAFETY: integers, raw pointers and unions of them.
unsafe impl Growing for abi::Event {
    const LEAST: usize = offset_of!(Self, body);
}

// SAFETY: integers, raw pointers and unions of them. The one enum among them is never read back.
unsafe impl Growing for abi::Action {
    const LEAST: usize = offset_of!(Self, body);
}

// SAFETY: integers and raw pointers.
unsafe impl Growing for abi::Config {
    // Not the size of the struct, which may grow behind this field.
    const LEAST: usize = offset_of!(Self, keys) + size_of::<KeysConfig>();
}

/// Reads the size that a struct begins with.
///
/// # Safety
/// `at` is null or points to a struct that begins with a `u32`.
pub(crate) unsafe fn size<T: Growing>(at: *const T) -> Result<usize, Fail> {
    if at.is_null() {
        return Err(Fail::null("a struct"));
    }
    if !at.is_aligned() {
        return Err(Fail::new(Status::InvalidSize, "a struct is not aligned"));
    }
    // SAFETY: by the caller; it begins with its size.
    let size = unsafe { at.cast::<u32>().read() };
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let least = T::LEAST;
    if size < least {
        let message = format!("a size of {size}, where {least} are the least");
        return Err(Fail::new(Status::InvalidSize, message));
    }
    Ok(size)
}

/// Reads a struct that the caller may have compiled with another size: what it lacks is zero. Says how much it has.
///
/// # Safety
/// `at` is null or points to as many bytes as the struct's own `size` says.
pub(crate) unsafe fn read<T: Growing>(at: *const T) -> Result<(T, usize), Fail> {
    // SAFETY: by the caller.
    let size = unsafe { size(at) }?.min(size_of::<T>());
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: `size` bytes can be read there, by the caller, and fit here; the two do not overlap.
    unsafe { at.cast::<u8>().copy_to_nonoverlapping(value.as_mut_ptr().cast(), size) };
    // SAFETY: zero bits and whatever the caller wrote are a value, by `Growing`.
    Ok((unsafe { value.assume_init() }, size))
}

/// Writes a struct for a caller that may have compiled it with another size.
///
/// # Safety
/// `at` is null or points to as many bytes as the struct's own `size` says, which nobody else uses now.
pub(crate) unsafe fn write<T: Growing>(at: *mut T, value: &T) -> Result<(), Fail> {
    // SAFETY: by the caller.
    let size = unsafe { size(at) }?.min(size_of::<T>());
    let from = std::ptr::from_ref(value).cast::<u8>();
    // Behind the size, which stays the caller's.
    let head = size_of::<u32>();
    // SAFETY: `size` is within `value` and, by the caller, within what can be written there.
    unsafe { at.cast::<u8>().add(head).copy_from_nonoverlapping(from.add(head), size.saturating_sub(head)) };
    Ok(())
}

/// Where an output goes. It is checked before the work that leads to it, so that a call that is refused changes nothing.
pub(crate) struct Out<T>(*mut T);

impl<T> Out<T> {
    /// Writes the output.
    pub(crate) fn put(&self, value: T) {
        // SAFETY: by the caller of `out`; not null, and aligned.
        unsafe { self.0.write(value) };
    }
}

/// Takes the place of an output.
///
/// # Safety
/// `at` is null or points to room for a `T`, until the call ends.
pub(crate) unsafe fn out<T>(at: *mut T) -> Result<Out<T>, Fail> {
    if at.is_null() {
        return Err(Fail::null("an output"));
    }
    if !at.is_aligned() {
        return Err(Fail::new(Status::InvalidSize, "an output is not aligned"));
    }
    Ok(Out(at))
}

/// Reads an array, which may be null if it is empty.
///
/// # Safety
/// `data` is null or points to `len` values, which nobody changes while the result is used.
pub(crate) unsafe fn array<'a, T>(data: *const T, len: usize) -> Result<&'a [T], Fail> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(Fail::null("an array that is not empty"));
    }
    let fits = len.checked_mul(size_of::<T>()).is_some_and(|bytes| isize::try_from(bytes).is_ok());
    if !fits || !data.is_aligned() {
        return Err(Fail::new(Status::InvalidLength, "an array that cannot be in memory"));
    }
    // SAFETY: by the caller; not null, aligned, and no longer than memory.
    Ok(unsafe { slice::from_raw_parts(data, len) })
}

/// Reads one value, called `what`.
///
/// # Safety
/// `at` is null or points to a value.
pub(crate) unsafe fn one<T: Copy>(at: *const T, what: &str) -> Result<T, Fail> {
    if at.is_null() {
        return Err(Fail::null(what));
    }
    if !at.is_aligned() {
        return Err(Fail::new(Status::InvalidLength, format!("{what} that is not aligned")));
    }
    // SAFETY: by the caller; not null, and aligned.
    Ok(unsafe { at.read() })
}

/// Reads bytes.
///
/// # Safety
/// As [`array`].
pub(crate) unsafe fn bytes<'a>(bytes: abi::Bytes) -> Result<&'a [u8], Fail> {
    // SAFETY: by the caller.
    unsafe { array(bytes.data, bytes.len) }
}

/// Reads bytes that are absent if their pointer is null.
///
/// # Safety
/// As [`array`].
pub(crate) unsafe fn optional<'a>(of: abi::Bytes) -> Result<Option<&'a [u8]>, Fail> {
    if of.data.is_null() && of.len == 0 {
        return Ok(None);
    }
    // SAFETY: by the caller.
    unsafe { bytes(of) }.map(Some)
}

/// Copies bytes.
///
/// # Safety
/// As [`array`].
pub(crate) unsafe fn owned(of: abi::Bytes) -> Result<Bytes, Fail> {
    // SAFETY: by the caller.
    unsafe { bytes(of) }.map(Bytes::copy_from_slice)
}

/// Copies bytes that are absent if their pointer is null.
///
/// # Safety
/// As [`array`].
pub(crate) unsafe fn owned_optional(of: abi::Bytes) -> Result<Option<Bytes>, Fail> {
    // SAFETY: by the caller.
    Ok(unsafe { optional(of) }?.map(Bytes::copy_from_slice))
}

/// Fills the caller's buffer, if it is large enough, and says in any case how long the output is.
///
/// # Safety
/// `buffer` is null or has room for `room` bytes; `len` is null or has room for a number.
pub(crate) unsafe fn fill(output: &[u8], buffer: *mut u8, room: usize, len: *mut usize) -> Result<(), Fail> {
    // SAFETY: by the caller.
    unsafe { out(len) }?.put(output.len());
    if room < output.len() {
        let message = format!("{} bytes do not fit into {room}", output.len());
        return Err(Fail::new(Status::BufferTooSmall, message));
    }
    if buffer.is_null() {
        return Err(Fail::null("a buffer"));
    }
    // SAFETY: there is room, by the caller, and what the library owns does not overlap it.
    unsafe { buffer.copy_from_nonoverlapping(output.as_ptr(), output.len()) };
    Ok(())
}
