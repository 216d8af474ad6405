//! Checks the proxies by what the service knows of them.

use serde_json::Value;

use super::{Check, text_of};

/// Whether the live proxies are up to date, and whether their own tiers are those of the service.
pub(super) fn look(known: &[Value]) -> Vec<Check> {
    let name = "proxies";
    let is = |proxy: &&Value, field: &str| proxy.get(field) == Some(&Value::Bool(true));
    let live: Vec<&Value> = known.iter().filter(|p| is(p, "live")).collect();
    if live.is_empty() {
        let fix = "start Envoy with this service and its proxies' token (gmtech envoy-config --service … \
                   --service-token-file …); look at it with --envoy";
        return vec![Check::warn(name, "no proxy is live", fix)];
    }
    let current = live.iter().filter(|p| is(p, "current")).count();
    let first = if current == live.len() {
        Check::ok(name, format!("{current} live, all current"))
    } else {
        let behind = live.iter().filter(|p| !is(p, "current"));
        let behind: Vec<&str> = behind.map(|p| text_of(p, "id")).collect();
        let detail = format!(
            "{} of {} live are behind: {}",
            behind.len(),
            live.len(),
            behind.join(", ")
        );
        let fix = "run this again in 30 s: if it stays, an Envoy cannot reach the service";
        Check::warn(name, detail, fix)
    };
    vec![first, limits(&live)]
}

/// Whether the tiers of the live proxies' configurations are those of the service, as the service finds. Keys of the service
/// have the service's; a proxy's own hold for inline keys, and while the service has told of none.
fn limits(live: &[&Value]) -> Check {
    let name = "limits";
    let differ = |proxy: &&&Value| {
        let tiers = proxy.get("tiers_different").and_then(Value::as_array);
        let tiers: Vec<&str> = tiers
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        (!tiers.is_empty()).then(|| format!("{} ({})", text_of(proxy, "id"), tiers.join(", ")))
    };
    let different: Vec<String> = live.iter().filter_map(|p| differ(&p)).collect();
    if !different.is_empty() {
        let detail = format!(
            "the configuration of {} has other limits or models; they hold for inline keys, and while the service has told \
             of none",
            different.join(", ")
        );
        let fix = "make `tiers` of the filter's configuration equal to `gmtech tiers list`";
        return Check::warn(name, detail, fix);
    }
    let silent = live
        .iter()
        .filter(|p| p.get("tiers_different").is_none_or(Value::is_null));
    match silent.count() {
        0 => Check::ok(name, "the proxies' own tiers are those of the service"),
        n => {
            let detail = format!("{n} of {} live do not tell their own tiers", live.len());
            Check::warn(name, detail, "give them the filter of this version")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Found;
    use super::*;

    #[test]
    fn live_proxies_are_checked_for_changes_and_for_tiers() {
        let proxy = |live: bool, current: bool, tiers: Value| json!({"id": "envoy-1", "live": live, "current": current, "tiers_different": tiers});
        for (known, found, said) in [
            (vec![], vec![Found::Warn], "no proxy is live"),
            (
                vec![proxy(false, true, json!([]))],
                vec![Found::Warn],
                "no proxy is live",
            ),
            (
                vec![
                    proxy(true, true, json!([])),
                    proxy(false, false, json!(["pro"])),
                ],
                vec![Found::Ok, Found::Ok],
                "1 live, all current",
            ),
            (
                vec![proxy(true, false, json!([])), proxy(true, true, json!([]))],
                vec![Found::Warn, Found::Ok],
                "1 of 2 live are behind: envoy-1",
            ),
            (
                vec![proxy(true, true, json!(["free", "pro"]))],
                vec![Found::Ok, Found::Warn],
                "envoy-1 (free, pro) has other limits",
            ),
            (
                vec![proxy(true, true, Value::Null)],
                vec![Found::Ok, Found::Warn],
                "1 of 1 live do not tell",
            ),
        ] {
            let checks = look(&known);
            let results: Vec<Found> = checks.iter().map(|check| check.found).collect();
            assert_eq!(results, found, "{known:?}");
            let details: Vec<&str> = checks.iter().map(|check| &*check.detail).collect();
            assert!(details.join("; ").contains(said), "{details:?}");
        }
    }
}
