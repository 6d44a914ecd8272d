//! GraphQL: from a query text to an answer, in the steps a server takes.
//!
//! Main type: [`Engine`]. Parsing, validation, the variables and execution are separate steps,
//! since each fails with a status and a code of its own, which depend on the Apollo Server
//! played. Knows nothing of HTTP beyond the status.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use apollo_compiler::ast;
use apollo_compiler::executable::Operation;
use apollo_compiler::parser::LineColumn;
use apollo_compiler::request::RequestError;
use apollo_compiler::request::coerce_variable_values;
use apollo_compiler::resolvers::Execution;
use apollo_compiler::response::{GraphQLError, JsonMap, ResponseDataPathSegment};
use apollo_compiler::schema::Implementers;
use apollo_compiler::validation::{DiagnosticList, Valid};
use apollo_compiler::{ExecutableDocument, Name, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::audit::locked;
use super::profile::Style;
use super::refused::{BAD_USER_INPUT, INTERNAL};
use super::resolve::{Context, Node};
use super::switches::Behaviour;
use super::{schema, variables};

/// How many documents are kept parsed and validated.
const KEPT_DOCUMENTS: usize = 512;

/// A GraphQL request.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Request {
    #[serde(default)]
    pub(super) query: Option<String>,
    #[serde(default)]
    pub(super) variables: Option<JsonMap>,
    #[serde(default, rename = "operationName")]
    pub(super) operation_name: Option<String>,
}

/// A status and a JSON body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// A request that is ready to be executed.
pub(super) struct Prepared {
    document: Arc<Valid<ExecutableDocument>>,
    operation_name: Option<String>,
    variables: Valid<JsonMap>,
    /// How many mutation fields it has; 0 for a query.
    pub(super) mutations: usize,
}

pub(super) struct Engine {
    schema: Valid<Schema>,
    implementers: apollo_compiler::collections::HashMap<Name, Implementers>,
    documents: Mutex<HashMap<String, Arc<Valid<ExecutableDocument>>>>,
    style: Style,
    introspection: bool,
    extras: bool,
}

/// A body: without the key `data` where nothing was executed, with a null there where a field
/// failed that may not be null.
#[derive(Serialize)]
#[serde(untagged)]
enum Body<'a> {
    Rejected {
        errors: Vec<ErrorBody>,
    },
    Executed {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        errors: Vec<ErrorBody>,
        data: Option<&'a JsonMap>,
    },
}

#[derive(Serialize)]
struct ErrorBody {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    locations: Option<Vec<LineColumn>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    path: Vec<ResponseDataPathSegment>,
    extensions: Extensions,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
}

#[derive(Serialize)]
struct Extensions {
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    exception: Option<Exception>,
}

#[derive(Serialize)]
struct Exception {
    /// What the database answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stacktrace: Vec<String>,
}

impl Engine {
    pub(super) fn new(rules: &Behaviour) -> Self {
        let sdl = schema::served(rules);
        let schema =
            Schema::parse_and_validate(sdl, "houston.graphql").expect("every served schema is valid: tested");
        Self {
            implementers: schema.implementers_map(),
            schema,
            documents: Mutex::new(HashMap::new()),
            style: rules.style,
            introspection: rules.switches.introspection,
            extras: rules.switches.error_extras,
        }
    }

