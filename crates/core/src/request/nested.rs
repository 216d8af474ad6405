//! Where a body can name models beside its own, or bring in one that it does not name.
//!
//! The top level's `model` decides what a request is routed and charged as. But some upstreams run further models:
//! of a tool (`tools[].model`), of a session (`session.audio.input.transcription.model`), of each request of a
//! batch, to fall back to (`models`, `fallbacks`), of a stored prompt (`prompt: {"id": …}`), of a preset. A
//! key that may not use every model may use those only that it may use.
//!
//! What is data is left alone: a message, a schema or metadata may have a `model` of its own. Where it is unclear
//! whether a place is data, it is not.

/// What the members of a container are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// Parameters of the request.
    Control,
    /// Descriptions of tools.
    Tools,
    /// The top of a schema: its own members are judged, since some tools take parameters here; below is data.
    Schema,
    /// Messages and calls; they may bring tools.
    Items,
    /// What the model reads, or nobody.
    Data,
}

/// What a key names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// A model, if its value is a string.
    Model,
    /// Something by which the upstream chooses a model: it cannot be judged.
    Choice(&'static str),
    /// What is stored at the provider with a model, if its value is an object.
    Stored(&'static str),
}

/// A key without what spellings differ in: letter case, `_` and `-`.
fn normal(key: &[u8]) -> String {
    let text = String::from_utf8_lossy(key);
    let fold = |c: char| match c {
        'ſ' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    let kept = text.chars().filter(|c| !matches!(c, '_' | '-'));
    kept.map(fold).collect()
}

impl Zone {
    /// What stands under `key` of a container.
    pub(super) fn inside(self, key: &[u8]) -> Self {
        if matches!(self, Self::Schema | Self::Data) {
            return Self::Data;
        }
        match normal(key).as_str() {
            "tools" | "functions" => Self::Tools,
            "parameters" | "response" if self == Self::Tools => Self::Schema,
            "inputschema"
            | "outputschema"
            | "parametersjsonschema"
            | "responsejsonschema"
            | "responseschema"
            | "jsonschema"
            | "schema" => Self::Schema,
            "messages" | "contents" | "content" | "system" | "systeminstruction"
            | "instructions" | "metadata" | "responseformat" | "text" | "texts" | "arguments"
            | "args" | "documents" | "query" | "stop" | "variables" | "template" | "labels"
            | "logitbias" | "inputexamples" | "userlocation" => Self::Data,
            "input" | "items" => Self::Items,
            _ => self,
        }
    }

    /// What `key` of a container of this zone names.
    pub(super) fn names(self, key: &[u8]) -> Option<Names> {
        if matches!(self, Self::Items | Self::Data) {
            return None;
        }
        name(key)
    }
}

/// What a key among parameters names.
fn name(key: &[u8]) -> Option<Names> {
    let key = normal(key);
    Some(match key.as_str() {
        "modelid" | "modelname" | "deployment" | "deploymentid" | "deploymentname" => Names::Model,
        "models" | "modellist" | "modelids" | "modelnames" | "targetmodelnames" => {
            Names::Choice("models")
        }
        "preset" => Names::Choice("preset"),
        "plugins" => Names::Choice("plugins"),
        "route"
        | "routes"
        | "router"
        | "routersettings"
        | "routingconfig"
        | "modelselectionconfig" => Names::Choice("route"),
        "prompt" => Names::Stored("prompt"),
        other if other.contains("fallback") => Names::Choice("fallbacks"),
        other if other.ends_with("model") => Names::Model,
        _ => return None,
    })
}

/// What a field of a form names, by the last word of names like `session[model]`.
pub(super) fn field(name_of_field: &[u8]) -> Option<Names> {
    let mut words = name_of_field.split(|b| matches!(b, b'[' | b']' | b'.'));
    let named = words.rfind(|w| !w.is_empty() && !w.iter().all(u8::is_ascii_digit))?;
    name(named)
}

/// Whether a query names a model or chooses one.
pub(super) fn in_query(key: &[u8]) -> bool {
    matches!(name(key), Some(Names::Model | Names::Choice(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lead_from_zone_to_zone() {
        use Zone::{Control, Data, Items, Schema, Tools};
        for (path, zone) in [
            ("messages", Data),
            ("messages.content", Data),
            ("extra_body", Control),
            ("extra_body.messages", Data),
            ("requests.params", Control),
            ("requests.params.messages", Data),
            ("tools", Tools),
            ("tools.function", Tools),
            ("tools.function.parameters", Schema),
            ("tools.function.parameters.properties", Data),
            ("tools.input_schema.default", Data),
            ("tools.functionDeclarations.parametersJsonSchema", Schema),
            ("input", Items),
            ("input.content", Data),
            ("input.tools", Tools),
            ("parameters", Control),
            ("generationConfig.responseSchema.x", Data),
            ("metadata.tools", Data),
        ] {
            let got = path
                .split('.')
                .fold(Control, |zone, key| zone.inside(key.as_bytes()));
            assert_eq!(got, zone, "{path}");
        }
    }

    #[test]
    fn spellings_of_a_key_name_the_same() {
        for (key, names) in [
            ("model", Some(Names::Model)),
            ("Model", Some(Names::Model)),
            ("modelName", Some(Names::Model)),
            ("model_name", Some(Names::Model)),
            ("judge_model", Some(Names::Model)),
            ("models", Some(Names::Choice("models"))),
            ("content_policy_fallbacks", Some(Names::Choice("fallbacks"))),
            ("bac\u{212a}up", None),
            ("fallbac\u{212a}s", Some(Names::Choice("fallbacks"))),
            ("prompt", Some(Names::Stored("prompt"))),
            ("provider", None),
            ("modeling", None),
        ] {
            assert_eq!(Zone::Control.names(key.as_bytes()), names, "{key}");
            assert_eq!(Zone::Data.names(key.as_bytes()), None, "{key}");
        }
        for (name, names) in [
            ("session[model]", Some(Names::Model)),
            ("models[]", Some(Names::Choice("models"))),
            ("models[0]", Some(Names::Choice("models"))),
            ("file", None),
        ] {
            assert_eq!(field(name.as_bytes()), names, "{name}");
        }
    }
}
