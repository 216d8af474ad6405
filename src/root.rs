//! The root context: one for each VM and configuration. It compiles the plugin's configuration into a policy, and makes
//! the streams that use it.

use std::sync::Arc;

use gmtech_core::agent::TICK;
use gmtech_core::config::Policy;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::host::{self, Status};
use crate::stream::Filter;
use crate::worker;

/// The root context. It lives as long as its configuration. State that must outlive it is in [`crate::worker`].
pub(crate) struct Root {
    id: u32,
    policy: Option<Arc<Policy>>,
}

impl Root {
    /// Makes the root context with this number.
    pub(crate) fn new(id: u32) -> Self {
        Self { id, policy: None }
    }

    fn configure(&mut self, size: usize) -> Result<bool, Status> {
        let json = host::body::plugin_configuration(size)?;
        match Policy::from_json(&json) {
            Ok(policy) => {
                log::debug!("gmtech: configured with {} inline keys", policy.key_count());
                worker::with(|agent| agent.configured(self.id, policy.service()))?;
                self.policy = Some(Arc::new(policy));
                if let Err(status) = host::system::tick_every(TICK) {
                    log::error!("gmtech: the host refused to set the tick period: {status:?}");
                }
                Ok(true)
            }
            Err(mistake) => {
                log::error!("gmtech: {mistake}");
                Ok(false)
            }
        }
    }
}

impl Drop for Root {
    /// The host cancels the calls of this context. Another context repeats them.
    fn drop(&mut self) {
        let _ = worker::with(|agent| agent.retired(self.id));
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, call: u32, _: usize, size: usize, _: usize) {
        if let Err(status) = worker::answered(self.id, call, size, self) {
            log::error!("gmtech: the host refused a call on the key service's answer: {status:?}");
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        self.configure(size).unwrap_or_else(|status| {
            log::error!("gmtech: the host refused a call on the configuration: {status:?}");
            false
        })
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn on_tick(&mut self) {
        if let Err(status) = worker::tick(self.id, self) {
            log::error!("gmtech: the host refused a call on a tick: {status:?}");
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        let filter = Filter::new(id, self.policy.clone());
        #[cfg(feature = "faults")]
        let filter = crate::faults::Faulty::new(filter);
        Some(Box::new(filter))
    }
}
