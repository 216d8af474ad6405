//! Finds nodes of a bootstrap by name.

use anyhow::{Context as _, Result};
use serde_json::Value;

/// The node at `path`, each step a field of the one before.
///
/// # Errors
/// When a step is missing; the message has the whole path.
pub(super) fn at<'a>(node: &'a mut Value, path: &[&str]) -> Result<&'a mut Value> {
    path.iter()
        .try_fold(node, |node, step| node.get_mut(*step))
        .with_context(|| format!("the template has no {}", path.join(".")))
}

/// The member called `name` of the list at `path`.
///
/// # Errors
/// When the list or the member is missing; the message names both.
pub(super) fn named<'a>(node: &'a mut Value, path: &[&str], name: &str) -> Result<&'a mut Value> {
    at(node, path)?
        .as_array_mut()
        .and_then(|list| list.iter_mut().find(|m| is_named(m, name)))
        .with_context(|| format!("the template has no \"{name}\" in {}", path.join(".")))
}

/// Whether `node` is called `name`.
pub(super) fn is_named(node: &Value, name: &str) -> bool {
    node.get("name").and_then(Value::as_str) == Some(name)
}

/// The HTTP connection manager of the listener `api`.
///
/// # Errors
/// When the template has none.
pub(super) fn connection_manager(config: &mut Value) -> Result<&mut Value> {
    let listener = named(config, &["static_resources", "listeners"], "api")?;
    let chain = named(listener, &["filter_chains"], "api")?;
    let name = "envoy.filters.network.http_connection_manager";
    at(named(chain, &["filters"], name)?, &["typed_config"])
}

/// The configuration of the HTTP filter called `name`.
///
/// # Errors
/// When the template has none.
pub(super) fn http_filter<'a>(config: &'a mut Value, name: &str) -> Result<&'a mut Value> {
    let manager = connection_manager(config)?;
    at(named(manager, &["http_filters"], name)?, &["typed_config"])
}

/// The cluster `upstream`.
///
/// # Errors
/// When the template has none.
pub(super) fn upstream_cluster(config: &mut Value) -> Result<&mut Value> {
    named(config, &["static_resources", "clusters"], "upstream")
}

/// The `route` of every route to the cluster `upstream`.
///
/// # Errors
/// When no route leads there.
pub(super) fn upstream_routes(config: &mut Value) -> Result<Vec<&mut Value>> {
    let manager = connection_manager(config)?;
    let host = named(manager, &["route_config", "virtual_hosts"], "api")?;
    let routes: Vec<&mut Value> = at(host, &["routes"])?
        .as_array_mut()
        .into_iter()
        .flatten()
        .filter_map(|route| route.get_mut("route"))
        .filter(|action| action.get("cluster").and_then(Value::as_str) == Some("upstream"))
        .collect();
    anyhow::ensure!(
        !routes.is_empty(),
        "the template has no route to the cluster \"upstream\""
    );
    Ok(routes)
}
