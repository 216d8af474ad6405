//! Checks the key service: whether it answers, its database, its clock, its tokens, its tiers and its proxies.

use std::time::{Duration, SystemTime};

use serde_json::Value;
use ureq::http::HeaderMap;

use super::{Check, proxies, text_of};
use crate::admin::Connection;
use crate::admin::client::Client;
use crate::exit::Failure;

/// The most seconds by which clocks may differ: the `Date` header has whole seconds, and the answer takes a while.
const CLOCK_WARN: Duration = Duration::from_secs(3);
const CLOCK_FAIL: Duration = Duration::from_secs(60);

const NO_TOKEN: &str = "set GMTECH_ADMIN_TOKEN, or name a --token-file: the service's admin.token";

/// The findings about the service.
#[derive(Default)]
pub(super) struct Service {
    pub(super) checks: Vec<Check>,
    /// Whether it answers at all.
    pub(super) reached: bool,
}

/// Checks the service.
pub(super) fn look(at: &Connection) -> Service {
    let (client, token) = match at.client() {
        Ok(client) => (Ok(client), None),
        Err(error) => (
            at.anonymous(),
            Some(Check::fail("token", format!("{error:#}"), NO_TOKEN)),
        ),
    };
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            let fix = "set GMTECH_ADMIN_URL, such as http://127.0.0.1:8081";
            return unreached(Check::fail("service", format!("{error:#}"), fix));
        }
    };
    let (mut checks, headers) = match reach(&client) {
        Ok((check, headers)) => (vec![check], headers),
        Err(check) => return unreached(check),
    };
    checks.push(database(&client));
    checks.extend(clock(&headers));
    match token {
        Some(missing) => checks.push(missing),
        None => checks.extend(as_whom(&client)),
    }
    Service {
        checks,
        reached: true,
    }
}

fn unreached(check: Check) -> Service {
    Service {
        checks: vec![check],
        ..Service::default()
    }
}

fn reach(client: &Client) -> Result<(Check, HeaderMap), Check> {
    let fix = "start it (gmtech serve), or set GMTECH_ADMIN_URL to its management listener";
    match client.beside("/healthz") {
        Err(error) => Err(Check::fail("service", format!("{error:#}"), fix)),
        Ok((status, headers, _)) if status.is_success() => Ok((
            Check::ok("service", format!("{} answers", client.base())),
            headers,
        )),
        // The service answers, so the other checks can report more.
        Ok((status, headers, _)) => {
            let detail = format!("{} answers {status} to /healthz", client.base());
            let fix =
                "check that this is the management listener of a key service, and see its log";
            Ok((Check::fail("service", detail, fix), headers))
        }
    }
}

fn database(client: &Client) -> Check {
    let fix =
        "see the service's log: the disk may be full, the server lost, or the file not a database";
    let answer = match client.beside("/readyz") {
        Ok(answer) => answer,
        Err(error) => return Check::fail("database", format!("{error:#}"), fix),
    };
    let (status, _, text) = answer;
    if status.is_success() {
        return Check::ok("database", "takes writes");
    }
    let json: Value = serde_json::from_str(&text).unwrap_or_default();
    let failed = json.get("checks").and_then(Value::as_array);
    let why: Vec<String> = failed
        .into_iter()
        .flatten()
        .filter(|check| check.get("ok") != Some(&Value::Bool(true)))
        .map(|check| format!("{}: {}", text_of(check, "name"), text_of(check, "why")))
        .collect();
    let why = if why.is_empty() {
        text_of(json.get("error").unwrap_or(&Value::Null), "message").to_owned()
    } else {
        why.join("; ")
    };
    Check::fail("database", format!("not ready ({status}): {why}"), fix)
}

fn clock(headers: &HeaderMap) -> Option<Check> {
    let date = headers.get("date")?.to_str().ok()?;
    let theirs = httpdate::parse_http_date(date).ok()?;
    Some(skew(theirs, now()))
}

