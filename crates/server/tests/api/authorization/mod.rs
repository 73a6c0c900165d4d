//! The authorization matrix: every route of the specification, called by every kind of caller.
//!
//! A route of `openapi.json` without a row in [`routes`] fails, and so does a row without a route.

mod callers;
mod owners;
mod routes;

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use self::callers::{Caller, Callers};
use self::routes::{Access, ROUTES, Route};
use crate::on_both_engines;
use crate::server::{ApiResponse, Server, fill};

on_both_engines!(every_route_answers_every_caller_as_its_row_says, what_belongs_to_a_user_is_missing_for_others);

/// The answer that a caller gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Neither 401 nor 403.
    Allowed,
    /// This status, with this code.
    Refused(StatusCode, &'static str),
}

async fn every_route_answers_every_caller_as_its_row_says(server: Server) {
    let specification = ApiResponse::receive(server.request(Method::GET, "/api/openapi.json")).await.body;
    assert_rows_match(&specification);
    let callers = Callers::on(&server).await;
    let mut cells = 0;
    for route in &ROUTES {
        for caller in Caller::all() {
            let expected = verdict(route, caller);
            let request = callers.sign(caller, server.request(route.method.clone(), &fill(route.path))).await;
            let request = if route.has_body() { request.json(&Value::Null) } else { request };
            let response = request.send().await.unwrap();
            let status = response.status();
            let got = if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status) {
                let body: Value = response.json().await.unwrap_or_default();
                match expected {
                    // The caller may, once the secret tag is unlocked.
                    Verdict::Allowed if body["code"] == "secret_tag_locked" => Verdict::Allowed,
                    // A response to HEAD has no body.
                    Verdict::Refused(_, code) if route.method == Method::HEAD || body["code"] == code => {
                        Verdict::Refused(status, code)
                    }
                    _ => panic!("{} by {caller:?}: {status}, {body}", route.name()),
                }
            } else {
                Verdict::Allowed
            };
            assert_eq!(got, expected, "{} by {caller:?}: {status}", route.name());
            cells += 1;
        }
    }
    assert_eq!(cells, ROUTES.len() * Caller::all().count());
}

/// What belongs to one user cannot be told apart from what does not exist by another, and stays as it is.
async fn what_belongs_to_a_user_is_missing_for_others(server: Server) {
    owners::try_everything(&server).await;
}

fn assert_rows_match(specification: &Value) {
    let mut specified = BTreeSet::new();
    for (path, item) in specification["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{} {path}", method.to_uppercase());
            let access = ROUTES.iter().find(|row| row.name() == name).map(|row| row.access);
            let access = access.unwrap_or_else(|| panic!("{name} has no row in the authorization matrix"));
            assert_eq!(access.security(), security(operation), "{name}: its row and its specification differ");
            specified.insert(name);
        }
    }
    let rows: BTreeSet<_> = ROUTES.iter().map(Route::name).collect();
    assert_eq!(rows, specified, "a row has no route");
}

/// The credentials that the specification lists for an operation.
fn security(operation: &Value) -> BTreeSet<String> {
    let schemes = operation["security"].as_array().into_iter().flatten().flat_map(|one| one.as_object().unwrap());
    schemes
        .flat_map(|(name, scopes)| {
            let scopes = scopes.as_array().unwrap().iter().map(|scope| scope.as_str().unwrap()).collect::<Vec<_>>();
            if scopes.is_empty() { vec![name.clone()] } else { scopes.iter().map(|&scope| scope.to_owned()).collect() }
        })
        .collect()
}

fn verdict(route: &Route, caller: Caller) -> Verdict {
    use Verdict::{Allowed, Refused};

    match route.access {
        Access::Anyone => return Allowed,
        Access::AnyoneOnThisSite if caller != Caller::CookieFromAnotherSite => return Allowed,
        _ => {}
    }
    let refused = match caller {
        Caller::Anonymous => Some((StatusCode::UNAUTHORIZED, "not_signed_in")),
        Caller::Unsigned
        | Caller::Forged
        | Caller::Expired
        | Caller::RefreshToken
        | Caller::UnknownApiToken
        | Caller::ExpiredApiToken
        | Caller::DeletedApiToken
        | Caller::ApiTokenOfDeactivated => Some((StatusCode::UNAUTHORIZED, "invalid_token")),
        Caller::EndedSession | Caller::DeactivatedUser | Caller::SessionOfAnother => {
            Some((StatusCode::UNAUTHORIZED, "login_ended"))
        }
        Caller::CookieFromAnotherSite if !route.is_safe() => Some((StatusCode::FORBIDDEN, "foreign_origin")),
        Caller::ApiToken(scope) => match route.access {
            Access::Scope(required) if required == scope => None,
            Access::Scope(_) => Some((StatusCode::FORBIDDEN, "missing_scope")),
            _ => Some((StatusCode::FORBIDDEN, "no_api_tokens")),
        },
        Caller::UserSinceLong | Caller::SuperuserSinceLong if matches!(route.access, Access::RecentSession) => {
            Some((StatusCode::FORBIDDEN, "confirm_sign_in"))
        }
        Caller::SuperuserSinceLong if matches!(route.access, Access::Superuser) && !route.is_safe() => {
            Some((StatusCode::FORBIDDEN, "confirm_sign_in"))
        }
        Caller::User | Caller::UserSinceLong | Caller::Cookie | Caller::CookieFromAnotherSite => {
            matches!(route.access, Access::Superuser).then_some((StatusCode::FORBIDDEN, "not_a_superuser"))
        }
        Caller::Superuser | Caller::SuperuserSinceLong => None,
    };
    refused.map_or(Allowed, |(status, code)| Refused(status, code))
}
