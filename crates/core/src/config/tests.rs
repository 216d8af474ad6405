use super::*;

const DIGEST: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const OTHER: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn key(fields: &str) -> String {
    format!(r#"{{"keys":{{"{DIGEST}":{{"id":"key_1","team":"acme","tier":"free"{fields}}}}}}}"#)
}

#[test]
fn an_empty_configuration_has_all_defaults() {
    for empty in ["", "  \n", "{}"] {
        let policy = Policy::from_json(empty.as_bytes()).unwrap();
        for (tier, requests, tokens) in [
            ("free", 60, 40_000),
            ("pro", 3_000, 250_000),
            ("team", 5_000, 500_000),
        ] {
            let tier = policy.tier(&TierName::new(tier).unwrap()).unwrap();
            assert_eq!(tier.requests_per_minute.get(), requests);
            assert_eq!(tier.tokens_per_minute.get(), tokens);
            assert!(tier.models.allows("anything"));
        }
        for (path, action) in [
            ("/healthz", PathAction::Free),
            ("/healthz/x", PathAction::Refused),
            ("/api/v1/models", PathAction::Metered),
            ("/v1/chat/completions", PathAction::Metered),
            ("/v2/models", PathAction::Refused),
            ("/", PathAction::Refused),
        ] {
            assert_eq!(policy.path_action(path.as_bytes()), action, "{path}");
        }
        let bodies = policy.bodies();
        let mib = [
            bodies.per_body,
            bodies.per_key,
            bodies.unresolved,
            bodies.all,
        ]
        .map(|n| n >> 20);
        assert_eq!(mib, [32, 64, 32, 256]);
        assert!(!policy.allows_upgrades());
        assert_eq!(
            policy.credential_headers(),
            [CredentialHeader::Authorization]
        );
    }
}

#[test]
fn a_key_reads_as_written() {
    let json = key(
        r#","status":"suspended","models":["gpt-4o*"],"limits":{"requests_per_minute":5},"expires_at":"2027-01-01T00:00:00Z""#,
    );
    let policy = Policy::from_json(json.as_bytes()).unwrap();
    let record = policy.key(&KeyDigest::from_hex(DIGEST).unwrap()).unwrap();
    assert_eq!(record.expires_at, Some(1_798_761_600));
    assert_eq!(record.status, crate::record::Status::Suspended);
    let tier = policy.tier(&record.tier).unwrap();
    assert_eq!(tier.limits(&record.limits).requests.unwrap().burst(), 5);
    assert_eq!(tier.limits(&record.limits).tokens.unwrap().burst(), 40_000);
}

#[test]
fn limits_of_a_services_record_are_clamped_to_the_range() {
    let policy = Policy::from_json(
        br#"{"tiers":{"free":{"requests_per_minute":1,"tokens_per_minute":60}}}"#,
    );
    let policy = policy.unwrap();
    let tier = policy.tier(&TierName::new("free").unwrap()).unwrap();
    let record =
        r#"{"requests_burst":1000000000,"tokens_burst":4294967295,"max_in_flight":4294967295}"#;
    let limits = tier.limits(&serde_json::from_str(record).unwrap());
    assert_eq!(limits.requests.unwrap().burst(), 16_666_666);
    assert_eq!(limits.tokens.unwrap().burst(), 1_000_000_000);
    assert_eq!(limits.max_in_flight.unwrap().get(), 1_024);
}

#[test]
fn groups_of_endpoints_are_opened_and_closed_by_name() {
    let json = br#"{"endpoints":{"files":"allow","images":"refuse","models":"allow"}}"#;
    let policy = Policy::from_json(json).unwrap();
    for group in EndpointGroup::all() {
        let open = match group.name() {
            "files" => true,
            "images" => false,
            _ => group.is_open_by_default(),
        };
        assert_eq!(policy.is_open(group), open, "{}", group.name());
    }
}

#[test]
fn every_mistake_is_refused_with_its_place() {
    let both = format!(
        r#"{{"keys":{{"{DIGEST}":{{"id":"k","team":"t","tier":"free"}},"{OTHER}":{{"id":"k","team":"t","tier":"free"}}}}}}"#
    );
    let twice = format!(
        r#"{{"keys":{{"{DIGEST}":{{"id":"a","team":"t","tier":"free"}},"{DIGEST}":{{"id":"b","team":"t","tier":"free"}}}}}}"#
    );
    let cases = [
        ("{", ".", "EOF"),
        ("[]", ".", "JSON object"),
        ("{} x", ".", "trailing"),
        (
            r#"{"tiers":{"free":{"#,
            "tiers.free",
            "EOF while parsing an object at line 1 column 18",
        ),
        (
            r#"{"tiers":{"free":{"requests_per_minute":}}}"#,
            "tiers.free.requests_per_minute",
            "expected value at line 1 column 41",
        ),
        (
            r#"{"held_bodies":{"per_key_bytes":1,}}"#,
            "held_bodies",
            "trailing comma",
        ),
        (
            r#"{"paths":[{"exact":"/a","action":"free"},7]}"#,
            "paths[1]",
            "invalid type: integer",
        ),
        (
            r#"{"held_bodies":{"per_key_bytes":33554431}}"#,
            "held_bodies.per_key_bytes",
            "must be at least `per_body_bytes` (33554432)",
        ),
        (
            r#"{"held_bodies":{"all_bytes":67108863}}"#,
            "held_bodies.all_bytes",
            "must be at least `per_key_bytes` (67108864)",
        ),
        (
            r#"{"held_bodies":{"unresolved_bytes":268435457}}"#,
            "held_bodies.all_bytes",
            "must be at least `unresolved_bytes` (268435457)",
        ),
        (
            r#"{"held_bodies":{"per_body_bytes":0}}"#,
            "held_bodies.per_body_bytes",
            "nonzero",
        ),
        (
            r#"{"held_bodies":{"per_team_bytes":1}}"#,
            "held_bodies.per_team_bytes",
            "unknown field",
        ),
        (r#"{"teirs":{}}"#, "teirs", "unknown field"),
        (
            r#"{"tiers":{"free":{"requests_per_minute":0,"tokens_per_minute":1}}}"#,
            "tiers.free.requests_per_minute",
            "nonzero",
        ),
        (
            r#"{"tiers":{"free":{"requests_per_minute":60}}}"#,
            "tiers.free",
            "missing field `tokens_per_minute`",
        ),
        (
            r#"{"tiers":{"free":{"requests_per_minute":60,"tokens_per_minute":1,"rpm":1}}}"#,
            "tiers.free.rpm",
            "unknown field",
        ),
        (
            r#"{"tiers":{"free":{"requests_per_minute":-1,"tokens_per_minute":1}}}"#,
            "tiers.free.requests_per_minute",
            "invalid value",
        ),
        (
            r#"{"tiers":{"free":{"requests_per_minute":2000000000,"tokens_per_minute":1}}}"#,
            "tiers.free.requests_per_minute",
            "more than",
        ),
        (
            r#"{"tiers":{"free":{"requests_per_minute":1,"requests_burst":1000000000,"tokens_per_minute":1}}}"#,
            "tiers.free.requests_burst",
            "is more than 16666666, which takes 31 years",
        ),
        (
            &key(r#","limits":{"tokens_per_minute":1,"tokens_burst":1000000000}"#),
            "limits.tokens_burst",
            "is more than 16666666",
        ),
        (
            &format!(
                r#"{{"tiers":{{"free":{{"requests_per_minute":9,"tokens_per_minute":1}}}},{}"#,
                key(r#","limits":{"tokens_burst":1000000000}"#).trim_start_matches('{')
            ),
            "limits.tokens_burst",
            "at 1 a minute",
        ),
        (
            r#"{"tiers":{"a b":{"requests_per_minute":1,"tokens_per_minute":1}}}"#,
            "tiers.a b",
            "1 to 64",
        ),
        (
            r#"{"tiers":{"a.b":{"requests_per_minute":1,"tokens_per_minute":1}}}"#,
            "tiers.a.b",
            "contain a dot",
        ),
        (
            r#"{"tiers":{"a":{"requests_per_minute":1,"tokens_per_minute":1},"a":{"requests_per_minute":1,"tokens_per_minute":1}}}"#,
            "tiers.a",
            "twice",
        ),
        (
            r#"{"tiers":{"a":{"requests_per_minute":1,"tokens_per_minute":1,"models":["g*t"]}}}"#,
            "tiers.a.models[0]",
            "prefix",
        ),
        (
            r#"{"keys":{"abc":{"id":"k","team":"t","tier":"free"}}}"#,
            "keys.abc",
            "SHA-256",
        ),
        (&twice, DIGEST, "twice"),
        (&both, ".id", "the id of another key"),
        (&key(r#","name":"x""#), "name", "unknown field"),
        (&key(r#","status":"gone""#), "status", "unknown variant"),
        (
            &key(r#","expires_at":"tomorrow""#),
            "expires_at",
            "RFC 3339",
        ),
        (
            &key(r#","expires_at":"1960-01-01T00:00:00Z""#),
            "expires_at",
            "after 1970",
        ),
        (
            &key(r#","limits":{"rpm":1}"#),
            "limits.rpm",
            "unknown field",
        ),
        (
            &key(r#","limits":{"requests_per_minute":0}"#),
            "limits.requests_per_minute",
            "nonzero",
        ),
        (&key(r#","models":"gpt-4o""#), "models", "invalid type"),
        (
            &key(r#","addresses":["10.0.0.1","10.0.0.1/8"]"#),
            "addresses[1]",
            "write 10.0.0.0/8 for the network",
        ),
        (
            &key(r#","addresses":["office"]"#),
            "addresses[0]",
            "must be an IP address",
        ),
        (
            &key(r#","endpoints":["chat"]"#),
            "endpoints",
            "no such group; there are: chat_completions, ",
        ),
        (&key(r#","lineage":"two words""#), "lineage", "1 to 64"),
        (
            r#"{"paths":[{"action":"free"}]}"#,
            "paths[0]",
            "either `exact` or `prefix`",
        ),
        (
            r#"{"paths":[{"exact":"/a","prefix":"/b","action":"free"}]}"#,
            "paths[0]",
            "either",
        ),
        (
            r#"{"paths":[{"exact":"a","action":"free"}]}"#,
            "paths[0]",
            "starts with /",
        ),
        (
            r#"{"paths":[{"exact":"/a","action":"open"}]}"#,
            "paths[0].action",
            "unknown variant",
        ),
        (
            r#"{"endpoints":{"filez":"allow"}}"#,
            "endpoints.filez",
            "no such group; there are: chat_completions, ",
        ),
        (
            r#"{"endpoints":{"files":"allow","files":"refuse"}}"#,
            "endpoints.files",
            "twice",
        ),
        (
            r#"{"endpoints":{"files":"open"}}"#,
            "endpoints.files",
            "unknown variant",
        ),
        (r#"{"endpoints":["files"]}"#, "endpoints", "an object"),
        (r#"{"upgrades":"yes"}"#, "upgrades", "unknown variant"),
        (
            r#"{"credential_headers":[]}"#,
            "credential_headers",
            "empty",
        ),
        (
            r#"{"credential_headers":["cookie"]}"#,
            "credential_headers[0]",
            "unknown variant",
        ),
    ];
    for (json, path, problem) in cases {
        let e = Policy::from_json(json.as_bytes()).expect_err(json);
        assert!(e.path.contains(path), "{json}: {e}");
        assert!(e.problem.contains(problem), "{json}: {e}");
    }
    let unknown_tier = key("").replace("free", "gold");
    let e = Policy::from_json(unknown_tier.as_bytes()).expect_err("unknown tier");
    assert!(
        e.to_string()
            .ends_with("no tier `gold`; there are: free, pro, team"),
        "{e}"
    );
}

#[test]
fn a_key_in_the_place_of_a_digest_is_not_repeated_in_the_error() {
    let json = r#"{"keys":{"gmtech_SecretSecret1234":{"id":"k","team":"t","tier":"free"}}}"#;
    let shown = Policy::from_json(json.as_bytes()).unwrap_err().to_string();
    assert!(!shown.contains("Secret"), "{shown}");
}

#[test]
fn the_service_section_has_defaults_and_does_not_show_its_token() {
    let json = r#"{"service":{"cluster":"auth","token":"sync-secret"}}"#;
    let policy = Policy::from_json(json.as_bytes()).unwrap();
    let service = policy.service().unwrap();
    assert_eq!(
        (service.max_stale, service.unknown_for),
        (3_600_000_000_000, 5_000_000_000)
    );
    assert_eq!(
        (service.when_stale, service.resolves.burst()),
        (WhenStale::Allow, 20)
    );
    assert_eq!(service.usage_memory, 16 << 20);
    let json = r#"{"service":{"cluster":"auth","token":"x","usage_memory_mib":1}}"#;
    let policy = Policy::from_json(json.as_bytes()).unwrap();
    assert_eq!(policy.service().unwrap().usage_memory, 1 << 20);
    assert!(!format!("{policy:?}").contains("sync-secret"));
    for (json, path) in [
        (r#"{"service":{"cluster":"auth"}}"#, "service"),
        (
            r#"{"service":{"cluster":"","token":"x"}}"#,
            "service.cluster",
        ),
        (
            r#"{"service":{"cluster":"auth","token":"a b"}}"#,
            "service.token",
        ),
        (
            r#"{"service":{"cluster":"auth","token":"x","when_stale":"panic"}}"#,
            "service.when_stale",
        ),
        (
            r#"{"service":{"cluster":"auth","token":"x","resolves_per_second":0}}"#,
            "service.resolves_per_second",
        ),
        (
            r#"{"service":{"cluster":"auth","token":"x","usage_memory_mib":0}}"#,
            "service.usage_memory_mib",
        ),
        (
            r#"{"service":{"cluster":"auth","token":"x","usage_memory_mib":1025}}"#,
            "service.usage_memory_mib",
        ),
        (
            r#"{"service":{"cluster":"auth","token":"x","ttl":0}}"#,
            "service.ttl",
        ),
    ] {
        assert_eq!(
            Policy::from_json(json.as_bytes()).unwrap_err().path,
            path,
            "{json}"
        );
    }
}
