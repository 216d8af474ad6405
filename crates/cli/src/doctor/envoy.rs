//! Checks an Envoy by its admin page: whether it serves, whether the filter is loaded and healthy, and whether it reaches the
//! key service.

use std::collections::BTreeMap;
use std::time::Duration;

use ureq::Agent;

use super::Check;

const PATIENCE: Duration = Duration::from_secs(3);

/// Longer than the filter's pause after a failed poll.
const TWO_POLLS: Duration = Duration::from_millis(2_500);

/// Counters by name.
type Stats = BTreeMap<String, u64>;

const APPLIED: &str = "wasmcustom.gmtech_sync.decision.applied";
const FAILED: &str = "wasmcustom.gmtech_sync.decision.failed";

/// Checks the Envoy whose admin page is at `url`.
pub(super) fn look(url: &str) -> Vec<Check> {
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
    vec![ready, filter(&stats), sync(&stats, &later)]
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
