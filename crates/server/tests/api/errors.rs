//! Error codes for programs, beside the sentences for people.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::on_both_engines;
use crate::server::{ApiResponse, PASSWORD, Server};

on_both_engines!(field_errors_have_codes, problems_have_codes);

/// The field errors without their places.
fn fields(problem: &Value) -> Vec<Value> {
    let without_loc = |error: &Value| {
        let mut error = error.clone();
        error.as_object_mut().unwrap().remove("loc").unwrap();
        error
    };
    problem["errors"].as_array().unwrap().iter().map(without_loc).collect()
}

async fn field_errors_have_codes(server: Server) {
    let ada = server.person("ada").await;
    let account = json!({"email": "nobody", "password": "abc", "full_name": "n".repeat(201), "time_zone": "Nowhere"});
    let refused = ApiResponse::receive(server.request(Method::POST, "/api/auth/register").json(&account)).await;
    let refused = refused.expect(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused["errors"][1]["loc"], json!(["body", "password"]));
    assert_eq!(
        fields(&refused),
        [
            json!({"msg": "must be an e-mail address", "code": "not_an_email"}),
            json!({"msg": "must be at least 8 characters long", "code": "too_short", "params": {"min": 8}}),
            json!({"msg": "must be at most 200 bytes long; this is 201", "code": "too_long", "params": {"max": 200}}),
            json!({"msg": "must be the name of an IANA time zone, such as Europe/Berlin", "code": "unknown_zone"}),
        ]
    );
    // The field errors are the problem, so the problem itself has no code.
    assert_eq!(refused.get("code"), None);
    assert_eq!(
        refused["detail"],
        "body.email must be an e-mail address; body.password must be at least 8 characters long; body.full_name must be at \
         most 200 bytes long; this is 201; body.time_zone must be the name of an IANA time zone, such as Europe/Berlin."
    );

    let nobody = json!("0190b5a4-1111-7222-8333-444455556666");
    let date = "2025-01-22T10:00:00Z";
    let names: Vec<_> = (0..101).map(|n| format!("tag {n}")).collect();
    for (response, error) in [
        (
            ada.post("/api/tags/", json!({"name": "x", "color": "loud"})).await,
            json!({"msg": "must be a colour such as #1e90ff", "code": "not_a_colour"}),
        ),
        (
            ada.post("/api/tags/", json!({"name": "x".repeat(101)})).await,
            json!({"msg": "must be at most 100 bytes long", "code": "too_long", "params": {"max": 100}}),
        ),
        (
            ada.get("/api/journals/?limit=0").await,
            json!({"msg": "must lie between 1 and 1000", "code": "out_of_range", "params": {"min": 1, "max": 1000}}),
        ),
        (ada.get("/api/journals/x").await, json!({"msg": "must be a UUID", "code": "not_a_uuid"})),
        (
            ada.post("/api/journals/", json!({"entry_date": date})).await,
            json!({"msg": "must be given, even if it is empty", "code": "missing"}),
        ),
        (
            ada.post("/api/journals/", json!({"content": "", "entry_date": date, "tag_ids": [nobody]})).await,
            json!({"msg": format!("must be tags of yours; {} is not", nobody.as_str().unwrap()), "code": "unknown_tag"}),
        ),
        (
            ada.post("/api/journals/", json!({"content": "", "entry_date": date, "tags": names})).await,
            json!({"msg": "must be at most 100", "code": "too_many", "params": {"max": 100}}),
        ),
        (
            ada.post("/api/journals/", json!({"content": "", "entry_date": date, "tags": [""]})).await,
            json!({"msg": "must not be empty", "code": "empty"}),
        ),
        (
            ada.put("/api/users/me/password", json!({"current_password": "wrong", "new_password": PASSWORD})).await,
            json!({"msg": "is wrong", "code": "wrong_password"}),
        ),
    ] {
        assert_eq!(fields(&response.expect(StatusCode::UNPROCESSABLE_ENTITY)), [error]);
    }

    // Parsers word their errors differently, under one code.
    let number = ada.post("/api/tags/", json!({"name": 7})).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
    let text = ada.request(Method::POST, "/api/tags/").header("content-type", "application/json").body("{");
    for problem in [number, ApiResponse::receive(text).await.expect(StatusCode::UNPROCESSABLE_ENTITY)] {
        assert_eq!(problem["errors"][0]["code"], "malformed", "{problem}");
    }
}

