//! The key services of the configurations that are in force in a worker.

use crate::config::ServicePolicy;

/// The configurations that live, in the order in which they were configured, with their service.
///
/// While a configuration is replaced, the old one and the new one are in force side by side, and two listeners may
/// differ for good. One process has one directory of keys, so it is one service that is asked for them: that of
/// the configuration that came last.
#[derive(Debug, Default)]
pub(super) struct Services {
    living: Vec<(u32, ServicePolicy)>,
}

impl Services {
    /// A configuration is in force, with a service or without.
    pub(super) fn configured(&mut self, config: u32, service: Option<&ServicePolicy>) {
        self.retired(config);
        if let Some(service) = service {
            self.living.push((config, service.clone()));
        }
    }

    /// A configuration is gone.
    pub(super) fn retired(&mut self, config: u32) {
        self.living.retain(|(living, _)| *living != config);
    }

    /// The service that is asked for keys.
    #[must_use]
    pub(super) fn current(&self) -> Option<&ServicePolicy> {
        self.living.last().map(|(_, service)| service)
    }

    /// How the service behind a cluster is reached now: its token may have been replaced.
    #[must_use]
    pub(super) fn of(&self, cluster: &str) -> Option<&ServicePolicy> {
        let mut services = self.living.iter().rev().map(|(_, service)| service);
        services.find(|service| service.cluster == cluster)
    }
}
