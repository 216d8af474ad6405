//! OpenAI's usage API of an organization.

use axum::http::Method;
use gmtech_core::ident::{KeyId, TeamId, TierName};
use gmtech_core::model::ModelId;
use gmtech_core::sync::events::{Label, UsageEvent};
use gmtech_core::usage::{Tokens, Usage};
use gmtech_service::clock::{DAY_MS, Millis};
use serde_json::{Value, json};

use crate::common::IngestOne;
use crate::common::http::*;

/// The start of the present day.
fn today() -> i64 {
    Millis::now().day() * DAY_MS / 1_000
}

const DAY: i64 = DAY_MS / 1_000;

/// Eight requests of two teams, on this day and the one before; gives the key of each.
async fn used(api: &Api) -> [String; 2] {
    let acme = text(&api.key("acme").await, "id").to_owned();
    let umbrella = text(&api.key("umbrella").await, "id").to_owned();
    let rows = [
        ("acme", &acme, 0, "gpt-4o", "chat_completions", "allowed"),
        ("acme", &acme, 0, "gpt-4o", "responses", "allowed"),
        ("acme", &acme, 0, "o1", "batches", "allowed"),
        (
            "acme",
            &acme,
            0,
            "o1",
            "chat_completions",
            "rate_limit_requests",
        ),
        (
            "acme",
            &acme,
            0,
            "text-embedding-3-small",
            "embeddings",
            "allowed",
        ),
        ("acme", &acme, 1, "gpt-4o", "chat_completions", "allowed"),
        (
            "umbrella",
            &umbrella,
            1,
            "gpt-4o",
            "chat_completions",
            "allowed",
        ),
        ("umbrella", &umbrella, 1, "gpt-4o", "", "allowed"),
    ];
    for (n, (team, key, days, model, group, decision)) in (1u8..).zip(rows) {
        let event = UsageEvent {
            id: [n; 16],
            key: KeyId::new(key).unwrap(),
            team: TeamId::new(team).unwrap(),
            tier: TierName::new("free").unwrap(),
            model: ModelId::new(model).ok(),
            endpoint: Label::clip("/v1/chat/completions"),
            decision: Label::clip(decision).into(),
            status: 200,
            duration_ms: 12,
            started_unix_ms: u64::try_from((today() - days * DAY) * 1_000).unwrap(),
            usage: Usage::Exact(match decision {
                "allowed" => Tokens::of(10, 5),
                _ => Tokens::default(),
            }),
            requests: 1,
            object: None,
            request_id: Label::clip(""),
            endpoint_group: Label::clip(group),
        };
        let mut priced = api.service.price(event);
        priced.cost = if decision == "allowed" {
            250_000_000
        } else {
            0
        };
        let now = Millis::now();
        api.service.store.ingest(&[priced], now).await.unwrap();
    }
    [acme, umbrella]
}

/// Each bucket as its day before this one and its results, each result as its groups, requests and input tokens.
fn told(answer: &Value) -> Vec<(i64, Vec<String>)> {
    let groups = [
        "project_id",
        "api_key_id",
        "model",
        "batch",
        "line_item",
        "api_source",
    ];
    let result = |r: &Value| {
        let named = groups.iter().filter(|g| !r[**g].is_null());
        let named: Vec<String> = named.map(|g| r[*g].to_string().replace('"', "")).collect();
        let sums = match r["amount"]["value"].as_f64() {
            Some(dollars) => format!("${dollars}"),
            None => format!("{}/{}", r["num_model_requests"], r["input_tokens"]),
        };
        format!("{} {sums}", named.join(",")).trim().to_owned()
    };
    let bucket = |b: &Value| {
        let start = b["start_time"].as_i64().unwrap();
        let results = b["results"].as_array().unwrap();
        (
            (today() - start) / DAY,
            results.iter().map(result).collect(),
        )
    };
    assert_eq!(answer["object"], "page");
    answer["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(bucket)
        .collect()
}

#[tokio::test]
async fn usage_and_costs_are_grouped_and_filtered() {
    let api = Api::new().await;
    let [acme, umbrella] = used(&api).await;
    let since = today() - DAY;
    for (query, yesterday, now) in [
        ("usage/completions?", vec!["3/30"], vec!["3/30"]),
        ("usage/completions?batch=true&", vec![], vec!["1/10"]),
        ("usage/completions?batch=false&", vec!["3/30"], vec!["2/20"]),
        (
            "usage/completions?group_by=model&",
            vec!["gpt-4o 3/30"],
            vec!["gpt-4o 2/20", "o1 1/10"],
        ),
        (
            "usage/completions?group_by[]=model&group_by[]=batch&",
            vec!["gpt-4o,false 3/30"],
            vec!["gpt-4o,false 2/20", "o1,true 1/10"],
        ),
        (
            "usage/completions?group_by=project_id&",
            vec!["acme 1/10", "umbrella 2/20"],
            vec!["acme 3/30"],
        ),
        (
            "usage/completions?group_by=project_id,api_source&models=o1&",
            vec![],
            vec!["acme,unlabeled 1/10"],
        ),
        (
            "usage/completions?group_by=service_tier&project_ids[]=umbrella&",
            vec!["2/20"],
            vec![],
        ),
        (
            "usage/completions?models=o1&models=o2&",
            vec![],
            vec!["1/10"],
        ),
        ("usage/completions?user_ids=a@example.com&", vec![], vec![]),
        ("costs?", vec!["$0.75"], vec!["$1"]),
        (
            "costs?group_by=line_item&",
            vec!["gpt-4o $0.75"],
            vec!["gpt-4o $0.5", "o1 $0.25", "text-embedding-3-small $0.25"],
        ),
        (
            "costs?group_by=project_id&line_items=gpt-4o&",
            vec!["acme $0.25", "umbrella $0.5"],
            vec!["acme $0.5"],
        ),
    ] {
        let answer = api
            .get(&format!("/v1/organization/{query}start_time={since}"))
            .await;
        let own = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            told(&answer),
            [(1, own(yesterday)), (0, own(now))],
            "{query}"
        );
        assert_eq!(
            (&answer["has_more"], &answer["next_page"]),
            (&json!(false), &Value::Null)
        );
    }
    let path = format!(
        "/v1/organization/costs?start_time={since}&group_by=api_key_id&api_key_ids={umbrella}"
    );
    assert_eq!(
        told(&api.get(&path).await)[0].1,
        [format!("{umbrella} $0.5")]
    );

    // A team's token sees its own.
    let reader = json!({"name": "t", "role": "reader", "team": "acme"});
    let reader = text(&api.post("/admin/v1/tokens", reader).await, "token").to_owned();
    for (query, status, seen) in [
        ("group_by=api_key_id", 200, Some(format!("{acme} 1/10"))),
        (
            "group_by=project_id&project_ids=acme",
            200,
            Some("acme 1/10".into()),
        ),
        ("project_ids=umbrella", 404, None),
    ] {
        let path = format!("/v1/organization/usage/completions?start_time={since}&{query}");
        let (got, answer) = api.ask(&reader, Method::GET, &path, None).await;
        assert_eq!(got.as_u16(), status, "{query}: {answer}");
        if let Some(seen) = seen {
            assert_eq!(told(&answer)[0].1, [seen], "{query}");
        }
    }
}

