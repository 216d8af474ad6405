//! `gmtech alerts`: every command, against a service and a receiver.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use serde_json::json;

use crate::stand::{Service, field, text};

/// A receiver that answers 204. Gives its address, and each request's headers.
fn receiver() -> (String, mpsc::Receiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (seen, requests) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut head = Vec::new();
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                match line.trim_end() {
                    "" => break,
                    line => head.push(line.to_lowercase()),
                }
            }
            let length = head.iter().find_map(|l| l.strip_prefix("content-length: "));
            let mut body = vec![0; length.unwrap().parse().unwrap()];
            stream.read_exact(&mut body).unwrap();
            let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            stream.get_mut().write_all(answer).unwrap();
            if seen.send(head).is_err() {
                return;
            }
        }
    });
    (url, requests)
}

#[test]
fn addresses_are_added_tested_turned_off_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start_in(dir, &["--alert-networks", "127.0.0.0/8"]);
    service.json(&["teams", "create", "acme"]);
    let (url, requests) = receiver();
    let added = service.json(&["alerts", "add", "acme", &url, "--name", "on-call"]);
    let id = field(&added, "id");
    assert!(field(&added, "secret").starts_with("whsec_"));
    assert_eq!(
        (&added["name"], &added["enabled"]),
        (&json!("on-call"), &json!(true))
    );
    let tested = service.json(&["alerts", "test", "acme", id]);
    assert_eq!(
        (&tested["delivered"], &tested["answered"]),
        (&json!(true), &json!(204))
    );
    let head = requests.recv().unwrap();
    let sent = format!("webhook-id: {}", field(&tested, "alert"));
    assert!(head.contains(&sent), "{head:?}");
    let rotated = service.json(&["alerts", "rotate-secret", "acme", id]);
    assert_ne!(rotated["secret"], added["secret"]);
    for (command, enabled) in [("disable", false), ("enable", true)] {
        assert_eq!(
            service.json(&["alerts", command, "acme", id])["enabled"],
            enabled
        );
    }
    let listed = service.json(&["alerts", "list", "acme"]);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    assert!(listed["data"][0].get("secret").is_none(), "shown once");
    let deliveries = service.json(&["alerts", "deliveries", "acme"]);
    assert_eq!(deliveries["data"][0]["status"], "delivered");
    assert_eq!(
        service.json(&["alerts", "recent", "acme"])["data"],
        json!([]),
        "no test is an alert"
    );
    service.json(&["alerts", "remove", "acme", id]);
    assert_eq!(service.json(&["alerts", "list", "acme"])["data"], json!([]));

    // A test that fails ends with a failure, for scripts.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let added = service.json(&["alerts", "add", "acme", &closed]);
    let output = service.gmtech(&["alerts", "test", "acme", field(&added, "id")]);
    assert!(!output.status.success());
    assert!(
        text(&output.stdout).contains("cannot connect"),
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn without_leave_no_alert_goes_to_a_private_network() {
    let service = Service::start();
    service.json(&["teams", "create", "acme"]);
    for url in [
        "http://hooks.example.com/",
        "https://127.0.0.1/",
        "https://169.254.169.254/",
    ] {
        let output = service.gmtech(&["alerts", "add", "acme", url]);
        assert!(!output.status.success(), "{url}");
        assert!(
            text(&output.stderr).contains("--alert-"),
            "{}",
            text(&output.stderr)
        );
    }
}
