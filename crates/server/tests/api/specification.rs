//! The committed specification, and the page that shows it.

use reqwest::{Method, StatusCode};
use serde_json::Value;
use sotto_storage::testing::Scratch;

use crate::server::{ApiResponse, Server, lenient};

#[test]
fn openapi_json_is_current() {
    let committed = include_str!("../../../../openapi.json");
    let generated = sotto_server::openapi::to_json().unwrap();
    assert!(committed == generated, "openapi.json is stale: run `make openapi` and commit it");
}

#[test]
fn every_operation_documents_its_responses() {
    let specification: Value = serde_json::from_str(&sotto_server::openapi::to_json().unwrap()).unwrap();
    assert_eq!(specification["openapi"], "3.1.0");
    let mut names = std::collections::BTreeSet::new();
    for (path, item) in specification["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path} has a summary");
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name), "another operation than {method} {path} is also named {name}");
            let responses = operation["responses"].as_object().unwrap();
            for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
                let reference = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(reference, "#/components/schemas/Problem", "{method} {path} {status}");
            }
        }
    }
}

#[tokio::test]
async fn swagger_ui_is_served_from_the_binary() {
    let server = Server::start(Scratch::sqlite(), lenient()).await;
    let to_page = server.request(Method::GET, "/api/docs").send().await.unwrap();
    assert_eq!(
        (to_page.status(), &to_page.headers()["location"]),
        (StatusCode::PERMANENT_REDIRECT, &"/api/docs/".parse().unwrap())
    );
    let page = server.request(Method::GET, "/api/docs/").send().await.unwrap();
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'self'"), "{policy}");
    let page = page.text().await.unwrap();
    assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
    for file in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js"] {
        assert!(page.contains(file), "{file}");
        let asset = server.request(Method::GET, &format!("/api/docs/{file}")).send().await.unwrap();
        assert_eq!(asset.status(), StatusCode::OK, "{file}");
    }
    ApiResponse::receive(server.request(Method::GET, "/api/docs/nothing.js")).await.expect(StatusCode::NOT_FOUND);
    let specification =
        ApiResponse::receive(server.request(Method::GET, "/api/openapi.json")).await.expect(StatusCode::OK);
    assert_eq!(specification["info"]["title"], "Sotto");
}
