//! The key service in a bootstrap: the address of the cluster `auth`, and the filter's `service` section.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context as _, Result, ensure};
use http::uri::Authority;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::nodes::{at, http_filter, named};
use super::patch::set;

/// The cluster of the key service.
const CLUSTER: &str = "auth";

/// An address at which the key service listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServiceAddress {
    /// A name or an IP address, IPv6 without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl FromStr for ServiceAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const SHAPE: &str = "must be HOST:PORT, such as 127.0.0.1:8082 or [::1]:8082";
        let authority: Authority = text.parse().map_err(|_| SHAPE)?;
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        match authority.port_u16() {
            Some(port) if !host.is_empty() && !text.contains('@') => Ok(Self {
                host: host.to_owned(),
                port,
            }),
            _ => Err(SHAPE.into()),
        }
    }
}

/// Sets the address of the cluster through which the filter asks the service.
pub(super) fn address(config: &mut Value, address: &ServiceAddress) -> Result<()> {
    lead_to(config, CLUSTER, address)
}

/// Sets the address of the cluster called `name`.
pub(super) fn lead_to(config: &mut Value, name: &str, address: &ServiceAddress) -> Result<()> {
    let cluster = named(config, &["static_resources", "clusters"], name)?;
    let socket = json!({ "address": address.host, "port_value": address.port });
    let endpoint = json!({ "endpoint": { "address": { "socket_address": socket } } });
    let endpoints = json!([{ "lb_endpoints": [endpoint] }]);
    set(at(cluster, &["load_assignment"])?, "endpoints", endpoints)
}

/// Puts the token in `file` into the filter's `service` section, which is added if it is missing.
pub(super) fn token(config: &mut Value, file: &Path) -> Result<()> {
    let token = read_token(file)?;
    let string = at(http_filter(config, "gmtech")?, &["config", "configuration"])?;
    let text = at(string, &["value"])?
        .as_str()
        .context("the filter's configuration is no text")?;
    let text = with_service(text, &token)?;
    set(string, "value", json!(text))
}

/// Reads the token. If others can read the file this is only a warning, since secrets of containers are often readable.
fn read_token(file: &Path) -> Result<String> {
    let token = super::read(file)?.trim().to_owned();
    ensure!(
        !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()),
        "{} must hold the service's token for proxies (its sync.token) and nothing else",
        file.display()
    );
    let mode = std::fs::metadata(file).map_or(0, |m| m.permissions().mode());
    if mode & 0o007 != 0 {
        crate::out::say(&format!(
            "gmtech: every user can read {}: chmod 600 it
",
            file.display()
        ));
    }
    Ok(token)
}

/// Returns `text` with the token in its `service` section and every other field unchanged. The filter reports errors in
/// the other fields, such as a duplicate field.
fn with_service(text: &str, token: &str) -> Result<String> {
    let Fields(mut fields) = Fields::read(text).context("the filter's configuration")?;
    let at = fields.iter().position(|(name, _)| name == "service");
    let mut section: BTreeMap<String, Value> = match at {
        Some(at) => serde_json::from_str(fields.remove(at).1.get())
            .context("the section `service` of the filter's configuration")?,
        None => BTreeMap::new(),
    };
    section.insert("cluster".into(), json!(CLUSTER));
    section.insert("token".into(), json!(token));
    let section = serde_json::value::to_raw_value(&section)?;
    fields.insert(at.unwrap_or(fields.len()), ("service".into(), section));
    let fields: Vec<String> = fields
        .into_iter()
        .map(|(name, value)| {
            Ok(format!(
                "{}: {}",
                serde_json::to_string(&name)?,
                value.get()
            ))
        })
        .collect::<Result<_>>()?;
    Ok(format!("{{\n  {}\n}}\n", fields.join(",\n  ")))
}

/// The fields of a JSON object in their order, with their values verbatim.
struct Fields(Vec<(String, Box<RawValue>)>);

impl Fields {
    fn read(text: &str) -> serde_json::Result<Self> {
        // The filter reads these as an empty configuration.
        if text.trim().is_empty() {
            return Ok(Self(Vec::new()));
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        let fields = reader.deserialize_map(FieldsVisitor)?;
        reader.end()?;
        Ok(fields)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for (text, host, port) in [
            ("127.0.0.1:8082", "127.0.0.1", 8082),
            ("keys.internal:1", "keys.internal", 1),
            ("[::1]:8082", "::1", 8082),
        ] {
            let expected = ServiceAddress {
                host: host.into(),
                port,
            };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "host",
            ":8082",
            "host:",
            "host:99999",
            "http://host:1",
            "u@h:1",
        ] {
            assert!(text.parse::<ServiceAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_section_is_added_or_completed_and_the_rest_stays_unchanged() {
        for (text, expected) in [
            (
                "",
                "{\n  \"service\": {\"cluster\":\"auth\",\"token\":\"t\"}\n}\n",
            ),
            (
                "{}",
                "{\n  \"service\": {\"cluster\":\"auth\",\"token\":\"t\"}\n}\n",
            ),
            (
                r#"{"keys": { "a" : 1 }}"#,
                "{\n  \"keys\": { \"a\" : 1 },\n  \"service\": {\"cluster\":\"auth\",\"token\":\"t\"}\n}\n",
            ),
            (
                r#"{"service": {"max_stale_seconds": 5, "token": "old"}, "keys": {}}"#,
                "{\n  \"service\": {\"cluster\":\"auth\",\"max_stale_seconds\":5,\"token\":\"t\"},\n  \"keys\": {}\n}\n",
            ),
            (
                r#"{"keys": {}, "keys": {}}"#,
                "{\n  \"keys\": {},\n  \"keys\": {},\n  \"service\": {\"cluster\":\"auth\",\"token\":\"t\"}\n}\n",
            ),
        ] {
            assert_eq!(with_service(text, "t").unwrap(), expected, "{text}");
        }
        for text in ["[]", "{} x", r#"{"service": 1}"#] {
            assert!(with_service(text, "t").is_err(), "{text}");
        }
    }
}
