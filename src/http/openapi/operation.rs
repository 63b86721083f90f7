//! One operation of the API: what it takes, what it answers, and with which codes it fails.

use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::bodies;
use super::shape::{Shape, reference, set};
use crate::http::middleware::access::Access;
use crate::http::problems;

/// The type of most bodies.
const JSON: &str = "application/json";
/// A tag that is asked for, or any.
const TAG: &str = r#"^[ \t]*(?:\*|(?:W/)*"*\+?[0-9]+"*)[ \t]*$"#;
/// What fails wherever there is a request.
const ALWAYS: &[&str] = &["bad_forwarded_for", "token_in_query", "internal", "unavailable"];
/// What fails wherever there is a body.
const OF_BODIES: &[&str] = &[
    "malformed_json",
    "missing_field",
    "unknown_field",
    "wrong_type",
    "unreadable_body",
    "body_too_large",
    "unsupported_media_type",
];

/// One method of one path, described.
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: &'static str,
    id: &'static str,
    summary: &'static str,
    description: Option<&'static str>,
    parameters: Vec<Parameter>,
    body: Option<Value>,
    answers: Vec<Answer>,
    codes: Vec<&'static str>,
}

/// A parameter in the query string, or a header of the request.
pub(super) struct Parameter {
    name: &'static str,
    place: &'static str,
    shape: Shape,
}

struct Answer {
    status: StatusCode,
    description: &'static str,
    content: Vec<(&'static str, Shape)>,
    headers: Vec<(&'static str, &'static str)>,
}

/// A parameter in the query string.
pub(super) fn query(name: &'static str, shape: Shape) -> Parameter {
    Parameter { name, place: "query", shape }
}

macro_rules! methods {
    ($($name:ident = $method:ident),*) => {$(
        /// An operation of this method.
        pub(super) fn $name(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
            Operation::new(Method::$method, path, id, summary)
        }
    )*};
}

methods!(get = GET, post = POST, patch = PATCH, delete = DELETE);

impl Operation {
    fn new(method: Method, path: &'static str, id: &'static str, summary: &'static str) -> Self {
        let (parameters, answers, codes) = (Vec::new(), Vec::new(), ALWAYS.to_vec());
        Self { method, path, id, summary, description: None, parameters, body: None, answers, codes }
    }

