//! The pages for people in a bootstrap: the cluster `pages` and the routes that lead to it.

use anyhow::Result;
use serde_json::Value;

use super::nodes::{at, connection_manager, is_named, named};
use super::service::{self, ServiceAddress};

/// The cluster of the service's listener for people.
const CLUSTER: &str = "pages";

/// The route that adds the slash to `/users`. It leads to no cluster.
const SLASH: &str = "pages-slash";

/// Sets the address of the cluster.
///
/// # Errors
/// When the template has no such cluster.
pub(super) fn address(config: &mut Value, address: &ServiceAddress) -> Result<()> {
    service::lead_to(config, CLUSTER, address)
}

/// Removes the cluster and its routes, so that nothing of the service can be reached. A template without them stays unchanged.
///
/// # Errors
/// When the template has no routes or clusters at all.
pub(super) fn remove(config: &mut Value) -> Result<()> {
    let manager = connection_manager(config)?;
    let host = named(manager, &["route_config", "virtual_hosts"], "api")?;
    if let Some(routes) = at(host, &["routes"])?.as_array_mut() {
        routes.retain(|route| {
            let cluster = route.pointer("/route/cluster").and_then(Value::as_str);
            cluster != Some(CLUSTER) && !is_named(route, SLASH)
        });
    }
    if let Some(clusters) = at(config, &["static_resources", "clusters"])?.as_array_mut() {
        clusters.retain(|cluster| !is_named(cluster, CLUSTER));
    }
    Ok(())
}
