//! The GMTech key gate as an Envoy HTTP filter.
//!
//! What it is: the only place that touches the host. It copies bytes out of Envoy, asks [`gmtech_core`]
//! what to do, and does it.
//!
//! What it is not: it holds no policy. It exists only for wasm32; a native build of this crate is empty.
//!
//! # Failure policy
//! A trap cuts every stream of a worker, so every host call goes through [`host`], which returns statuses and
//! bytes and never panics. What the host refuses to do ends in a 503 for that one request.
#![cfg(target_arch = "wasm32")]

#[cfg(feature = "faults")]
mod faults;
mod host;
mod root;
mod stream;
mod worker;

/// Called by Envoy once a VM, before any other callback.
// The ABI asks for an exported symbol; no other module of this VM exports one of that name.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Info);
    proxy_wasm::set_root_context(|id| Box::new(root::Root::new(id)));
}