#[tokio::test]
async fn pages_of_buckets_concatenate_to_the_whole() {
    let api = Api::new().await;
    used(&api).await;
    let now = Millis::now().0 / 1_000;
    for (width, seconds, limit) in [("1d", DAY, 2), ("1h", 3_600, 5), ("1m", 60, 1_000)] {
        let start = now - 20 * seconds - 7;
        let ask = |more: String| {
            format!(
                "/v1/organization/usage/completions?start_time={start}&end_time={now}&bucket_width={width}&group_by=model{more}"
            )
        };
        let whole = api.get(&ask("&limit=31".into())).await;
        let whole = whole["data"].as_array().unwrap().clone();
        let first = &whole[0];
        assert_eq!(
            first["start_time"],
            start.div_euclid(seconds) * seconds,
            "the start of a span"
        );
        for two in whole.windows(2) {
            assert_eq!(two[0]["end_time"], two[1]["start_time"]);
        }
        assert!(whole.last().unwrap()["end_time"].as_i64().unwrap() >= now);
        let (mut paged, mut next) = (Vec::new(), String::new());
        loop {
            let page = api.get(&ask(format!("&limit={limit}{next}"))).await;
            paged.extend(page["data"].as_array().unwrap().clone());
            let Some(cursor) = page["next_page"].as_str() else {
                break;
            };
            assert_eq!(page["data"].as_array().unwrap().len(), limit);
            next = format!("&page={cursor}");
        }
        assert_eq!(paged, whole, "{width}");
    }
}

#[tokio::test]
async fn a_mistake_is_named_in_openais_shape() {
    let api = Api::new().await;
    for (query, param) in [
        ("", Some("start_time")),
        ("start_time=yesterday", Some("start_time")),
        ("start_time=-1", Some("start_time")),
        ("start_time=5&bucket_width=1w", Some("bucket_width")),
        ("start_time=5&limit=1441", Some("limit")),
        ("start_time=5&limit=0", Some("limit")),
        ("start_time=5&group_by=color", Some("group_by")),
        ("start_time=5&group_by[]=line_item", Some("group_by")),
        ("start_time=5&batch=maybe", Some("batch")),
        ("start_time=5&models=two%20words", Some("models")),
        ("start_time=5&user_ids=nobody", Some("user_ids")),
        ("start_time=5&start_time=6", Some("start_time")),
        ("start_time=5&color=red", None),
        ("start_time[]=5", None),
    ] {
        let path = format!("/v1/organization/usage/completions?{query}");
        let (status, answer) = api.ask(ADMIN, Method::GET, &path, None).await;
        assert_eq!(status.as_u16(), 400, "{query}: {answer}");
        let error = &answer["error"];
        assert_eq!(error["type"], "invalid_request_error");
        assert_eq!(error["param"].as_str(), param, "{query}: {error}");
    }
    for query in [
        "start_time=5&page=7",
        "start_time=5&page=page_hour_3",
        "start_time=864000&page=page_day_3",
    ] {
        let path = format!("/v1/organization/usage/completions?{query}");
        let (status, answer) = api.ask(ADMIN, Method::GET, &path, None).await;
        assert_eq!(
            (status.as_u16(), &answer["error"]["param"]),
            (404, &json!("page")),
            "{query}"
        );
    }
    let none = api
        .get("/v1/organization/costs?start_time=500000&end_time=7")
        .await;
    assert_eq!(
        (&none["data"], &none["has_more"]),
        (&json!([]), &json!(false))
    );
    let path = "/v1/organization/costs?start_time=5&bucket_width=1h";
    let (status, answer) = api.ask(ADMIN, Method::GET, path, None).await;
    assert_eq!(
        (status.as_u16(), &answer["error"]["param"]),
        (400, &json!("bucket_width"))
    );
    let path = "/v1/organization/costs?start_time=5";
    let (status, _) = api.ask(PROXY, Method::GET, path, None).await;
    assert_eq!(status.as_u16(), 401, "a token of the proxies' listener");
}
