//! How a key is used: code that works as it is pasted, with the gate's real address.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use maud::{Markup, html};

use super::draft::patterns;
use crate::pages::components::{Tab, code_block, tabs};
use crate::service::Service;
use crate::store::{KeyInfo, TierInfo};

/// The model of examples where a key may use any.
const MODEL: &str = "gpt-4o-mini";

/// Where clients reach the gate, without `/v1`: by the address that this page was asked for.
pub(super) struct Gate(String);

impl FromRequestParts<Arc<Service>> for Gate {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Arc<Service>,
    ) -> Result<Self, Self::Rejection> {
        let header = |name: &str| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let host = header(header::HOST.as_str()).or(parts.uri.authority().map(|a| a.as_str()));
        let scheme = header("x-forwarded-proto").filter(|scheme| *scheme == "https");
        Ok(Self::at(public_url(service), scheme, host))
    }
}

/// What people type to come here, where it is configured.
fn public_url(service: &Service) -> Option<&str> {
    service.people.public_url.as_deref()
}

impl Gate {
    fn at(public: Option<&str>, scheme: Option<&str>, host: Option<&str>) -> Self {
        // What a header says is pasted into shells: nothing but what a host and a port have.
        let plain = |host: &&str| {
            !host.is_empty()
                && host.bytes().all(|b| {
                    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']')
                })
        };
        let origin = match public {
            Some(public) => public.trim_end_matches('/').to_owned(),
            None => format!(
                "{}://{}",
                scheme.unwrap_or("http"),
                host.filter(plain).unwrap_or("localhost:8080")
            ),
        };
        Self(format!("{origin}/api"))
    }

    fn base_url(&self) -> String {
        format!("{}/v1", self.0)
    }
}

/// A model that the key may use, for its example.
pub(super) fn model(key: &KeyInfo, tiers: &[TierInfo]) -> String {
    let tier = tiers.iter().find(|tier| tier.name == key.record.tier);
    let of_tier = tier
        .map(|tier| &tier.tier.models)
        .filter(|set| !set.is_any());
    let set = key.record.models.as_ref().or(of_tier);
    let safe = |name: &String| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'/'))
    };
    let names = set.map(patterns).unwrap_or_default().into_iter();
    names
        .map(|pattern| {
            pattern
                .trim_end_matches('*')
                .trim_end_matches(['-', '/'])
                .to_owned()
        })
        .find(safe)
        .unwrap_or_else(|| MODEL.to_owned())
}

/// The examples, a tab for each client.
pub(super) fn example(gate: &Gate, model: &str) -> Markup {
    let base = gate.base_url();
    let tab = |id: &'static str, label: &'static str, hint: &str, code: &str| Tab {
        id,
        label,
        body: html! { p { (hint) } (code_block(&format!("example-{id}"), label, code)) },
    };
    let clients = [
        tab("curl", "curl", "In a terminal.", &curl(&base, model)),
        tab(
            "python",
            "Python",
            "pip install openai",
            &python(&base, model),
        ),
        tab(
            "node",
            "Node",
            "npm install openai, then save this as ask.mjs.",
            &node(&base, model),
        ),
        tab(
            "langchain",
            "LangChain",
            "pip install langchain-openai",
            &langchain(&base, model),
        ),
        tab(
            "litellm",
            "LiteLLM",
            "pip install litellm",
            &litellm(&base, model),
        ),
        tab(
            "vercel",
            "Vercel AI SDK",
            "npm install ai @ai-sdk/openai-compatible",
            &vercel(&base, model),
        ),
        tab(
            "open-webui",
            "Open WebUI",
            "In a terminal; then open http://localhost:3000.",
            &open_webui(&base),
        ),
        tab(
            "continue",
            "Continue",
            "In ~/.continue/config.yaml; put GMTECH_API_KEY in ~/.continue/.env.",
            &continue_yaml(&base, model),
        ),
        tab(
            "aider",
            "aider",
            "pip install aider-install && aider-install",
            &aider(&base, model),
        ),
        tab(
            "cline",
            "Cline",
            "Settings, API configuration.",
            &cline(&base, model),
        ),
        tab(
            "claude-code",
            "Claude Code",
            "Where the gate has Anthropic's models.",
            &claude_code(&gate.0),
        ),
    ];
    html! {
        p.hint { "First put the key where the examples find it. Paste this, then the key, and press Enter: it is not shown, and is not in the shell's history." }
        (code_block("example-env", "Set GMTECH_API_KEY", "read -rs GMTECH_API_KEY; export GMTECH_API_KEY"))
        (tabs("client", "Client", &clients))
    }
}

fn curl(base: &str, model: &str) -> String {
    format!(
        r#"curl {base}/chat/completions \
  -H "Authorization: Bearer $GMTECH_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}'"#
    )
}