    /// More than a line on it.
    pub(super) fn says(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    /// Parameters in the query string.
    pub(super) fn takes(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.parameters.extend(parameters);
        self.fails(&["malformed_query", "invalid_fields"])
    }

    /// A body of this type, such as this one.
    pub(super) fn body<T: JsonSchema>(self, example: Value) -> Self {
        let schema = bodies::schema::<T>();
        // An empty body counts as an empty object.
        let required = !bodies::takes_nothing(&schema);
        let kinds: &[&str] =
            if self.method == Method::PATCH { &["application/merge-patch+json", JSON] } else { &[JSON] };
        let content = kinds.iter().map(|kind| ((*kind).to_owned(), json!({"schema": schema, "example": example})));
        let content: Map<String, Value> = content.collect();
        Self { body: Some(json!({"required": required, "content": content})), ..self }
            .fails(OF_BODIES)
            .fails(&["invalid_fields"])
    }

    /// A file of one of these types.
    pub(super) fn file(self, kinds: &[(&'static str, Shape)]) -> Self {
        let content = kinds
            .iter()
            .map(|(kind, shape)| ((*kind).to_owned(), json!({"schema": shape.schema, "example": shape.example})));
        let content: Map<String, Value> = content.collect();
        Self { body: Some(json!({"required": true, "content": content})), ..self }.fails(&[
            "unreadable_body",
            "body_too_large",
            "unsupported_media_type",
        ])
    }

    /// A form (or the same as JSON) with these members.
    pub(super) fn form(self, shape: &Shape) -> Self {
        let content = ["application/x-www-form-urlencoded", JSON]
            .map(|kind| (kind.to_owned(), json!({"schema": shape.schema, "example": shape.example})));
        let content: Map<String, Value> = content.into_iter().collect();
        Self { body: Some(json!({"required": true, "content": content})), ..self }.fails(&[
            "invalid_fields",
            "unreadable_body",
            "body_too_large",
        ])
    }

    /// An answer in JSON.
    pub(super) fn gives(self, status: StatusCode, description: &'static str, shape: Shape) -> Self {
        self.gives_as(status, description, JSON, shape)
    }

    /// An answer of another type.
    pub(super) fn gives_as(
        mut self,
        status: StatusCode,
        description: &'static str,
        kind: &'static str,
        shape: Shape,
    ) -> Self {
        self.answers.push(Answer { status, description, content: vec![(kind, shape)], headers: Vec::new() });
        self
    }

    /// The last answer comes in this type too, where the caller asks for it.
    pub(super) fn or_as(mut self, kind: &'static str, shape: Shape) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.content.push((kind, shape));
        }
        self
    }

    /// An answer in JSON, with status 200.
    pub(super) fn shows(self, description: &'static str, shape: Shape) -> Self {
        self.gives(StatusCode::OK, description, shape)
    }

    /// An answer without a body.
    pub(super) fn nothing(mut self, status: StatusCode, description: &'static str) -> Self {
        self.answers.push(Answer { status, description, content: Vec::new(), headers: Vec::new() });
        self
    }

    /// An answer without a body, with status 204.
    pub(super) fn done(self, description: &'static str) -> Self {
        self.nothing(StatusCode::NO_CONTENT, description)
    }

    /// A header of the last answer.
    pub(super) fn header(mut self, name: &'static str, description: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push((name, description));
        }
        self
    }

    /// The last answer carries the ETag. What is read honours If-None-Match, what is changed If-Match.
    pub(super) fn tagged(self) -> Self {
        let tagged = self.header("ETag", "The revision.");
        match tagged.method {
            Method::GET => {
                let tag = super::shape::text("W/\"3\"").says("The ETag of an answer that the caller has.");
                let mut tagged = tagged;
                tagged.parameters.push(Parameter { name: "If-None-Match", place: "header", shape: tag });
                tagged.nothing(StatusCode::NOT_MODIFIED, "It is as the caller has it.").header("ETag", "The revision.")
            }
            _ => tagged.conditional(),
        }
    }

    /// If-Match is honoured.
    pub(super) fn conditional(mut self) -> Self {
        let tag = super::shape::like(TAG, "W/\"3\"").says("Only where the ETag is still this one.");
        self.parameters.push(Parameter { name: "If-Match", place: "header", shape: tag });
        self.fails(&["stale"])
    }

    /// The last answer is of something new: it says where it is.
    pub(super) fn located(self) -> Self {
        self.header("Location", "Where it is.")
    }

    /// What was made, where it is, and its ETag.
    pub(super) fn creates(self, description: &'static str, shape: Shape) -> Self {
        self.gives(StatusCode::CREATED, description, shape).located().header("ETag", "The revision.")
    }

    /// More codes with which it fails.
    pub(super) fn fails(mut self, codes: &[&'static str]) -> Self {
        self.codes.extend(codes.iter().filter(|code| !self.codes.contains(code)).copied().collect::<Vec<_>>());
        self
    }

    /// All codes with which it fails, with those that its access and its path bring along.
    pub(super) fn codes(&self, access: Access) -> Vec<&'static str> {
        let mut codes = self.codes.clone();
        match access {
            Access::Anonymous => {}
            Access::Session | Access::Token | Access::Visitor => codes.push("unauthenticated"),
            _ => codes.extend(["unauthenticated", "forbidden"]),
        }
        if self.path.contains('{') {
            codes.push("not_found");
        }
        codes.sort_unstable();
        codes.dedup();
        codes
    }

    /// The named schemas that it refers to.
    pub(super) fn components(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let answers = self.answers.iter().flat_map(|answer| &answer.content);
        answers.flat_map(|(_, shape)| shape.components.iter().map(|(name, schema)| (*name, schema.clone())))
    }

    /// As the document shows it.
    pub(super) fn shown(&self, tag: &str, access: Access) -> Value {
        let mut shown = json!({
            "operationId": self.id,
            "summary": self.summary,
            "tags": [tag],
            "security": security(access),
            "responses": self.responses(access),
        });
        let parameters = self.parameters();
        if !parameters.is_empty() {
            set(&mut shown, "parameters", Value::Array(parameters));
        }
        if let Some(description) = self.description {
            set(&mut shown, "description", json!(description));
        }
        if let Some(body) = &self.body {
            set(&mut shown, "requestBody", body.clone());
        }
        if let Access::Holder(permission)
        | Access::Within(permission)
        | Access::Own(permission)
        | Access::Client(permission)
        | Access::SessionOrClient(permission) = access
        {
            set(&mut shown, "x-permission", json!(permission.name()));
        }
        shown
    }

    fn parameters(&self) -> Vec<Value> {
        let in_path = self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).map(|name| {
            let shape = super::operations::segment(name);
            json!({"name": name, "in": "path", "required": true, "schema": shape.schema, "example": shape.example})
        });
        let others = self.parameters.iter().map(|Parameter { name, place, shape }| {
            json!({"name": name, "in": place, "schema": shape.schema, "example": shape.example})
        });
        in_path.chain(others).collect()
    }

