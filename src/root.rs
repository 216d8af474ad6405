//! The root context: one a VM and configuration. Turns the plugin's configuration into a policy and makes
//! the streams that hold to it.

use std::sync::Arc;

use gmtech_core::config::Policy;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::host::{self, Status};
use crate::stream::Stream;
use crate::{services, slots, sync, usage};

/// The root context. It comes and goes with its configuration; all that has to outlive it belongs to the VM.
pub(crate) struct Root {
    id: u32,
    policy: Option<Arc<Policy>>,
    ticks: u64,
}

impl Root {
    /// The root context of that number.
    pub(crate) fn new(id: u32) -> Self {
        Self {
            id,
            policy: None,
            ticks: 0,
        }
    }

    fn answered(&mut self, token: u32, size: usize) -> Result<(), Status> {
        if !sync::answered(self.id, token, size, self)? {
            usage::answered(self.id, token, size, self)?;
        }
        Ok(())
    }
}

impl Drop for Root {
    /// The host cancels what this context has under way: another one goes on with it.
    fn drop(&mut self) {
        services::retired(self.id);
        sync::retired(self.id);
        usage::retired(self.id);
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, _: usize, size: usize, _: usize) {
        if let Err(status) = self.answered(token, size) {
            log::error!("gmtech: the host refused a call on the key service's answer: {status:?}");
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let json = match host::body::plugin_configuration(size) {
            Ok(json) => json,
            Err(status) => {
                log::error!("gmtech: the host did not hand over the configuration: {status:?}");
                return false;
            }
        };
        match Policy::from_json(&json) {
            Ok(policy) => {
                log::debug!("gmtech: configured with {} inline keys", policy.key_count());
                services::configured(self.id, policy.service());
                self.policy = Some(Arc::new(policy));
                if let Err(status) = host::system::tick_every(sync::TICK) {
                    log::error!("gmtech: the host refused to tick: {status:?}");
                }
                true
            }
            Err(mistake) => {
                log::error!("gmtech: {mistake}");
                false
            }
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn on_tick(&mut self) {
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(slots::RENEWAL / sync::TICK) {
            slots::renew_all();
        }
        if let Err(status) = sync::tick(self.id, self).and(usage::tick(self.id, self)) {
            log::error!("gmtech: the host refused a call on a tick: {status:?}");
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        let stream = Stream::new(id, self.policy.clone());
        #[cfg(feature = "faults")]
        let stream = crate::faults::Faulty::new(stream);
        Some(Box::new(stream))
    }
}
