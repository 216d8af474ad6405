use super::*;

fn rendered(args: &Args) -> Value {
    let elsewhere = Args {
        allow_missing_module: true,
        ..args.clone()
    };
    bootstrap(&elsewhere).unwrap()
}

fn manager(config: &Value) -> &Value {
    &config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
}

fn filter_names(config: &Value) -> Vec<&str> {
    let filters = manager(config)["http_filters"].as_array().unwrap();
    filters
        .iter()
        .map(|f| f["name"].as_str().unwrap())
        .collect()
}

fn temp_file(name: &str, content: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("gmtech-render-{}-{name}", std::process::id()));
    std::fs::write(&path, content).unwrap();
    path
}

#[test]
fn without_the_filter_nothing_else_changes() {
    let mut with = rendered(&Args::default());
    let without = rendered(&Args {
        no_filter: true,
        ..Args::default()
    });
    assert_ne!(with, without);
    let filters = with
        .pointer_mut(
            "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters",
        )
        .and_then(Value::as_array_mut)
        .unwrap();
    filters.retain(|filter| filter["name"] != "gmtech");
    assert_eq!(with, without);
}

#[test]
fn the_filter_stands_behind_cors_and_before_what_it_protects() {
    assert_eq!(
        filter_names(&rendered(&Args::default())),
        [
            "envoy.filters.http.cors",
            "gmtech",
            "private-headers",
            "envoy.filters.http.credential_injector",
            "envoy.filters.http.router"
        ]
    );
    let without = rendered(&Args {
        no_filter: true,
        ..Args::default()
    });
    assert!(!filter_names(&without).contains(&"gmtech"));
}

#[test]
fn the_filter_accepts_the_configuration_that_is_deployed() {
    let config = rendered(&Args::default());
    let filter = &manager(&config)["http_filters"][1]["typed_config"]["config"];
    let text = filter["configuration"]["value"].as_str().unwrap();
    gmtech_core::config::Policy::from_json(text.as_bytes()).unwrap();
}

#[test]
fn ports_and_addresses_are_set_on_their_listeners() {
    let config = rendered(&Args {
        api_port: Some(18080),
        api_host: "127.0.0.1".parse().ok(),
        admin_port: Some(19901),
        admin_host: "::1".parse().ok(),
        ..Args::default()
    });
    let api = &config["static_resources"]["listeners"][0]["address"]["socket_address"];
    assert_eq!(
        *api,
        serde_json::json!({"address": "127.0.0.1", "port_value": 18080})
    );
    let admin = &config["admin"]["address"]["socket_address"];
    assert_eq!(
        *admin,
        serde_json::json!({"address": "::1", "port_value": 19901})
    );
}

#[test]
fn a_tls_upstream_is_checked_by_name_and_gets_its_own_host_and_path() {
    let ca = temp_file("ca", "");
    let config = rendered(&Args {
        upstream: "https://api.example.com/llm/v1".parse().ok(),
        upstream_ca_file: Some(ca.clone()),
        ..Args::default()
    });
    std::fs::remove_file(&ca).unwrap();
    let cluster = &config["static_resources"]["clusters"][0];
    let endpoint = &cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"];
    assert_eq!(endpoint["address"]["socket_address"]["port_value"], 443);
    let tls = &cluster["transport_socket"]["typed_config"];
    assert_eq!(tls["sni"], "api.example.com");
    let validation = &tls["common_tls_context"]["validation_context"];
    assert_eq!(validation["trusted_ca"]["filename"], ca.to_str().unwrap());
    assert_eq!(
        validation["match_typed_subject_alt_names"][0]["matcher"]["exact"],
        "api.example.com"
    );
    let routes = manager(&config)["route_config"]["virtual_hosts"][0]["routes"]
        .as_array()
        .unwrap();
    for name in ["api-v1", "v1"] {
        let route = routes.iter().find(|r| r["name"] == name).unwrap();
        assert_eq!(route["route"]["prefix_rewrite"], "/llm/v1/", "{name}");
        assert_eq!(
            route["route"]["host_rewrite_literal"], "api.example.com",
            "{name}"
        );
        assert_eq!(route["route"]["timeout"], "0s", "{name}");
    }
}

#[test]
fn the_providers_key_is_named_by_its_file_and_never_copied() {
    let key = temp_file("key", "sk-provider-secret");
    let config = rendered(&Args {
        allow_missing_module: true,
        upstream_key_file: Some(key.clone()),
        ..Args::default()
    });
    std::fs::remove_file(&key).unwrap();
    let secret = &config["static_resources"]["secrets"][0];
    assert_eq!(
        secret["generic_secret"]["secret"]["filename"],
        key.to_str().unwrap()
    );
    assert!(!config.to_string().contains("sk-provider-secret"));
}

#[test]
fn a_key_file_that_would_break_the_header_is_refused() {
    for (name, content) in [
        ("nl", "sk-x\n"),
        ("empty", ""),
        ("space", "sk x"),
        ("bearer", "Bearer sk-x"),
    ] {
        let key = temp_file(name, content);
        let result = bootstrap(&Args {
            upstream_key_file: Some(key.clone()),
            ..Args::default()
        });
        std::fs::remove_file(&key).unwrap();
        assert!(result.is_err(), "{content:?}");
    }
}

#[test]
fn without_a_key_file_the_client_s_authorization_is_still_overwritten() {
    let config = rendered(&Args {
        no_filter: true,
        ..Args::default()
    });
    let secret = &config["static_resources"]["secrets"][0]["generic_secret"]["secret"];
    assert_eq!(secret["inline_string"], "no-upstream-key-configured");
    let filters = manager(&config)["http_filters"].as_array().unwrap();
    let injector = filters
        .iter()
        .find(|f| f["name"].as_str().unwrap().contains("injector"))
        .unwrap();
    assert_eq!(injector["typed_config"]["overwrite"], true);
}

