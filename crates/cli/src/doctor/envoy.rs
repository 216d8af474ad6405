//! Checks an Envoy by its admin page: whether it serves, whether the filter is loaded and healthy, and whether it reaches the
//! key service.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use gmtech_core::config::Policy;
use gmtech_core::ident::TierName;
use gmtech_core::model::ModelSet;
use gmtech_core::tier::Tier;
use serde_json::Value;
use ureq::Agent;

use super::Check;

const PATIENCE: Duration = Duration::from_secs(3);

/// Longer than the filter's pause after a failed poll.
const TWO_POLLS: Duration = Duration::from_millis(2_500);

/// Counters by name.
type Stats = BTreeMap<String, u64>;

const APPLIED: &str = "wasmcustom.gmtech_sync.decision.applied";
const FAILED: &str = "wasmcustom.gmtech_sync.decision.failed";

/// Checks the Envoy whose admin page is at `url`. `tiers` are the service's tiers.
pub(super) fn look(url: &str, tiers: &[Value]) -> Vec<Check> {
    let base = url.trim_end_matches('/');
    let ready = match get(base, "/ready") {
        Ok(text) if text.trim() == "LIVE" => Check::ok("envoy", format!("{base} is LIVE")),
        Ok(text) => {
            let fix = "wait until it has its configuration, or see its log";
            Check::fail("envoy", format!("{base} is {}", text.trim()), fix)
        }
        Err(why) => {
            let fix = "start Envoy, or set ENVOY_ADMIN_URL (--envoy) to its admin page";
            return vec![Check::fail("envoy", format!("{base}: {why}"), fix)];
        }
    };
    let stats = match stats(base) {
        Ok(stats) => stats,
        Err(why) => {
            let check = Check::fail("filter", format!("{base}/stats: {why}"), "see Envoy's log");
            return vec![ready, check];
        }
    };
    let later = if count(&stats, FAILED) > 0 {
        std::thread::sleep(TWO_POLLS);
        self::stats(base).unwrap_or_default()
    } else {
        stats.clone()
    };
    let mut checks = vec![ready, filter(&stats), sync(&stats, &later)];
    // Without the filter there is no configuration; the check before has reported it.
    if let Some(config) = filter_config(base) {
        checks.push(limits(&config, tiers));
    }
    checks
}

/// The filter's configuration as Envoy has it. It holds the proxies' token: never shown.
fn filter_config(base: &str) -> Option<String> {
    let dump: Value = serde_json::from_str(&get(base, "/config_dump").ok()?).ok()?;
    plugin(&dump).map(str::to_owned)
}

/// The text of the configuration of a Wasm filter called `gmtech`, at any depth.
fn plugin(node: &Value) -> Option<&str> {
    let inner: Box<dyn Iterator<Item = &Value>> = match node {
        Value::Object(map) => {
            let is_ours = map.get("name").and_then(Value::as_str) == Some("gmtech");
            let text = node.pointer("/typed_config/config/configuration/value");
            if let Some(text) = text.and_then(Value::as_str).filter(|_| is_ours) {
                return Some(text);
            }
            Box::new(map.values())
        }
        Value::Array(items) => Box::new(items.iter()),
        _ => return None,
    };
    inner.into_iter().find_map(plugin)
}

/// Whether the filter's own tiers are those of the service. Keys of the service have the service's; the filter's hold for
/// inline keys, and where the service has told of none.
fn limits(config: &str, tiers: &[Value]) -> Check {
    let name = "limits";
    let policy = match Policy::from_json(config.as_bytes()) {
        Ok(policy) => policy,
        Err(why) => {
            let detail = format!("this program cannot read the filter's configuration: {why}");
            return Check::warn(name, detail, "use a gmtech of the filter's version");
        }
    };
    let differs = |told: &&str| {
        let tier = TierName::new(told).ok();
        let configured = tier.and_then(|name| policy.tier(&name));
        let told = tiers.iter().find(|tier| tier["name"] == **told);
        let told = told.and_then(read_tier);
        configured.is_some_and(|tier| Some(tier.as_ref()) != told.as_ref())
    };
    let names = tiers.iter().filter_map(|tier| tier["name"].as_str());
    let different: Vec<&str> = names.filter(differs).collect();
    if different.is_empty() {
        return Check::ok(name, "the filter's own tiers are those of the service");
    }
    let detail = format!(
        "the filter's configuration has other limits or models for {}; they hold for inline keys, and while the \
         service has told of none",
        different.join(", ")
    );
    let fix = "make `tiers` of the filter's configuration equal to `gmtech tiers list`";
    Check::warn(name, detail, fix)
}

/// A tier as the management API shows it; `None` if it is none.
fn read_tier(told: &Value) -> Option<Tier> {
    let number = |name: &str| {
        told.get(name)
            .and_then(Value::as_u64)
            .and_then(|n| u32::try_from(n).ok())
    };
    let models: Option<ModelSet> = serde_json::from_value(told.get("models")?.clone()).ok()?;
    Some(Tier {
        requests_burst: number("requests_burst").and_then(NonZeroU32::new),
        tokens_burst: number("tokens_burst").and_then(NonZeroU32::new),
        max_in_flight: number("max_in_flight").and_then(NonZeroU32::new),
        models: models.unwrap_or_else(ModelSet::any),
        ..Tier::of_rates(number("requests_per_minute")?, number("tokens_per_minute")?)?
    })
}

