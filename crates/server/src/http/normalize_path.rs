//! One form for each address, so that clients may send a collection with or without its trailing slash.

use axum::http::Uri;

/// Collections get a trailing slash, everything else loses it. The query stays as it is.
///
/// This has to happen before routing, so it is no middleware of the router: [`super::listen`] calls it.
pub fn normalize_path(uri: &mut Uri) {
    const COLLECTIONS: [&str; 5] =
        ["/api/journals", "/api/tags", "/api/reminders", "/api/secret-tags", "/api/opaque-sessions"];
    let path = uri.path();
    let normalized = if COLLECTIONS.contains(&path) {
        format!("{path}/")
    } else {
        match path.strip_suffix('/') {
            Some(shorter) if !shorter.is_empty() && !COLLECTIONS.contains(&shorter) && shorter != "/api/docs" => {
                shorter.to_owned()
            }
            _ => return,
        }
    };
    let normalized = uri.query().map_or(normalized.clone(), |query| format!("{normalized}?{query}"));
    let mut parts = uri.clone().into_parts();
    if let Ok(path) = normalized.parse() {
        parts.path_and_query = Some(path);
        if let Ok(changed) = Uri::from_parts(parts) {
            *uri = changed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_collections_end_in_a_slash() {
        for (given, seen) in [
            ("/api/journals", "/api/journals/"),
            ("/api/journals?limit=2", "/api/journals/?limit=2"),
            ("/api/journals/", "/api/journals/"),
            ("/api/journals/stats/", "/api/journals/stats"),
            ("/api/users/me/?a=b", "/api/users/me?a=b"),
            ("/", "/"),
            ("/api/docs/", "/api/docs/"),
        ] {
            let mut uri: Uri = given.parse().unwrap();
            normalize_path(&mut uri);
            assert_eq!(uri.to_string(), seen);
        }
    }
}