    /// Everything up to execution. Nothing has been done when this fails.
    pub(super) fn prepare(&self, request: Request) -> Result<Prepared, Reply> {
        let Some(query) = request.query.filter(|query| !query.trim().is_empty()) else {
            let text = "GraphQL operations must contain a non-empty `query` or a `persistedQuery` extension.";
            return Err(self.rejection(400, "BAD_REQUEST", vec![plain(text)]));
        };
        let document = self.document(query)?;
        let operation = document.operations.get(request.operation_name.as_deref()).map_err(|_| {
            let text = match &request.operation_name {
                Some(name) => format!("Unknown operation named \"{name}\"."),
                None => "Must provide operation name if query contains multiple operations.".to_owned(),
            };
            let code = match self.style {
                Style::As2 | Style::As3 => INTERNAL,
                Style::As4 => "OPERATION_RESOLUTION_FAILURE",
            };
            self.rejection(400, code, vec![plain(&text)])
        })?;
        let given = request.variables.unwrap_or_default();
        let variables = coerce_variable_values(&self.schema, operation, &given)
            .map_err(|error| self.bad_variables(&document, operation, &given, &error))?;
        let mutations = if operation.is_mutation() { operation.root_fields(&document).count() } else { 0 };
        Ok(Prepared {
            mutations,
            operation_name: request
                .operation_name
                .or_else(|| operation.name.as_ref().map(ToString::to_string)),
            variables,
            document,
        })
    }

    fn document(&self, query: String) -> Result<Arc<Valid<ExecutableDocument>>, Reply> {
        if let Some(document) = locked(&self.documents).get(&query) {
            return Ok(Arc::clone(document));
        }
        let parsed = ast::Document::parse(query.as_str(), "query.graphql").map_err(|error| {
            let mut errors = compatible(&error.errors);
            for error in &mut errors {
                let text = error.message.strip_prefix("syntax error: ").unwrap_or(&error.message);
                error.message = format!("Syntax Error: {text}");
            }
            self.rejection(400, "GRAPHQL_PARSE_FAILED", errors)
        })?;
        let document = parsed.to_executable_validate(&self.schema).map_err(|error| {
            let mut errors = compatible(&error.errors);
            if self.style == Style::As2 {
                errors.iter_mut().for_each(name_the_type_apart);
            }
            self.rejection(400, "GRAPHQL_VALIDATION_FAILED", errors)
        })?;
        if !self.introspection && asks_for_the_schema(&document) {
            let text = "GraphQL introspection is not allowed by Apollo Server, but the query contained __schema or __type. \
                        To enable introspection, pass introspection: true to ApolloServer in production";
            return Err(self.rejection(400, "GRAPHQL_VALIDATION_FAILED", vec![plain(text)]));
        }
        let document = Arc::new(document);
        let mut documents = locked(&self.documents);
        if documents.len() >= KEPT_DOCUMENTS {
            documents.clear();
        }
        documents.insert(query, Arc::clone(&document));
        Ok(document)
    }

    fn bad_variables(
        &self,
        document: &ExecutableDocument,
        operation: &Operation,
        given: &JsonMap,
        error: &RequestError,
    ) -> Reply {
        let (status, code) = match self.style {
            Style::As2 => (400, INTERNAL),
            Style::As3 => (400, BAD_USER_INPUT),
            Style::As4 => (200, BAD_USER_INPUT),
        };
        let mut error = error.to_graphql_error(&document.sources);
        if let Some((message, location)) = variables::explain(&self.schema, operation, given, self.style) {
            error = GraphQLError::new(message, location, &document.sources);
        }
        self.rejection(status, code, vec![error])
    }

    /// Carries a request out.
    pub(super) fn execute(&self, prepared: &Prepared, context: Context<'_>) -> Reply {
        let context = Context { operation_name: prepared.operation_name.as_deref(), ..context };
        let root = if prepared.mutations > 0 { Node::mutation(&context) } else { Node::query(&context) };
        // The document may hold several operations; the name picks one. An anonymous one has none.
        let name = prepared.operation_name.as_deref();
        let result = Execution::new(&self.schema, &prepared.document)
            .implementers_map(&self.implementers)
            .coerced_variable_values(&prepared.variables)
            .enable_schema_introspection(self.introspection)
            .operation_name(name)
            .and_then(|execution| execution.execute_sync(&root));
        match result {
            Ok(response) => {
                let errors = response.errors.into_iter().map(|error| self.field_error(error)).collect();
                reply(200, &Body::Executed { errors, data: response.data.as_ref() })
            }
            Err(error) => {
                let error = error.to_graphql_error(&prepared.document.sources);
                self.rejection(400, INTERNAL, vec![error])
            }
        }
    }