fn filter(stats: &Stats) -> Check {
    let name = "filter";
    if !stats.keys().any(|stat| stat.starts_with("wasm.")) {
        let fix = "give Envoy the filter: gmtech envoy-config without --no-filter";
        return Check::fail(name, "is not loaded", fix);
    }
    let reloads: u64 = stats
        .iter()
        .filter(|(stat, _)| stat.starts_with("wasm.") && stat.contains("vm_reload"))
        .map(|(_, count)| count)
        .sum();
    if reloads > 0 {
        let fix = "a bug of the filter: see Envoy's log for `panicked at`, and report it";
        return Check::fail(name, format!("its VM failed {reloads} times"), fix);
    }
    let dropped = count(stats, "wasmcustom.gmtech_usage_dropped");
    if dropped > 0 {
        let fix =
            "count it from the access log: gmtech usage import; raise service.usage_memory_mib";
        return Check::warn(
            name,
            format!("has dropped the usage of {dropped} requests"),
            fix,
        );
    }
    Check::ok(name, "is loaded and has not failed")
}

/// Whether polls work, by counters read twice, more than a pause apart.
fn sync(stats: &Stats, later: &Stats) -> Check {
    let name = "sync";
    let (applied, failed) = (count(later, APPLIED), count(later, FAILED));
    let failing = failed > count(stats, FAILED) && applied == count(stats, APPLIED);
    let fix = "check the cluster `auth` (address, port) and the proxies' token: gmtech tokens list, and \
               gmtech_service_tokens_rejected_total at the service's /metrics";
    match (applied, failing) {
        (0, _) if failed == 0 => {
            let fix = "give the filter a `service` section (gmtech envoy-config --service …), unless its keys are inline";
            Check::warn(name, "this Envoy has not polled the key service", fix)
        }
        (0, _) => Check::fail(name, format!("all {failed} polls failed"), fix),
        (_, true) => Check::fail(name, "polls are failing; known keys keep working", fix),
        _ => Check::ok(
            name,
            format!("{applied} polls applied, {failed} failed since its start"),
        ),
    }
}

fn count(stats: &Stats, name: &str) -> u64 {
    stats.get(name).copied().unwrap_or(0)
}

fn stats(base: &str) -> Result<Stats, String> {
    let text = get(base, "/stats?filter=^wasm")?;
    let pairs = text.lines().filter_map(|line| line.rsplit_once(": "));
    Ok(pairs
        .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
        .collect())
}

fn get(base: &str, path: &str) -> Result<String, String> {
    let config = Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .build();
    let agent: Agent = config.into();
    let answer = agent.get(format!("{base}{path}")).call();
    let mut answer = answer.map_err(|error| error.to_string())?;
    answer
        .body_mut()
        .read_to_string()
        .map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::Found;
    use super::*;

    fn stats_of(pairs: &[(&str, u64)]) -> Stats {
        pairs.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect()
    }

    #[test]
    fn the_filter_is_checked_by_its_counters() {
        let loaded = ("wasm.gmtech.vm_reload_success", 0);
        for (stats, found) in [
            (vec![], Found::Fail),
            (vec![loaded], Found::Ok),
            (vec![("wasm.gmtech.vm_reload_success", 1)], Found::Fail),
            (
                vec![loaded, ("wasmcustom.gmtech_usage_dropped", 2)],
                Found::Warn,
            ),
        ] {
            assert_eq!(filter(&stats_of(&stats)).found, found, "{stats:?}");
        }
    }

    #[test]
    fn a_tier_that_differs_from_the_services_is_named() {
        let filter = serde_json::json!({"name": "gmtech",
            "typed_config": {"config": {"configuration": {"value": "{\"tiers\": {\"gold\": \
                {\"requests_per_minute\": 1, \"tokens_per_minute\": 1}}}"}}}});
        let dump = serde_json::json!({"configs": [{"other": 1}, {"listeners": [{"name": "api", "filters": [filter]}]}]});
        let config = plugin(&dump).unwrap();
        let told = |name: &str, requests: u32, models: Value| {
            let one = serde_json::json!({"name": name, "requests_per_minute": requests, "tokens_per_minute": 1,
                "requests_burst": null, "tokens_burst": null, "max_in_flight": null, "models": models});
            limits(config, &[one])
        };
        // One that the filter does not have comes from the service.
        for same in [told("gold", 1, Value::Null), told("silver", 9, Value::Null)] {
            assert_eq!(same.found, Found::Ok, "{same:?}");
        }
        let narrow = serde_json::json!(["gpt-4o*"]);
        for other in [told("gold", 2, Value::Null), told("gold", 1, narrow)] {
            assert!(
                other.found == Found::Warn && other.detail.contains("gold"),
                "{other:?}"
            );
        }
        assert_eq!(limits("no json", &[]).found, Found::Warn);
        assert_eq!(plugin(&serde_json::json!({"name": "gmtech"})), None);
    }

    #[test]
    fn polls_that_fail_now_are_distinguished_from_earlier_failures() {
        let at = |applied, failed| stats_of(&[(APPLIED, applied), (FAILED, failed)]);
        for (first, later, found) in [
            (at(0, 0), at(0, 0), Found::Warn),
            (at(0, 3), at(0, 4), Found::Fail),
            (at(9, 3), at(9, 4), Found::Fail),
            (at(9, 3), at(10, 3), Found::Ok),
            (at(9, 3), at(9, 3), Found::Ok),
            (at(9, 0), at(9, 0), Found::Ok),
        ] {
            assert_eq!(sync(&first, &later).found, found, "{first:?} {later:?}");
        }
    }
}
