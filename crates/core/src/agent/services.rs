//! The key services of the configurations that are in force in a worker.

use crate::config::ServicePolicy;

/// The configurations in force, in the order in which they were configured, with their services.
///
/// While a configuration is replaced, the old one and the new one are both in force, and two listeners may differ
/// permanently. A process has one directory of keys, which comes from one service: that of the last configuration.
#[derive(Debug, Default)]
pub(super) struct Services {
    living: Vec<(u32, ServicePolicy)>,
}

impl Services {
    /// Adds a configuration; `service` is its key service, if it has one.
    pub(super) fn configured(&mut self, config: u32, service: Option<&ServicePolicy>) {
        self.retired(config);
        if let Some(service) = service {
            self.living.push((config, service.clone()));
        }
    }

    /// Removes a configuration.
    pub(super) fn retired(&mut self, config: u32) {
        self.living.retain(|(living, _)| *living != config);
    }

    /// The service that keys come from: that of the last configuration.
    #[must_use]
    pub(super) fn current(&self) -> Option<&ServicePolicy> {
        self.living.last().map(|(_, service)| service)
    }

    /// The current access to the service behind a cluster, whose token may have been replaced.
    #[must_use]
    pub(super) fn of(&self, cluster: &str) -> Option<&ServicePolicy> {
        let mut services = self.living.iter().rev().map(|(_, service)| service);
        services.find(|service| service.cluster == cluster)
    }
}