async fn problems_have_codes(server: Server) {
    let ada = server.superuser("ada").await;
    let tag = ada.post("/api/tags/", json!({"name": "taken"})).await;
    tag.expect(StatusCode::CREATED);
    let entry = ada.write("first", "2025-01-22T10:00:00Z", &[]).await;
    let entry = format!("/api/journals/{}", entry["id"].as_str().unwrap());
    let own = format!("/api/admin/users/{}", ada.id);
    let account = json!({"email": ada.email, "password": PASSWORD});
    let post = |path: &str| server.request(Method::POST, path);
    let cookie = ("cookie", "sotto_access=x");

    for (response, status, code) in [
        (ada.post("/api/tags/", json!({"name": "Taken"})).await, 409, Some("tag_name_taken")),
        (ada.put(&own, json!({"is_active": false})).await, 409, Some("last_superuser")),
        (ada.get("/api/journals/0190b5a4-1111-7222-8333-444455556666").await, 404, Some("not_found")),
        (ada.delete("/api/tags/0190b5a4-1111-7222-8333-444455556666").await, 404, Some("not_found")),
        (
            ApiResponse::receive(
                ada.request(Method::PUT, &entry).header("if-match", "\"9\"").json(&json!({"title": "x"})),
            )
            .await,
            412,
            Some("entry_changed"),
        ),
        (
            ApiResponse::receive(ada.request(Method::POST, "/api/tags/").body("name=x")).await,
            415,
            Some("unsupported_media_type"),
        ),
        (ApiResponse::receive(post("/api/auth/register").json(&account)).await, 409, Some("email_taken")),
        (ApiResponse::receive(server.request(Method::GET, "/api/users/me")).await, 401, Some("not_signed_in")),
        (
            ApiResponse::receive(server.request(Method::GET, "/api/users/me").bearer_auth("x")).await,
            401,
            Some("invalid_token"),
        ),
        (
            ApiResponse::receive(post("/api/tags/").header(cookie.0, cookie.1).header("sec-fetch-site", "cross-site"))
                .await,
            403,
            Some("foreign_origin"),
        ),
        // The status is enough.
        (ApiResponse::receive(server.request(Method::PATCH, "/api/tags/")).await, 405, None),
    ] {
        let body = response.expect(StatusCode::from_u16(status).unwrap());
        assert_eq!(body.get("code").and_then(Value::as_str), code, "{body}");
    }

    // Nobody learns whether the address or the password is wrong.
    let guesses = [(ada.email.as_str(), "wrong password"), ("nobody@example.org", PASSWORD), ("no address", "")];
    for (email, password) in guesses {
        let guess = post("/api/auth/login").json(&json!({"email": email, "password": password}));
        assert_eq!(ApiResponse::receive(guess).await.expect(StatusCode::UNAUTHORIZED)["code"], "wrong_login");
    }
}

#[test]
fn every_code_is_described_and_still_exists() {
    let specification: Value = serde_json::from_str(&sotto_server::openapi::to_json().unwrap()).unwrap();
    let schemas = &specification["components"]["schemas"];
    assert_eq!(schemas["FieldError"]["required"], json!(["loc", "msg", "code"]));
    assert!(!schemas["Problem"]["required"].as_array().unwrap().contains(&json!("code")));
    let codes = |schema: &str| -> BTreeSet<String> { serde_json::from_value(schemas[schema]["enum"].clone()).unwrap() };
    let fields = codes("FieldCode");
    assert_eq!(fields, sotto_domain::Flaw::CODES.iter().map(|(code, _)| (*code).to_owned()).collect());
    for (code, params) in schemas["FieldCode"]["x-params"].as_object().unwrap() {
        assert!(fields.contains(code) && !params.as_array().unwrap().is_empty(), "{code}");
    }
    assert!(codes("ProblemCode").contains("wrong_login"));
}