fn python(base: &str, model: &str) -> String {
    format!(
        r#"import os
from openai import OpenAI

client = OpenAI(base_url="{base}", api_key=os.environ["GMTECH_API_KEY"])
answer = client.chat.completions.create(
    model="{model}",
    messages=[{{"role": "user", "content": "Hello"}}],
)
print(answer.choices[0].message.content)"#
    )
}

fn node(base: &str, model: &str) -> String {
    format!(
        r#"import OpenAI from "openai";

const client = new OpenAI({{ baseURL: "{base}", apiKey: process.env.GMTECH_API_KEY }});
const answer = await client.chat.completions.create({{
  model: "{model}",
  messages: [{{ role: "user", content: "Hello" }}],
}});
console.log(answer.choices[0].message.content);"#
    )
}

fn langchain(base: &str, model: &str) -> String {
    format!(
        r#"import os
from langchain_openai import ChatOpenAI

llm = ChatOpenAI(model="{model}", base_url="{base}", api_key=os.environ["GMTECH_API_KEY"])
print(llm.invoke("Hello").content)"#
    )
}

fn litellm(base: &str, model: &str) -> String {
    format!(
        r#"import os
import litellm

answer = litellm.completion(
    model="openai/{model}",
    api_base="{base}",
    api_key=os.environ["GMTECH_API_KEY"],
    messages=[{{"role": "user", "content": "Hello"}}],
)
print(answer.choices[0].message.content)"#
    )
}

fn vercel(base: &str, model: &str) -> String {
    format!(
        r#"import {{ createOpenAICompatible }} from "@ai-sdk/openai-compatible";
import {{ generateText }} from "ai";

const gate = createOpenAICompatible({{
  name: "gmtech",
  baseURL: "{base}",
  apiKey: process.env.GMTECH_API_KEY,
}});
const {{ text }} = await generateText({{ model: gate("{model}"), prompt: "Hello" }});
console.log(text);"#
    )
}

fn open_webui(base: &str) -> String {
    format!(
        r#"docker run -d -p 3000:8080 -v open-webui:/app/backend/data \
  -e OPENAI_API_BASE_URL="{base}" -e OPENAI_API_KEY="$GMTECH_API_KEY" \
  ghcr.io/open-webui/open-webui:main"#
    )
}

fn continue_yaml(base: &str, model: &str) -> String {
    format!(
        r#"name: gmtech
version: 1.0.0
schema: v1
models:
  - name: {model}
    provider: openai
    model: {model}
    apiBase: {base}
    apiKey: ${{{{ secrets.GMTECH_API_KEY }}}}"#
    )
}

fn aider(base: &str, model: &str) -> String {
    format!(
        r#"OPENAI_API_BASE="{base}" OPENAI_API_KEY="$GMTECH_API_KEY" aider --model openai/{model}"#
    )
}

fn cline(base: &str, model: &str) -> String {
    format!(
        "API Provider:  OpenAI Compatible\nBase URL:      {base}\nAPI Key:       the key (echo $GMTECH_API_KEY)\nModel ID:      {model}"
    )
}

fn claude_code(api: &str) -> String {
    format!(r#"ANTHROPIC_BASE_URL="{api}" ANTHROPIC_AUTH_TOKEN="$GMTECH_API_KEY" claude"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_public_one_or_the_one_asked_for() {
        for (public, scheme, host, base) in [
            (
                Some("https://gate.example/"),
                None,
                Some("10.0.0.1"),
                "https://gate.example/api/v1",
            ),
            (
                None,
                None,
                Some("localhost:10000"),
                "http://localhost:10000/api/v1",
            ),
            (
                None,
                Some("https"),
                Some("gate.example"),
                "https://gate.example/api/v1",
            ),
            (None, None, Some("[::1]:8080"), "http://[::1]:8080/api/v1"),
            (
                None,
                None,
                Some("x;rm -rf /"),
                "http://localhost:8080/api/v1",
            ),
            (None, None, Some("$(id)"), "http://localhost:8080/api/v1"),
            (None, None, None, "http://localhost:8080/api/v1"),
        ] {
            assert_eq!(Gate::at(public, scheme, host).base_url(), base);
        }
    }

    #[test]
    fn examples_take_the_key_from_the_environment() {
        let gate = Gate::at(Some("https://gate.example"), None, None);
        let shown = example(&gate, "gpt-4o").into_string();
        assert!(shown.contains("https://gate.example/api/v1/chat/completions"));
        assert!(!shown.contains("gmtech_"), "no key stands in an example");
        assert!(continue_yaml("b", "m").ends_with("apiKey: ${{ secrets.GMTECH_API_KEY }}"));
        let body = curl("b", "m");
        let (_, json) = body.split_once("-d '").unwrap();
        let json: serde_json::Value = serde_json::from_str(json.trim_end_matches('\'')).unwrap();
        assert_eq!(json["model"], "m");
    }
}
