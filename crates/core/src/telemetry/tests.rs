use std::collections::HashSet;

use super::*;

const ENVOY: &str = include_str!("../../../../envoy/README.md");
const YAML: &str = include_str!("../../../../envoy/envoy.yaml");

#[test]
fn every_metric_is_listed_once_and_documented() {
    let names: HashSet<_> = Metric::ALL.map(|m| m.description().name).into();
    assert_eq!(names.len(), Metric::ALL.len());
    for metric in Metric::ALL {
        let Description {
            name, labels, help, ..
        } = metric.description();
        let row = ENVOY
            .lines()
            .find(|l| l.starts_with("| `") && l.contains(&format!("`{name}`")));
        let row = row.unwrap_or_else(|| panic!("envoy/README.md says nothing of {name}"));
        for label in labels {
            assert!(
                row.contains(&format!("`gmtech_{label}`")),
                "{name}: {label}"
            );
            let tag = format!("- tag_name: gmtech_{label}\n");
            assert!(YAML.contains(&tag), "envoy.yaml has no tag for {label}");
        }
        assert!(help.ends_with('.'), "{name}");
    }
}

#[test]
fn every_field_is_in_the_access_log() {
    let kinds = TokenKind::ALL.map(Field::Tokens);
    let others = [
        Field::Path,
        Field::EventId,
        Field::Decision,
        Field::Team,
        Field::Key,
        Field::Tier,
        Field::Model,
        Field::TokensTotal,
        Field::UsageSource,
        Field::TokensCharged,
        Field::TokensReserved,
        Field::PromptEstimate,
    ];
    for field in kinds.into_iter().chain(others) {
        let value = format!("%FILTER_STATE(wasm.{}:PLAIN)%", field.name());
        assert!(YAML.contains(&value), "{value}");
    }
}
