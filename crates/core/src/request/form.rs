//! The fields of a form, gathered as they pass by.

use super::batch::{Batched, Lines};
use super::count::Count;
use super::error::{BodyError, Param};
use super::keys::Key;
use super::kind::EndpointKind;
use super::meter::{Meter, PartCosts};
use super::nested::{self, Names};
use super::others::OtherModels;
use super::part::Part;
use crate::json::Bounded;
use crate::json::Number;
use crate::model::{MAX_MODEL_LEN, ModelId};

/// What the present part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Ignored,
    Param(Param),
    /// The name of a model beside the form's own.
    OtherModel,
    /// Text that the model sees.
    Text,
    Recording,
    Image,
    /// A file that may be a batch's.
    Lines,
}

/// What the form has said so far.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) model: Option<ModelId>,
    pub(super) stream: bool,
    pub(super) choices: u64,
    pub(super) meter: Meter,
    pub(super) others: OtherModels,
    kind: EndpointKind,
    /// The file of an upload, read as a batch's until its purpose is known.
    lines: Option<Box<Lines>>,
    purpose: Option<bool>,
    seen: u32,
    field: Field,
    bytes: u64,
    value: Bounded<MAX_MODEL_LEN>,
}

impl Form {
    pub(super) const fn new(kind: EndpointKind, costs: PartCosts) -> Self {
        Self {
            model: None,
            stream: false,
            choices: 1,
            meter: Meter::new(costs),
            others: OtherModels::none(),
            kind,
            lines: None,
            purpose: None,
            seen: 0,
            field: Field::Ignored,
            bytes: 0,
            value: Bounded::new(),
        }
    }

    /// For an upload of a file, which may be a batch's.
    pub(super) fn of_file(costs: PartCosts) -> Self {
        Self {
            lines: Some(Box::new(Lines::new(costs))),
            ..Self::new(EndpointKind::Other, costs)
        }
    }

    /// What a batch over the uploaded file will do; nothing for a file of another purpose.
    ///
    /// # Errors
    /// The first fault of a file that is for a batch.
    pub(super) fn batched(&mut self) -> Result<Option<&Batched>, BodyError> {
        match (&mut self.lines, self.purpose) {
            (Some(lines), Some(true)) => lines.finish().map(Some),
            _ => Ok(None),
        }
    }

    /// A part begins.
    pub(super) fn begin(&mut self, part: Part) -> Result<(), BodyError> {
        let name = part.name.whole().unwrap_or_default();
        let param = match name {
            b"purpose" if self.lines.is_some() => Some(Param::Purpose),
            _ => param(name)?,
        };
        self.bytes = 0;
        self.value.clear();
        self.field = match (param, self.kind) {
            (Some(param), _) if part.file => return Err(BodyError::WrongType(param)),
            (Some(param), _) => Field::Param(param),
            (None, EndpointKind::Transcriptions) if part.file => Field::Recording,
            (None, EndpointKind::Images) if part.file => Field::Image,
            (None, _) if part.file && self.lines.is_some() => Field::Lines,
            (None, _) if name == b"prompt" => Field::Text,
            (None, _) => self.other(name, part.json),
        };
        if let Some(param) = param {
            let bit = 1 << param as u32;
            if self.seen & bit != 0 {
                return Err(BodyError::Duplicate(param));
            }
            self.seen |= bit;
        }
        Ok(())
    }

    /// What a field is that the gate does not read: it may name a model all the same.
    fn other(&mut self, name: &[u8], json: bool) -> Field {
        match nested::field(name) {
            Some(Names::Model) => return Field::OtherModel,
            Some(Names::Choice(parameter)) => self.others.cannot_judge(parameter),
            // The parameters of `session`, say, which are read at the upstream only.
            _ if json => self.others.cannot_judge("a JSON part"),
            _ => {}
        }
        Field::Ignored
    }

    /// More of the part's content.
    pub(super) fn content(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        match self.field {
            Field::Param(_) | Field::OtherModel => {
                self.value.push(bytes);
            }
            Field::Text => self.meter.push(Key::Label, bytes),
            Field::Lines if self.purpose != Some(false) => {
                if let Some(lines) = &mut self.lines {
                    lines.push(bytes);
                }
            }
            Field::Lines => {}
            Field::Ignored | Field::Recording | Field::Image => {}
        }
    }

    /// The part is complete.
    pub(super) fn end(&mut self) -> Result<(), BodyError> {
        match self.field {
            Field::Param(param) => return self.parameter(param),
            Field::OtherModel => self.others.name(self.value.whole()),
            Field::Text => self.meter.end(Key::Label),
            Field::Recording => self.meter.recording(self.bytes),
            Field::Image => self.meter.image(),
            Field::Lines => match self.lines.as_ref().and_then(|lines| lines.fault()) {
                Some(fault) if self.purpose == Some(true) => return Err(fault),
                _ => {}
            },
            Field::Ignored => {}
        }
        Ok(())
    }

    fn parameter(&mut self, param: Param) -> Result<(), BodyError> {
        let value = self.value.whole();
        match param {
            Param::Model => {
                let text = value.and_then(|v| std::str::from_utf8(v).ok());
                let model = text.and_then(|t| ModelId::new(t).ok());
                self.model = Some(model.ok_or(BodyError::InvalidModel)?);
            }
            Param::Stream => {
                self.stream = match value.map(<[u8]>::to_ascii_lowercase).as_deref() {
                    Some(b"true") => true,
                    Some(b"false" | b"") => false,
                    _ => return Err(BodyError::WrongType(param)),
                };
            }
            Param::Purpose => {
                let purpose = value.unwrap_or_default().trim_ascii();
                self.purpose = Some(purpose.eq_ignore_ascii_case(b"batch"));
            }
            Param::N => match value.ok_or(BodyError::WrongType(param))? {
                b"" => {}
                digits => self.choices = self.choices.max(count(digits, param)?),
            },
            _ => {}
        }
        Ok(())
    }
}

const PARAMS: [(&str, Param); 4] = [
    ("model", Param::Model),
    ("stream", Param::Stream),
    ("n", Param::N),
    ("response_format", Param::ResponseFormat),
];

/// The parameter that a field names.
///
/// # Errors
/// [`BodyError::LetterCase`] for `Model`, and for `model[]` and `model[0]`, which some parsers read as `model`.
fn param(name: &[u8]) -> Result<Option<Param>, BodyError> {
    let stem = name.split(|b| *b == b'[').next().unwrap_or_default();
    let known = PARAMS
        .iter()
        .find(|(known, _)| stem.eq_ignore_ascii_case(known.as_bytes()));
    match known {
        Some((known, param)) if known.as_bytes() == name => Ok(Some(*param)),
        Some((_, param)) => Err(BodyError::LetterCase(*param)),
        None => Ok(None),
    }
}

fn count(text: &[u8], param: Param) -> Result<u64, BodyError> {
    let wrong = BodyError::WrongType(param);
    let (first, rest) = text.split_first().ok_or(wrong)?;
    let mut number = Number::begin(*first).ok_or(wrong)?;
    if !rest.iter().all(|b| number.push(*b)) {
        return Err(wrong);
    }
    match Count::from(number.end().ok_or(wrong)?) {
        Count::Whole(count) => Ok(count),
        Count::Negative | Count::Fractional => Err(BodyError::WrongCount(param)),
    }
}
