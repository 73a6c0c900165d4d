//! The OpenAPI specification, generated from the handlers.

use utoipa::OpenApi as _;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{
    Flow, HttpAuthScheme, HttpBuilder, OAuth2, Password, Scopes, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response};

use crate::http::error::{Code, FieldCode, FieldError, Problem};
use crate::http::idempotency;

/// `openapi.json`, as it is committed and served.
pub fn to_json() -> Result<String, serde_json::Error> {
    let (_, _, specification) = crate::router::api();
    specification.to_pretty_json().map(|json| json + "\n")
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Sotto",
        description = "A private journal that you host yourself.\n\nSign up with `POST /api/auth/register`, then press \
                       **Authorize** and sign in with your e-mail address and password. Collections work with and without the trailing slash. Errors are problem documents (RFC 9457).",
        license(name = "AGPL-3.0-or-later", identifier = "AGPL-3.0-or-later"),
    ),
    servers((url = "/", description = "This server")),
    tags(
        (name = "auth", description = "Sign up, sign in, sign out"),
        (name = "users", description = "Your own account"),
        (name = "journals", description = "Journal entries"),
        (name = "tags", description = "Labels for entries"),
        (name = "secret-tags", description = "Tags whose entries the server cannot read: see docs/secret-tags.md"),
        (name = "reminders", description = "Reminders to write"),
        (name = "operation", description = "For operators of the server"),
    ),
    components(schemas(Problem, Code, FieldError, FieldCode)),
)]
struct Base;

/// The specification without operations.
pub fn base() -> OpenApi {
    let mut specification = Base::openapi();
    let components = specification.components.get_or_insert_default();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("sotto_…").description(Some(
        "A personal API token, created with `POST /api/users/me/tokens`. Operations that accept one name the \
         required scope; all others refuse it.",
    ));
    components.add_security_scheme("api_token", SecurityScheme::Http(token.build()));
    let password = Flow::Password(Password::new("/api/auth/login", Scopes::new()));
    components.add_security_scheme("password", SecurityScheme::OAuth2(OAuth2::new([password])));
    specification
}

/// Operations that need no credentials.
const PUBLIC: [&str; 10] = [
    "/api/server",
    "/api/auth/register",
    "/api/auth/login",
    "/api/auth/refresh",
    "/api/auth/logout",
    "/api/auth/oidc/{provider}/start",
    "/api/auth/oidc/{provider}/callback",
    "/health/live",
    "/health/ready",
    "/metrics",
];

/// Adds what follows from an operation's shape: a unique id, the security schemes, the common errors and the form of an
/// error. So handlers describe only what is specific to them.
pub fn complete(mut specification: OpenApi) -> OpenApi {
    for (path, item) in &mut specification.paths.paths {
        for operation in operations(item) {
            // Several handlers are called `list`, but clients need unique ids.
            let tag = operation.tags.iter().flatten().next().cloned().unwrap_or_default();
            operation.operation_id =
                operation.operation_id.take().map(|name| format!("{}_{name}", tag.replace('-', "_")));
            let is_public = PUBLIC.contains(&path.as_str());
            if !is_public {
                let logins = ["bearer", "password"].map(|name| SecurityRequirement::new(name, [""; 0]));
                // A handler lists only the scope of an API token.
                operation.security =
                    Some(logins.into_iter().chain(operation.security.take().unwrap_or_default()).collect());
            }
            for (status, description) in common_refusals(path, operation, is_public) {
                let responses = &mut operation.responses.responses;
                responses.entry(status.into()).or_insert_with(|| Response::new(description).into());
            }
            if is_repeatable(operation) {
                describe_repetition(operation);
            }
            for (status, response) in &mut operation.responses.responses {
                describe(status, response);
            }
        }
    }
    specification
}

fn common_refusals(path: &str, operation: &Operation, is_public: bool) -> Vec<(&'static str, &'static str)> {
    let has_body = operation.request_body.is_some();
    let has_parameters = operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty());
    let mut refusals = Vec::new();
    if path.starts_with("/api/") {
        refusals.extend([
            ("500", "A fault of the server; it has been logged with the request's id."),
            ("503", "Busy, or the database cannot be reached; try again after `Retry-After` seconds."),
        ]);
    }
    if !is_public {
        refusals.extend([
            ("401", "The credentials are missing, invalid or expired."),
            ("403", "The API token may not do this, or another site sent the request with a cookie."),
        ]);
    }
    if has_body {
        refusals.extend([
            ("400", "The body broke off before its end."),
            ("408", "The body did not arrive in time."),
            ("413", "The body is too large."),
            ("415", "The media type of the body is not accepted."),
        ]);
    }
    if has_body || has_parameters {
        refusals.push(("422", "The request is not valid; `errors` names each field."));
    }
    refusals
}

/// Whether an operation takes an `Idempotency-Key`.
fn is_repeatable(operation: &Operation) -> bool {
    let is_key = |one: &RefOr<Parameter>| matches!(one, RefOr::T(one) if one.name == idempotency::HEADER);
    operation.parameters.iter().flatten().any(is_key)
}

fn describe_repetition(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    let no_longer_exists = "The same request was carried out before, and what it created no longer exists.";
    responses.entry("410".into()).or_insert_with(|| Response::new(no_longer_exists).into());
    if let Some(RefOr::T(created)) = responses.get_mut("201") {
        let header = HeaderBuilder::new()
            .schema(Some(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["true"]))))
            .description(Some("Present if an earlier request with the same `Idempotency-Key` created what is shown"));
        created.headers.insert(idempotency::REPLAYED.to_lowercase(), header.build().into());
    }
}

/// Every error is a problem document, and every response has a description.
fn describe(status: &str, response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    if status >= "400" {
        let problem = Content::new(Some(Ref::from_schema_name("Problem")));
        response.content.insert("application/problem+json".into(), problem.into());
    }
    if response.description.is_empty() {
        "Done.".clone_into(&mut response.description);
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.head, &mut item.put, &mut item.post, &mut item.delete].into_iter().flatten()
}
