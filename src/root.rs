//! The root context: one a VM and configuration. Turns the plugin's configuration into a policy and makes
//! the streams that hold to it.

use std::rc::Rc;

use gmtech_core::config::Policy;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::host;
use crate::leases;
use crate::stream::Stream;

/// The root context.
#[derive(Default)]
pub(crate) struct Root {
    policy: Option<Rc<Policy>>,
}

impl Context for Root {}

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
                self.policy = Some(Rc::new(policy));
                if let Err(status) = host::clock::tick_every(leases::RENEWAL) {
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
        leases::renew_all();
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(id, self.policy.clone())))
    }
}
