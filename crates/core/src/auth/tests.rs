use proptest::prelude::*;

use super::*;

const KEY: &str = "gmtech_abcdefgh12345678";

fn find(pairs: &[(&str, &[u8])], accepted: &[CredentialHeader]) -> Result<String, InvalidKey> {
    let head = Head::new(pairs.iter().map(|(n, v)| (n.as_bytes(), *v)).collect());
    credential(&head, accepted).map(|k| k.reveal().to_owned())
}

fn authorization(value: &[u8]) -> Result<String, InvalidKey> {
    find(
        &[("authorization", value)],
        &[CredentialHeader::Authorization],
    )
}

#[test]
fn every_mistake_is_named() {
    use InvalidKey::*;
    let long = format!("Bearer gmtech_{}", "a".repeat(20_000));
    for (value, outcome) in [
        ("Bearer gmtech_abcdefgh12345678", Ok(KEY)),
        ("bearer gmtech_abcdefgh12345678", Ok(KEY)),
        ("BEARER   gmtech_abcdefgh12345678", Ok(KEY)),
        ("Bearer\tgmtech_abcdefgh12345678", Ok(KEY)),
        ("Bearer gmtech_abcdefgh12345678 \t ", Ok(KEY)),
        ("", Err(Empty)),
        ("Bearer", Err(Empty)),
        ("Bearer   ", Err(Empty)),
        ("Basic dXNlcjpwYXNz", Err(OtherScheme)),
        ("gmtech_abcdefgh12345678", Err(OtherScheme)),
        ("Bearergmtech_abcdefgh12345678", Err(OtherScheme)),
        ("Bearer:gmtech_abcdefgh12345678", Err(OtherScheme)),
        ("Bearer Bearer gmtech_abcdefgh12345678", Err(BearerTwice)),
        ("Bearer bearer", Err(BearerTwice)),
        ("Bearer \"gmtech_abcdefgh12345678\"", Err(Quoted)),
        ("Bearer 'gmtech_abcdefgh12345678'", Err(Quoted)),
        ("Bearer gmtech_abcdefgh12345678\"", Err(Quoted)),
        ("Bearer gmtech_abcd efgh12345678", Err(WhiteSpace)),
        ("Bearer gmtech_ abcdefgh12345678", Err(WhiteSpace)),
        ("Bearer gmtech_a,Bearer gmtech_b", Err(Several)),
        ("Bearer gmtech_a, Bearer gmtech_b", Err(Several)),
        ("Bearer gmtech_a, bearer gmtech_a", Err(Several)),
        ("Bearer sk-proj-abcdef", Err(WrongPrefix)),
        ("Bearer GMTECH_abcdefgh12345678", Err(WrongPrefix)),
        ("Bearer sk proj", Err(WrongPrefix)),
        ("Bearer gmtech_", Err(Mistyped)),
        (long.as_str(), Err(TooLong)),
    ] {
        assert_eq!(
            authorization(value.as_bytes()),
            outcome.map(str::to_owned),
            "{value:?}"
        );
    }
    assert_eq!(authorization(b"Bearer gmtech_\xff\xfe"), Err(BadCharacter));
    assert_eq!(authorization(b"Bearer \xff"), Err(WrongPrefix));
    assert_eq!(authorization(b"\xff"), Err(OtherScheme));
    assert_eq!(find(&[], &CredentialHeader::ALL), Err(Missing));
}

#[test]
fn other_headers_count_only_on_paths_that_accept_them() {
    use InvalidKey::*;
    let a: &[u8] = b"Bearer gmtech_abcdefgh12345678";
    let k: &[u8] = KEY.as_bytes();
    let other: &[u8] = b"gmtech_zzzzzzzz";
    let only = &[CredentialHeader::Authorization][..];
    let all = &CredentialHeader::ALL[..];
    for (pairs, accepted, outcome) in [
        (vec![("x-api-key", k)], only, Err(OtherHeader)),
        (
            vec![("x-api-key", b"sk-ant".as_slice())],
            only,
            Err(Missing),
        ),
        (vec![("x-api-key", k)], all, Ok(KEY.to_owned())),
        (vec![("api-key", k)], all, Ok(KEY.to_owned())),
        (vec![("x-goog-api-key", k)], all, Ok(KEY.to_owned())),
        (
            vec![("authorization", a), ("x-api-key", k)],
            all,
            Ok(KEY.to_owned()),
        ),
        (
            vec![("authorization", a), ("x-api-key", other)],
            all,
            Err(Several),
        ),
        (
            vec![("authorization", a), ("x-api-key", other)],
            only,
            Ok(KEY.to_owned()),
        ),
        (
            vec![("x-api-key", k), ("x-api-key", other)],
            all,
            Err(Several),
        ),
    ] {
        assert_eq!(find(&pairs, accepted), outcome, "{pairs:?}");
    }
}

#[test]
fn a_key_in_the_url_is_refused_even_beside_a_good_one() {
    let pairs: &[(&str, &[u8])] = &[
        (":path", b"/v1/models?key=gmtech_abcdefgh12345678&x=1"),
        ("authorization", b"Bearer gmtech_abcdefgh12345678"),
    ];
    assert_eq!(find(pairs, &CredentialHeader::ALL), Err(InvalidKey::InUrl));
}

fn record(status: Status, expires_at: Option<u64>) -> KeyRecord {
    KeyRecord {
        expires_at,
        ..KeyRecord::plain(1, status)
    }
}

#[test]
fn a_record_is_judged_by_status_first_and_expiry_second() {
    use InvalidKey::*;
    const NOW: u64 = 1_000;
    let key = ApiKey::generate(&[1; 32]);
    for (status, expires_at, outcome) in [
        (Status::Active, None, Ok(())),
        (Status::Active, Some(NOW + 1), Ok(())),
        (Status::Active, Some(NOW), Err(Refused::Invalid(Expired))),
        (Status::Suspended, None, Err(Refused::Invalid(Suspended))),
        (Status::Suspended, Some(0), Err(Refused::Invalid(Suspended))),
        (Status::Revoked, None, Err(Refused::Revoked)),
        (Status::Revoked, Some(0), Err(Refused::Revoked)),
    ] {
        let judged = judge(&key, Some(&record(status, expires_at)), NOW).map(|_| ());
        assert_eq!(judged, outcome, "{status:?} {expires_at:?}");
    }
    assert_eq!(judge(&key, None, NOW), Err(Refused::Invalid(Unknown)));
    let typo = ApiKey::parse(b"gmtech_typo").unwrap();
    assert_eq!(judge(&typo, None, NOW), Err(Refused::Invalid(Mistyped)));
    assert!(judge(&typo, Some(&record(Status::Active, None)), NOW).is_ok());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(value in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = authorization(&value);
        let _ = authorization(&[b"Bearer gmtech_".as_slice(), &value].concat());
    }

    #[test]
    fn no_message_shows_what_was_sent(tail in "[a-z0-9]{10,40}") {
        if let Err(e) = authorization(format!("Bearer sk-{tail}").as_bytes()) {
            prop_assert!(!e.to_string().contains(&tail));
        }
    }
}