#[test]
fn the_filters_module_and_configuration_are_put_in_verbatim() {
    let text = "{ \"keys\": {} }\n";
    let file = temp_file("filter", text);
    let config = rendered(&Args {
        filter_wasm: Some("some.wasm".into()),
        filter_config: Some(file.clone()),
        ..Args::default()
    });
    std::fs::remove_file(&file).unwrap();
    let filter = &manager(&config)["http_filters"][1]["typed_config"]["config"];
    assert_eq!(filter["configuration"]["value"], text);
    let module = filter["vm_config"]["code"]["local"]["filename"]
        .as_str()
        .unwrap();
    assert!(
        module.starts_with('/') && module.ends_with("/some.wasm"),
        "{module}"
    );
}

#[test]
fn the_filter_accepts_the_service_section_and_the_cluster_has_the_address() {
    let token = temp_file("token", "gmadmin_0123456789abcdef\n");
    let filter = temp_file("with-service", r#"{"service": {"when_stale": "refuse"}}"#);
    let config = rendered(&Args {
        service: "keys.internal:9082".parse().ok(),
        service_token_file: Some(token.clone()),
        filter_config: Some(filter.clone()),
        ..Args::default()
    });
    for file in [token, filter] {
        std::fs::remove_file(file).unwrap();
    }
    let filter = &manager(&config)["http_filters"][1]["typed_config"]["config"];
    let text = filter["configuration"]["value"].as_str().unwrap();
    let policy = gmtech_core::config::Policy::from_json(text.as_bytes()).unwrap();
    let service = policy.service().unwrap();
    assert_eq!(service.token.reveal(), "gmadmin_0123456789abcdef");
    assert_eq!(service.when_stale, gmtech_core::config::WhenStale::Refuse);
    let cluster = &config["static_resources"]["clusters"][1];
    assert_eq!(*cluster["name"].as_str().unwrap(), *service.cluster);
    let endpoint = &cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"];
    assert_eq!(
        endpoint["address"]["socket_address"],
        serde_json::json!({"address": "keys.internal", "port_value": 9082})
    );
}

#[test]
fn a_token_file_without_a_token_is_refused() {
    for (name, content) in [("none", "\n"), ("two", "a b")] {
        let token = temp_file(name, content);
        let result = bootstrap(&Args {
            allow_missing_module: true,
            service_token_file: Some(token.clone()),
            ..Args::default()
        });
        std::fs::remove_file(&token).unwrap();
        assert!(result.is_err(), "{content:?}");
    }
}

#[test]
fn the_access_log_moves_to_a_file_with_all_its_fields() {
    let stdout = rendered(&Args::default());
    let file = rendered(&Args {
        access_log: Some("/tmp/a.log".into()),
        ..Args::default()
    });
    let format = |c: &Value| manager(c)["access_log"][0]["typed_config"]["log_format"].clone();
    assert_eq!(format(&stdout), format(&file));
    assert_eq!(
        manager(&file)["access_log"][0]["typed_config"]["path"],
        "/tmp/a.log"
    );
}

#[test]
fn an_overlay_changes_what_it_names() {
    let overlay = temp_file(
        "overlay",
        "static_resources:\n  clusters:\n    - name: upstream\n      connect_timeout: 1s\n    - name: other\n",
    );
    let config = rendered(&Args {
        set_files: vec![overlay.clone()],
        ..Args::default()
    });
    std::fs::remove_file(&overlay).unwrap();
    let clusters = config["static_resources"]["clusters"].as_array().unwrap();
    let names: Vec<_> = clusters.iter().map(|c| c["name"].as_str()).collect();
    assert_eq!(names, [Some("upstream"), Some("auth"), Some("other")]);
    assert_eq!(clusters[0]["connect_timeout"], "1s");
    assert_eq!(clusters[0]["type"], "STRICT_DNS");
}

#[test]
fn a_template_without_the_named_nodes_is_refused_with_their_names() {
    let template = temp_file(
        "template",
        "admin: {address: {socket_address: {}}}\nstatic_resources: {listeners: [{name: other}]}\n",
    );
    let error = bootstrap(&Args {
        allow_missing_module: true,
        template: Some(template.clone()),
        ..Args::default()
    })
    .unwrap_err();
    std::fs::remove_file(&template).unwrap();
    assert!(error.to_string().contains("\"api\""), "{error}");
}

#[test]
fn the_pages_have_routes_only_where_their_address_is_given() {
    let without = rendered(&Args::default());
    let with = rendered(&Args {
        pages: Some("keys.internal:8081".parse().unwrap()),
        ..Args::default()
    });
    let names = |list: &Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|of| of["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let routes =
        |config: &Value| names(&manager(config)["route_config"]["virtual_hosts"][0]["routes"]);
    let clusters = |config: &Value| names(&config["static_resources"]["clusters"]);
    assert_eq!(routes(&without), ["healthz", "api-v1", "v1", "unknown-url"]);
    assert_eq!(clusters(&without), ["upstream", "auth"]);
    assert_eq!(
        routes(&with),
        [
            "healthz",
            "pages-slash",
            "pages-link",
            "pages",
            "organization-usage",
            "organization-costs",
            "api-v1",
            "v1",
            "unknown-url"
        ]
    );
    assert_eq!(clusters(&with), ["upstream", "auth", "pages"]);
    let address = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    assert_eq!(
        with["static_resources"]["clusters"][2].pointer(address),
        Some(&serde_json::json!({ "address": "keys.internal", "port_value": 8081 }))
    );
}
