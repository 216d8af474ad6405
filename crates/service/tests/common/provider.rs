//! An OpenID Connect provider in this process, that answers as a test says: also what no honest one would.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openidconnect::core::{CoreEdDsaPrivateSigningKey, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKeyId, PrivateSigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const CLIENT: &str = "gate";
pub const SECRET: &str = "the-secret-of-the-client";

/// A key that signs tokens.
#[derive(Clone)]
pub struct SigningKey {
    pub id: &'static str,
    seed: u8,
}

impl SigningKey {
    pub fn new(id: &'static str, seed: u8) -> Self {
        Self { id, seed }
    }

    fn key(&self) -> CoreEdDsaPrivateSigningKey {
        // PKCS#8 of an Ed25519 key: a fixed head, and the seed.
        let mut der = hex::decode("302e020100300506032b657004220420").unwrap();
        der.extend([self.seed; 32]);
        let body = STANDARD.encode(der);
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----");
        let id = JsonWebKeyId::new(self.id.into());
        CoreEdDsaPrivateSigningKey::from_ed25519_pem(&pem, Some(id)).unwrap()
    }

    fn public(&self) -> Value {
        serde_json::to_value(self.key().as_verification_key()).unwrap()
    }

    /// A token of these claims.
    pub fn sign(&self, claims: &Value) -> String {
        let head = json!({"alg": "EdDSA", "kid": self.id});
        let text = unsigned(&head, claims);
        let signature = self
            .key()
            .sign(&CoreJwsSigningAlgorithm::EdDsa, text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.unwrap()))
    }
}

/// Head and claims of a token.
pub fn unsigned(head: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(head), part(claims))
}

/// What the provider answers.
pub struct Answers {
    /// The keys that it publishes.
    pub keys: Vec<SigningKey>,
    /// What it says at its user info.
    pub user_info: Value,
    /// How often its description was read.
    pub described: usize,
    /// Whether all of it answers 503.
    pub is_down: bool,
    /// What the token endpoint answers in place of tokens.
    pub no_tokens: Option<fn() -> Response>,
    /// The ID token of each code, with the challenge that its verifier must fulfil.
    codes: HashMap<String, (String, String)>,
}

#[derive(Clone)]
pub struct TestProvider {
    pub issuer: String,
    pub answers: Arc<Mutex<Answers>>,
}

impl TestProvider {
    /// On a port of its own.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener)
    }

    pub fn on(listener: tokio::net::TcpListener) -> Self {
        let provider = Self {
            issuer: format!("http://{}", listener.local_addr().unwrap()),
            answers: Arc::new(Mutex::new(Answers {
                keys: vec![SigningKey::new("one", 1)],
                user_info: Value::Null,
                described: 0,
                is_down: false,
                no_tokens: None,
                codes: HashMap::new(),
            })),
        };
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(describe))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .route("/me", get(user_info))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        provider
    }

    /// The honest claims of Ada, for the sign-in that begins at this address.
    pub fn claims(&self, begun: &HashMap<String, String>) -> Value {
        let now = gmtech_service::clock::Millis::now().0 / 1_000;
        json!({
            "iss": self.issuer, "aud": CLIENT, "sub": "ada", "iat": now, "exp": now + 60, "nonce": begun["nonce"],
            "email": "ada@example.com", "email_verified": true, "name": "Ada", "groups": [],
        })
    }

    /// A code that this token is given for.
    pub fn code(&self, begun: &HashMap<String, String>, token: String) -> String {
        let mut answers = self.answers.lock().unwrap();
        let code = format!("code-{}", answers.codes.len() + 1);
        let challenge = begun["code_challenge"].clone();
        answers.codes.insert(code.clone(), (token, challenge));
        code
    }
}

fn refusal(error: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response()
}

async fn describe(State(of): State<TestProvider>) -> Response {
    let mut answers = of.answers.lock().unwrap();
    if answers.is_down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    answers.described += 1;
    let at = |path: &str| format!("{}{path}", of.issuer);
    Json(json!({
        "issuer": of.issuer, "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
        "jwks_uri": at("/keys"), "userinfo_endpoint": at("/me"), "end_session_endpoint": at("/leave"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA", "HS256", "none"],
        "authorization_response_iss_parameter_supported": true,
    }))
    .into_response()
}

async fn keys(State(of): State<TestProvider>) -> Response {
    let answers = of.answers.lock().unwrap();
    let keys: Vec<Value> = answers.keys.iter().map(SigningKey::public).collect();
    Json(json!({"keys": keys})).into_response()
}

async fn token(
    State(of): State<TestProvider>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let mut answers = of.answers.lock().unwrap();
    if answers.is_down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if let Some(answer) = answers.no_tokens {
        return answer();
    }
    let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{SECRET}")));
    if headers
        .get(header::AUTHORIZATION)
        .is_none_or(|sent| *sent != *basic)
    {
        return refusal("invalid_client");
    }
    // A code is given tokens once.
    let Some((token, challenge)) = answers.codes.remove(&form["code"]) else {
        return refusal("invalid_grant");
    };
    let verifier = form.get("code_verifier").map(Sha256::digest);
    let fulfilled = verifier.is_some_and(|digest| URL_SAFE_NO_PAD.encode(digest) == challenge);
    if !fulfilled || form["redirect_uri"] != "http://gate.test/users/sign-in/oidc/callback" {
        return refusal("invalid_grant");
    }
    Json(json!({"access_token": "for-me", "token_type": "Bearer", "id_token": token}))
        .into_response()
}

async fn user_info(State(of): State<TestProvider>, headers: HeaderMap) -> Response {
    let answers = of.answers.lock().unwrap();
    match headers.get(header::AUTHORIZATION) {
        Some(sent) if sent == "Bearer for-me" && !answers.user_info.is_null() => {
            Json(answers.user_info.clone()).into_response()
        }
        _ => StatusCode::UNAUTHORIZED.into_response(),
    }
}
