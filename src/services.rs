//! The key services of the configurations that are in force in this VM. It belongs to the VM: root contexts come and
//! go with configurations, and two of them live side by side while one is replaced.

use std::cell::RefCell;

use gmtech_core::agent::Services;
use gmtech_core::config::ServicePolicy;

thread_local! {
    static SERVICES: RefCell<Services> = RefCell::default();
}

/// A root context was configured.
pub(crate) fn configured(root: u32, service: Option<&ServicePolicy>) {
    SERVICES.with(|services| {
        if let Ok(mut services) = services.try_borrow_mut() {
            services.configured(root, service);
        }
    });
}

/// A root context is gone.
pub(crate) fn retired(root: u32) {
    SERVICES.with(|services| {
        if let Ok(mut services) = services.try_borrow_mut() {
            services.retired(root);
        }
    });
}

/// The service that is asked for keys.
pub(crate) fn current() -> Option<ServicePolicy> {
    SERVICES.with(|services| services.try_borrow().ok()?.current().cloned())
}

/// Looks at all of them.
pub(crate) fn with<T>(look: impl FnOnce(&Services) -> T) -> Option<T> {
    SERVICES.with(|services| services.try_borrow().ok().map(|services| look(&services)))
}