    /// An answer to a request that was not executed.
    pub(super) fn rejection(&self, status: u16, code: &str, errors: Vec<GraphQLError>) -> Reply {
        let errors = errors.into_iter().map(|error| self.error_body(error, code.to_owned())).collect();
        reply(status, &Body::Rejected { errors })
    }

    /// Resolvers hand over code, operation of the database and text in one string.
    fn field_error(&self, mut error: GraphQLError) -> ErrorBody {
        let text = error.message.strip_prefix("resolver error: ").unwrap_or(&error.message);
        let mut parts = text.splitn(3, '\0').map(str::to_owned);
        let (Some(code), Some(operation), Some(message)) = (parts.next(), parts.next(), parts.next()) else {
            return self.error_body(error, INTERNAL.to_owned());
        };
        error.message = message;
        let body = self.error_body(error, code);
        if operation.is_empty() { body } else { body.of_database(&operation) }
    }

    fn error_body(&self, error: GraphQLError, code: String) -> ErrorBody {
        let GraphQLError { message, locations, path, .. } = error;
        let stacktrace = || vec![format!("Error: {message}"), "    at sandbox (not a real stack)".to_owned()];
        let exception = self.extras.then(|| Exception { result: None, stacktrace: stacktrace() });
        ErrorBody {
            locations: (!locations.is_empty()).then_some(locations),
            path,
            extensions: Extensions { code, exception },
            level: self.extras.then_some("\u{1b}[31merror\u{1b}[39m"),
            timestamp: self.extras.then(|| jiff::Timestamp::now().to_string()),
            message,
        }
    }
}

impl ErrorBody {
    /// An error that the database answered and the server passes on: with the database's operation for
    /// its path, and with its answer.
    fn of_database(mut self, operation: &str) -> Self {
        let mut result = json!({ "data": { operation: null } });
        result["errors"] =
            json!([{ "message": self.message, "locations": [], "path": [operation], "code": 3039 }]);
        let stacktrace = self.extensions.exception.map_or_else(Vec::new, |exception| exception.stacktrace);
        self.extensions.exception = Some(Exception { result: Some(result), stacktrace });
        self.locations = Some(Vec::new());
        self.path = Name::new(operation).map(ResponseDataPathSegment::Field).into_iter().collect();
        self
    }
}

/// An error without a location.
pub(super) fn plain(text: &str) -> GraphQLError {
    GraphQLError::new(text, None, &apollo_compiler::parser::SourceMap::default())
}

/// In the wording of graphql-js.
fn compatible(errors: &DiagnosticList) -> Vec<GraphQLError> {
    errors.iter().map(|error| error.unstable_to_json_compat()).collect()
}

/// Words an unknown argument as graphql 14 does: `on field "f" of type "T".`, not `on field "T.f".`
fn name_the_type_apart(error: &mut GraphQLError) {
    let message = &error.message;
    let Some((argument, rest)) = message.split_once(" on field \"") else { return };
    let name = rest.split('"').next().and_then(|name| name.split_once('.'));
    if let Some((of, field)) = name.filter(|_| argument.starts_with("Unknown argument ")) {
        error.message = format!("{argument} on field \"{field}\" of type \"{of}\".");
    }
}

fn asks_for_the_schema(document: &ExecutableDocument) -> bool {
    let asks = |operation: &Operation| {
        operation.root_fields(document).any(|field| matches!(field.name.as_str(), "__schema" | "__type"))
    };
    document.operations.iter().any(|operation| asks(operation))
}

fn reply(status: u16, body: &Body<'_>) -> Reply {
    Reply { status, body: serde_json::to_vec(body).expect("a body of strings and maps can be written") }
}
