//! What the options for provider and header take, and what they lack.

use clap::Parser;
use gmtech_core::address::AddressSet;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    people: People,
}

#[test]
fn an_option_names_what_it_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (short, secret) = (
        file("short", "short"),
        file("secret", "long-enough-to-be-secret\n"),
    );
    let (empty, no_pem) = (file("empty", "\n"), file("no.pem", "no certificate"));
    let oidc = [
        "--oidc-issuer",
        "https://id.example.com",
        "--oidc-client-id",
        "gmtech",
    ];
    let with = |more: &[&str]| [&oidc[..], more].concat().join(" ");
    let header = "--identity-header X-Forwarded-Email";
    for (line, has_url, has_proxies, wrong) in [
        (String::new(), false, false, None),
        (with(&[]), true, false, None),
        (
            with(&["--oidc-client-secret-file", &secret]),
            true,
            false,
            None,
        ),
        (
            with(&[]),
            false,
            false,
            Some("--oidc-issuer needs --public-url"),
        ),
        (
            oidc[..2].join(" "),
            true,
            false,
            Some("--oidc-issuer needs --oidc-client-id"),
        ),
        (
            oidc[2..].join(" "),
            true,
            false,
            Some("--oidc-client-id needs --oidc-issuer"),
        ),
        (
            with(&["--oidc-client-secret-file", &empty]),
            true,
            false,
            Some("the file is empty"),
        ),
        (
            with(&["--oidc-client-secret-file", "/none"]),
            true,
            false,
            Some("/none"),
        ),
        (
            with(&["--oidc-ca-file", &no_pem]),
            true,
            false,
            Some("--oidc-ca-file: there is no certificate"),
        ),
        (
            format!("{header} --identity-secret-file {secret}"),
            false,
            true,
            None,
        ),
        (
            format!("{header} --identity-secret-file {secret}"),
            false,
            false,
            Some("needs --trusted-proxies"),
        ),
        (
            format!("{header} --identity-secret-file {short}"),
            false,
            true,
            Some("16 to 256 visible"),
        ),
        (
            header.to_owned(),
            false,
            true,
            Some("--identity-secret-file FILE"),
        ),
    ] {
        let args = ["serve"].into_iter().chain(line.split_whitespace());
        let read = Line::try_parse_from(args).unwrap();
        let trusted = AddressSet::new(vec!["10.0.0.0/8".parse().unwrap()]).unwrap();
        let mut config = PeopleConfig {
            public_url: has_url.then(|| "https://gate.example.com".into()),
            trusted_proxies: has_proxies.then_some(trusted),
            ..PeopleConfig::default()
        };
        let done = read
            .people
            .configure(&mut config)
            .map_err(|why| format!("{why:#}"));
        match wrong {
            None => assert_eq!(done, Ok(()), "{line}"),
            Some(wrong) => assert!(
                done.as_ref().is_err_and(|why| why.contains(wrong)),
                "{line}: {done:?}"
            ),
        }
    }
}

#[test]
fn an_issuer_speaks_https_or_is_on_this_machine() {
    for (text, valid) in [
        ("https://id.example.com", true),
        ("https://id.example.com/realms/acme", true),
        ("http://localhost:8080/realms/acme", true),
        ("http://127.0.0.1:8080", true),
        ("http://[::1]:8080", true),
        ("http://id.example.com", false),
        ("http://localhost.example.com", false),
        ("http://127.0.0.1.example.com", false),
        ("http://localhost@id.example.com", false),
        ("id.example.com", false),
        ("https://", false),
        ("https://id.example.com/?x=1", false),
    ] {
        assert_eq!(issuer(text).is_ok(), valid, "{text}");
    }
}
