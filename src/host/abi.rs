//! The imports of the proxy-wasm ABI 0.2.1 that the filter uses. The status is a plain number, since a host may return
//! an unknown one.
//!
//! This is the only unsafe code of the project. Every pointer that is passed out points to a live slice, or to a local
//! variable that outlives the call. Every block that is taken over was allocated by the SDK's `malloc` export as a
//! boxed slice of exactly the returned length.
#![allow(unsafe_code)]

use super::{Status, check};

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_buffer_bytes(
        kind: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(
        kind: u32,
        start: usize,
        len: usize,
        data: *const u8,
        data_len: usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, len: *mut usize) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_len: usize) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_len: usize,
        value: *const u8,
        value_len: usize,
    ) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_len: usize,
        body: *const u8,
        body_len: usize,
        headers: *const u8,
        headers_len: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_len: usize,
        data: *mut *mut u8,
        len: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_len: usize,
        value: *const u8,
        value_len: usize,
        cas: u32,
    ) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_len: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> u32;
    fn proxy_set_property(
        path: *const u8,
        path_len: usize,
        value: *const u8,
        value_len: usize,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_len: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision: u64, time: *mut u64) -> u32;
    fn random_get(data: *mut u8, len: usize) -> u32;
}

/// Takes over a block that the host allocated in the VM's memory.
fn taken(status: u32, data: *mut u8, len: usize) -> Result<Vec<u8>, Status> {
    check(status)?;
    if data.is_null() || len == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the host got the block from our `malloc` export with exactly this length and gives it up.
    Ok(unsafe { Vec::from_raw_parts(data, len, len) })
}

pub(super) fn get_buffer(kind: u32, start: usize, max: usize) -> Result<Vec<u8>, Status> {
    let (mut data, mut len) = (std::ptr::null_mut(), 0);
    // SAFETY: both out-pointers are to locals.
    let status = unsafe { proxy_get_buffer_bytes(kind, start, max, &raw mut data, &raw mut len) };
    taken(status, data, len)
}

pub(super) fn set_buffer(kind: u32, start: usize, len: usize, bytes: &[u8]) -> Result<(), Status> {
    // SAFETY: the slice is live during the call.
    check(unsafe { proxy_set_buffer_bytes(kind, start, len, bytes.as_ptr(), bytes.len()) })
}

pub(super) fn get_header_pairs(map: u32) -> Result<Vec<u8>, Status> {
    let (mut data, mut len) = (std::ptr::null_mut(), 0);
    // SAFETY: both out-pointers are to locals.
    let status = unsafe { proxy_get_header_map_pairs(map, &raw mut data, &raw mut len) };
    taken(status, data, len)
}

pub(super) fn remove_header(map: u32, name: &[u8]) -> Result<(), Status> {
    // SAFETY: the slice is live during the call.
    check(unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) })
}

pub(super) fn replace_header(map: u32, name: &[u8], value: &[u8]) -> Result<(), Status> {
    let (n, v) = (name, value);
    // SAFETY: both slices are live during the call.
    check(unsafe { proxy_replace_header_map_value(map, n.as_ptr(), n.len(), v.as_ptr(), v.len()) })
}

pub(super) fn send_local_response(
    status: u16,
    details: &[u8],
    body: &[u8],
    headers: &[u8],
) -> Result<(), Status> {
    const NO_GRPC_STATUS: i32 = -1;
    // SAFETY: all slices are live during the call.
    check(unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            NO_GRPC_STATUS,
        )
    })
}

pub(super) fn get_shared_data(key: &[u8]) -> Result<(Vec<u8>, u32), Status> {
    let (mut data, mut len, mut cas) = (std::ptr::null_mut(), 0, 0);
    // SAFETY: the key is live during the call and the out-pointers are to locals.
    let status = unsafe {
        proxy_get_shared_data(
            key.as_ptr(),
            key.len(),
            &raw mut data,
            &raw mut len,
            &raw mut cas,
        )
    };
    taken(status, data, len).map(|value| (value, cas))
}

pub(super) fn set_shared_data(key: &[u8], value: &[u8], cas: u32) -> Result<(), Status> {
    // SAFETY: both slices are live during the call.
    check(unsafe {
        proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas)
    })
}

pub(super) fn get_property(path: &[u8]) -> Result<Vec<u8>, Status> {
    let (mut data, mut len) = (std::ptr::null_mut(), 0);
    // SAFETY: the path is live during the call and both out-pointers are to locals.
    let status =
        unsafe { proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut len) };
    taken(status, data, len)
}

pub(super) fn set_property(path: &[u8], value: &[u8]) -> Result<(), Status> {
    // SAFETY: both slices are live during the call.
    check(unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
}

pub(super) fn define_metric(kind: u32, name: &[u8]) -> Result<u32, Status> {
    let mut id = 0;
    // SAFETY: the name is live during the call and the out-pointer is to a local.
    check(unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) })?;
    Ok(id)
}

pub(super) fn increment_metric(id: u32, offset: i64) -> Result<(), Status> {
    // SAFETY: takes plain numbers.
    check(unsafe { proxy_increment_metric(id, offset) })
}

pub(super) fn record_metric(id: u32, value: u64) -> Result<(), Status> {
    // SAFETY: takes plain numbers.
    check(unsafe { proxy_record_metric(id, value) })
}

pub(super) fn continue_request() -> Result<(), Status> {
    const HTTP_REQUEST: u32 = 0;
    // SAFETY: takes a plain number.
    check(unsafe { proxy_continue_stream(HTTP_REQUEST) })
}

pub(super) fn random_u64() -> Result<u64, Status> {
    let mut bytes = [0; 8];
    // SAFETY: the pointer is to a local of that length.
    check(unsafe { random_get(bytes.as_mut_ptr(), bytes.len()) })?;
    Ok(u64::from_le_bytes(bytes))
}

pub(super) fn set_tick_period(millis: u32) -> Result<(), Status> {
    // SAFETY: takes a plain number.
    check(unsafe { proxy_set_tick_period_milliseconds(millis) })
}

pub(super) fn monotonic_nanos() -> Result<u64, Status> {
    const CLOCK_MONOTONIC: u32 = 1;
    let mut time = 0;
    // SAFETY: the out-pointer is to a local.
    check(unsafe { clock_time_get(CLOCK_MONOTONIC, 1, &raw mut time) })?;
    Ok(time)
}

pub(super) fn wall_nanos() -> Result<u64, Status> {
    let mut time = 0;
    // SAFETY: the out-pointer is to a local.
    check(unsafe { proxy_get_current_time_nanoseconds(&raw mut time) })?;
    Ok(time)
}