    fn responses(&self, access: Access) -> Map<String, Value> {
        let answers = self.answers.iter().map(|answer| (answer.status.as_str().to_owned(), answer.shown()));
        let failures = self.failures(access).into_iter().map(|failure| {
            let place = json!({"$ref": format!("#/components/responses/{}", failure.name())});
            (failure.status.as_str().to_owned(), place)
        });
        answers.chain(failures).collect()
    }

    /// How it fails, status by status.
    pub(super) fn failures(&self, access: Access) -> Vec<Failure> {
        let mut failures: Vec<Failure> = Vec::new();
        for known in self.codes(access).into_iter().filter_map(problems::find) {
            match failures.iter_mut().find(|failure| failure.status == known.status) {
                Some(failure) => failure.codes.push(known),
                None => failures.push(Failure { status: known.status, codes: vec![known] }),
            }
        }
        failures
    }
}

impl Answer {
    fn shown(&self) -> Value {
        let mut shown = json!({"description": self.description});
        if !self.content.is_empty() {
            let content = self
                .content
                .iter()
                .map(|(kind, shape)| ((*kind).to_owned(), json!({"schema": shape.schema, "example": shape.example})));
            set(&mut shown, "content", content.collect::<Map<_, _>>().into());
        }
        if !self.headers.is_empty() {
            let headers = self.headers.iter().map(|(name, description)| {
                (
                    (*name).to_owned(),
                    json!({"description": description, "required": true, "schema": {"type": "string"}}),
                )
            });
            set(&mut shown, "headers", headers.collect::<Map<_, _>>().into());
        }
        shown
    }
}

/// A status, and the codes that may come with it.
pub(super) struct Failure {
    status: StatusCode,
    codes: Vec<&'static problems::Known>,
}

impl Failure {
    /// Its name among the components: its codes.
    pub(super) fn name(&self) -> String {
        self.codes.iter().map(|known| known.code).collect::<Vec<_>>().join(".")
    }

    /// As the document shows it.
    pub(super) fn shown(&self) -> Value {
        let names: Vec<&str> = self.codes.iter().map(|known| known.code).collect();
        let told = self.codes.iter().map(|known| format!("`{}`: {}", known.code, known.meaning)).collect::<Vec<_>>();
        let mut schema = reference("Problem");
        set(&mut schema, "properties", json!({"code": {"enum": names}}));
        let example = json!({
            "type": format!("urn:musterd:problem:{}", names.first().unwrap_or(&"")),
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "code": names.first(),
            "detail": self.codes.first().map(|known| known.meaning),
        });
        let mut content = json!({"application/problem+json": {"schema": schema, "example": example}});
        content = json!({"description": format!("{}.", told.join("; ")), "content": content});
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let seconds = json!({"description": "Seconds to wait.", "required": true, "schema": {"type": "string"}});
            set(&mut content, "headers", json!({"Retry-After": seconds}));
        }
        content
    }
}

/// Who may call it.
fn security(access: Access) -> Value {
    match access {
        Access::Anonymous | Access::ScimDiscovery => json!([]),
        Access::Session => json!([{"session": []}]),
        Access::Holder(_) | Access::Within(_) | Access::Own(_) | Access::Scim => {
            json!([{"token": []}, {"session": []}])
        }
        Access::Token => json!([{"token": []}]),
        Access::Client(_) => json!([{"token": []}, {"client": []}]),
        Access::SessionOrClient(_) | Access::ScimMe => json!([{"session": []}, {"token": []}, {"client": []}]),
        Access::Visitor => json!([{"session": []}, {"cookie": []}]),
    }
}