fn skew(theirs: SystemTime, ours: SystemTime) -> Check {
    let apart = theirs
        .duration_since(ours)
        .unwrap_or_else(|error| error.duration());
    let way = if theirs > ours { "ahead of" } else { "behind" };
    let detail = format!(
        "the service's clock is {} s {way} this machine's",
        apart.as_secs()
    );
    let fix = "set both by NTP: expiry, budgets and usage follow the service's clock";
    match apart {
        _ if apart >= CLOCK_FAIL => Check::fail("clock", detail, fix),
        _ if apart >= CLOCK_WARN => Check::warn("clock", detail, fix),
        _ => Check::ok("clock", "agrees with this machine's"),
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a native program: std's clocks work here"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// The checks that need the token.
fn as_whom(client: &Client) -> Vec<Check> {
    let me = match client.get("me") {
        Ok(me) => me,
        Err(error) => {
            let fix = match error.downcast_ref::<Failure>().and_then(|f| f.status) {
                Some(401) => {
                    "use the token of the service's admin.token, or of another administrator"
                }
                _ => "see the service's log",
            };
            return vec![Check::fail("token", format!("{error:#}"), fix)];
        }
    };
    let role = text_of(&me, "role");
    let detail = format!(
        "{} ({}), role {role}",
        text_of(&me, "id"),
        text_of(&me, "name")
    );
    let mut checks = vec![Check::ok("token", detail)];
    if role == "admin" {
        checks.push(match client.list("tokens") {
            Ok(all) => tokens(&all),
            Err(error) => Check::fail("tokens", format!("{error:#}"), "see the service's log"),
        });
    }
    checks.push(match client.list("tiers") {
        Ok(all) => {
            let names: Vec<_> = all.iter().map(|tier| text_of(tier, "name")).collect();
            Check::ok("tiers", names.join(", "))
        }
        Err(error) => Check::fail("tiers", format!("{error:#}"), "see the service's log"),
    });
    match client.list("proxies") {
        Ok(known) => checks.extend(proxies::look(&known)),
        Err(error) => {
            let fix = "see the service's log";
            checks.push(Check::fail("proxies", format!("{error:#}"), fix));
        }
    }
    checks
}

/// Counts the valid tokens by role.
fn tokens(all: &[Value]) -> Check {
    let name = "tokens";
    let valid: Vec<&Value> = all.iter().filter(|t| is_valid(t)).collect();
    let of = |role: &str| valid.iter().filter(|t| text_of(t, "role") == role).count();
    let (admins, proxies) = (of("admin"), of("proxy"));
    let detail = format!("{admins} of administrators, {proxies} of proxies are valid");
    let configured = |role: &str| {
        let mut of_role = valid.iter().filter(|t| text_of(t, "role") == role);
        of_role.any(|t| t.get("configured") == Some(&Value::Bool(true)))
    };
    if proxies == 0 {
        let fix =
            "give the service a new proxies' token (gmtech tokens generate), and the Envoys too";
        return Check::fail(name, format!("{detail}: no proxy has access"), fix);
    }
    if !configured("admin") || !configured("proxy") {
        let fix = "the service was configured with a token that had ended: configure a new one, then send SIGHUP";
        return Check::warn(name, format!("{detail}; a configured one has ended"), fix);
    }
    if proxies > 1 {
        let fix = "give all Envoys the new one; then `gmtech tokens list`, and revoke the one that is not used";
        return Check::warn(
            name,
            format!("{detail}: the proxies' token is being replaced"),
            fix,
        );
    }
    Check::ok(name, detail)
}

fn is_valid(token: &Value) -> bool {
    let ends = token.get("expires_at").and_then(Value::as_str);
    let ended = ends
        .and_then(|at| humantime::parse_rfc3339(at).ok())
        .is_some_and(|at| at <= now());
    token.get("revoked_at").is_none_or(Value::is_null) && !ended
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Found;
    use super::*;

    #[test]
    fn clocks_that_differ_are_reported() {
        let base = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        for (theirs, found) in [
            (0, Found::Ok),
            (2, Found::Ok),
            (4, Found::Warn),
            (61, Found::Fail),
        ] {
            let apart = Duration::from_secs(theirs);
            assert_eq!(skew(base + apart, base).found, found, "{theirs} s ahead");
            assert_eq!(skew(base - apart, base).found, found, "{theirs} s behind");
        }
    }

    #[test]
    fn tokens_are_checked_by_role() {
        let token = |role: &str, configured: bool, revoked: bool| {
            let at = revoked.then_some("2026-01-01T00:00:00Z");
            json!({"role": role, "configured": configured, "revoked_at": at, "expires_at": null})
        };
        let admin = token("admin", true, false);
        let proxy = token("proxy", true, false);
        for (all, found) in [
            (vec![admin.clone(), proxy.clone()], Found::Ok),
            (vec![admin.clone()], Found::Fail),
            (vec![admin.clone(), token("proxy", true, true)], Found::Fail),
            (
                vec![admin.clone(), token("proxy", false, false)],
                Found::Warn,
            ),
            (
                vec![admin, proxy.clone(), token("proxy", true, false)],
                Found::Warn,
            ),
            (vec![token("admin", false, false), proxy], Found::Warn),
        ] {
            assert_eq!(tokens(&all).found, found, "{all:?}");
        }
        let ended = json!({"revoked_at": null, "expires_at": "2001-01-01T00:00:00Z"});
        assert!(!is_valid(&ended));
    }
}
