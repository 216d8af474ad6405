//! The changes that `gmtech envoy-config` makes to a parsed template, one function for each option.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::nodes::{
    at, connection_manager, http_filter, is_named, named, upstream_cluster, upstream_routes,
};
use super::{Args, Upstream};

/// Sent to the provider if no key is configured, so that the client's key never gets there.
const NO_UPSTREAM_KEY: &str = "no-upstream-key-configured";

/// The usual paths of the system's trusted certificates.
const SYSTEM_CA_FILES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Sets the listening addresses.
pub(super) fn addresses(config: &mut Value, args: &Args) -> Result<()> {
    let admin = at(config, &["admin", "address", "socket_address"])?;
    set_address(admin, args.admin_host, args.admin_port)?;
    let listener = named(config, &["static_resources", "listeners"], "api")?;
    let api = at(listener, &["address", "socket_address"])?;
    set_address(api, args.api_host, args.api_port)
}

fn set_address(address: &mut Value, host: Option<IpAddr>, port: Option<u16>) -> Result<()> {
    if let Some(host) = host {
        set(address, "address", json!(host.to_string()))?;
    }
    if let Some(port) = port {
        set(address, "port_value", json!(port))?;
    }
    Ok(())
}

/// Points the cluster and its routes at `upstream`; `ca` replaces the system's certificates.
pub(super) fn upstream(config: &mut Value, upstream: &Upstream, ca: Option<&Path>) -> Result<()> {
    let cluster = upstream_cluster(config)?;
    let address = json!({ "address": upstream.host, "port_value": upstream.port });
    let endpoint = json!({ "endpoint": { "address": { "socket_address": address } } });
    let endpoints = json!([{ "lb_endpoints": [endpoint] }]);
    set(at(cluster, &["load_assignment"])?, "endpoints", endpoints)?;
    if upstream.tls {
        set(cluster, "transport_socket", tls(upstream, ca)?)?;
        // A public provider has many addresses behind one name; connections go to the first one that works.
        set(cluster, "type", json!("LOGICAL_DNS"))?;
        let extension = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        let options = at(cluster, &["typed_extension_protocol_options", extension])?;
        if let Some(options) = options.as_object_mut() {
            options.remove("explicit_http_config");
        }
        let both = json!({ "http_protocol_options": {}, "http2_protocol_options": {} });
        set(options, "auto_config", both)?;
    }
    for route in upstream_routes(config)? {
        set(route, "prefix_rewrite", json!(upstream.prefix))?;
        set(route, "host_rewrite_literal", json!(upstream.authority))?;
    }
    Ok(())
}

fn tls(upstream: &Upstream, ca: Option<&Path>) -> Result<Value> {
    let ca = match ca {
        Some(path) => absolute(path)?,
        None => SYSTEM_CA_FILES
            .iter()
            .map(PathBuf::from)
            .find(|path| path.exists())
            .context(
                "found no file with the system's certificates: name one with --upstream-ca-file",
            )?,
    };
    let is_ip = upstream.host.parse::<IpAddr>().is_ok();
    let san_type = if is_ip { "IP_ADDRESS" } else { "DNS" };
    let mut context = json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {
            "validation_context": {
                "trusted_ca": { "filename": ca },
                "match_typed_subject_alt_names": [
                    { "san_type": san_type, "matcher": { "exact": upstream.host } },
                ],
            },
        },
    });
    if !is_ip {
        set(&mut context, "sni", json!(upstream.host))?;
    }
    Ok(json!({ "name": "envoy.transport_sockets.tls", "typed_config": context }))
}

/// Makes the credential injector read the provider's key from `file`, once, at start.
pub(super) fn upstream_key(config: &mut Value, file: Option<&Path>) -> Result<()> {
    let source = match file {
        Some(path) => {
            let key = super::read(path)?;
            let usable = !key.is_empty() && key.bytes().all(|b| b.is_ascii_graphic());
            // Envoy copies the file's bytes into the header. A newline there breaks every request.
            ensure!(
                usable,
                "{} must hold the key and nothing else, no newline either: write it with printf %s",
                path.display()
            );
            json!({ "filename": absolute(path)? })
        }
        None => json!({ "inline_string": NO_UPSTREAM_KEY }),
    };
    let injector = http_filter(config, "envoy.filters.http.credential_injector")?;
    let reference = at(injector, &["credential", "typed_config", "credential"])?;
    let name = at(reference, &["name"])?.clone();
    *reference = json!({ "name": name });
    let secret = json!([{ "name": name, "generic_secret": { "secret": source } }]);
    set(at(config, &["static_resources"])?, "secrets", secret)
}

/// Sets the path of the filter's module.
pub(super) fn filter_wasm(config: &mut Value, path: &Path) -> Result<()> {
    let local = at(
        http_filter(config, "gmtech")?,
        &["config", "vm_config", "code", "local"],
    )?;
    set(local, "filename", json!(absolute(path)?))
}

/// Replaces the filter's configuration.
pub(super) fn filter_config(config: &mut Value, text: &str) -> Result<()> {
    let string = at(http_filter(config, "gmtech")?, &["config", "configuration"])?;
    set(string, "value", json!(text))
}

/// Removes the filter. A template without it stays unchanged.
pub(super) fn remove_filter(config: &mut Value) -> Result<()> {
    let filters = at(connection_manager(config)?, &["http_filters"])?;
    if let Some(list) = filters.as_array_mut() {
        list.retain(|filter| !is_named(filter, "gmtech"));
    }
    Ok(())
}

/// Sends the access log to a file, in the same format.
pub(super) fn access_log(config: &mut Value, path: &Path) -> Result<()> {
    let manager = connection_manager(config)?;
    let log = named(manager, &["access_log"], "envoy.access_loggers.stdout")?;
    let format = at(log, &["typed_config", "log_format"])?.clone();
    *log = json!({
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": absolute(path)?,
            "log_format": format,
        },
    });
    Ok(())
}

/// Sets a field of a mapping.
pub(super) fn set(node: &mut Value, key: &str, value: Value) -> Result<()> {
    let map = node
        .as_object_mut()
        .with_context(|| format!("the template has no mapping where {key} belongs"))?;
    map.insert(key.to_owned(), value);
    Ok(())
}

/// Makes a path absolute, since Envoy resolves relative paths against its own working directory.
fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot resolve {}", path.display()))
}
