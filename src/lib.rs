//! The GMTech key gate as an Envoy HTTP filter.
//!
//! What it is: the only code that calls the host. It passes Envoy's callbacks to [`gmtech_core`] and carries out the
//! actions.
//!
//! What it is not: it makes no decisions. It exists for wasm32 only; a native build of this crate is empty.
//!
//! # Failure policy
//! A trap cuts every stream of a worker, so every host call goes through [`host`], which returns statuses and never
//! panics. A host call that fails ends in a 503 for that request.
#![cfg(target_arch = "wasm32")]

#[cfg(feature = "faults")]
mod faults;
mod host;
mod root;
mod stream;
mod worker;

/// Called by Envoy once in each VM, before any other callback.
// The ABI requires this exported symbol, and no other module of the VM exports it.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Info);
    proxy_wasm::set_root_context(|id| Box::new(root::Root::new(id)));
}
