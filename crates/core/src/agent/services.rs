//! The key services of the configurations that are in force in a VM.

use crate::config::ServicePolicy;

/// The root contexts that live, in the order in which they were configured, with their service.
///
/// While a configuration is replaced, the old one and the new one are in force side by side, and two listeners may
/// differ for good. One process has one directory of keys, so it is one service that is asked for them: that of
/// the configuration that came last.
#[derive(Debug, Default)]
pub struct Services {
    living: Vec<(u32, ServicePolicy)>,
}

impl Services {
    /// A root context was configured, with a service or without.
    pub fn configured(&mut self, root: u32, service: Option<&ServicePolicy>) {
        self.retired(root);
        if let Some(service) = service {
            self.living.push((root, service.clone()));
        }
    }

    /// A root context is gone.
    pub fn retired(&mut self, root: u32) {
        self.living.retain(|(living, _)| *living != root);
    }

    /// The service that is asked for keys.
    #[must_use]
    pub fn current(&self) -> Option<&ServicePolicy> {
        self.living.last().map(|(_, service)| service)
    }

    /// How the service behind a cluster is reached now: its token may have been replaced.
    #[must_use]
    pub fn of(&self, cluster: &str) -> Option<&ServicePolicy> {
        let mut services = self.living.iter().rev().map(|(_, service)| service);
        services.find(|service| service.cluster == cluster)
    }
}
