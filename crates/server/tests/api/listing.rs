//! Lists of entries: order, pages, filters, search, calendar, anniversaries, statistics.

use std::collections::HashSet;

use reqwest::StatusCode;
use serde_json::json;

use crate::on_both_engines;
use crate::server::{Person, Server};

on_both_engines!(
    pages_visit_every_entry_once,
    a_cursor_is_valid_only_for_its_list,
    filters_narrow_the_list,
    search_finds_entries_by_word,
    the_calendar_counts_days_in_the_entries_zones,
    on_this_day_lists_earlier_years,
    statistics_count_streaks,
    summaries_are_shortened,
    a_page_of_long_entries_ends_early,
    invalid_queries_are_rejected,
);

async fn pages_visit_every_entry_once(server: Server) {
    let ada = server.person("ada").await;
    // Several entries share an instant, so the id decides.
    for n in 0..25 {
        ada.write(&format!("{n}"), &format!("2025-01-{:02}T10:00:00Z", n / 5 + 1), &[]).await;
    }
    let mut seen = Vec::new();
    let mut dates = Vec::new();
    let mut next = Some("/api/journals/?limit=7".to_owned());
    let mut pages = 0;
    while let Some(path) = next {
        let response = ada.get(&path).await;
        next = response.next();
        for entry in response.expect(StatusCode::OK).as_array().unwrap() {
            seen.push(entry["content"].as_str().unwrap().to_owned());
            dates.push(entry["entry_date"].as_str().unwrap().to_owned());
        }
        pages += 1;
    }
    assert_eq!((pages, seen.len(), seen.iter().collect::<HashSet<_>>().len()), (4, 25, 25));
    assert!(dates.windows(2).all(|pair| pair[0] >= pair[1]), "newest first");
    assert!(ada.get("/api/journals/?limit=25").await.next().is_none(), "the last page says so");
}

async fn a_cursor_is_valid_only_for_its_list(server: Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    for person in [&ada, &ben] {
        for n in 0..3 {
            person.write(&format!("{n}"), "2025-01-22T10:00:00Z", &["t"]).await;
        }
    }
    let next = ada.get("/api/journals/?limit=1&tag=t").await.next().unwrap();
    assert!(next.contains("tag=t"), "{next}");
    ada.get(&next).await.expect(StatusCode::OK);
    assert_eq!(ben.get(&next).await.refused(), "query.cursor");
    for changed in [next.replace("tag=t", "tag=u"), next.replace("tag=t&", ""), format!("{next}x")] {
        assert_eq!(ada.get(&changed).await.refused(), "query.cursor");
    }
    let cursor = next.split("cursor=").nth(1).unwrap();
    assert_eq!(ada.get(&format!("/api/tags/?cursor={cursor}")).await.refused(), "query.cursor");
    // The page size may change between pages.
    assert_eq!(ada.contents(&next.replace("limit=1", "limit=9")).await.len(), 2);
}

async fn filters_narrow_the_list(server: Server) {
    let ada = server.person_in("ada", "Pacific/Auckland").await;
    ada.write("new year", "2025-01-01T00:30:00+13:00", &["Home"]).await;
    ada.write("spring", "2025-03-20T12:00:00Z", &["Home", "Garden"]).await;
    ada.write("summer", "2025-07-20T12:00:00Z", &[]).await;
    let tags = ada.get("/api/tags/").await.body;
    let garden = tags.as_array().unwrap().iter().find(|tag| tag["name"] == "Garden").unwrap();
    for (query, found) in [
        ("tag=home", vec!["spring", "new year"]),
        ("tag=GARDEN", vec!["spring"]),
        (&format!("tag={}", garden["id"].as_str().unwrap()), vec!["spring"]),
        ("tag=nothing", vec![]),
        ("from=2025-03-22", vec!["summer"]),
        // It was 1 January in the entry's time zone, though not in UTC.
        ("from=2025-01-01&to=2025-01-01", vec!["new year"]),
        ("to=2024-12-31", vec![]),
        ("from=2025-01-01&to=2025-06-30&tag=home&q=spr", vec!["spring"]),
        ("from=2025-12-31&to=2025-01-01", vec![]),
    ] {
        assert_eq!(ada.contents(&format!("/api/journals/?{query}")).await, found, "{query}");
    }
}

async fn search_finds_entries_by_word(server: Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    let titled = json!({"title": "Mountain Lake", "content": "swam at dawn", "entry_date": "2025-01-03T10:00:00Z"});
    ada.post("/api/journals/", titled).await.expect(StatusCode::CREATED);
    let entry = ada.write("Read about the mountains; see example.org/peaks!", "2025-01-02T10:00:00Z", &[]).await;
    ada.write("Ünïcode ТЕКСТ 日記", "2025-01-01T10:00:00Z", &[]).await;
    ben.write("Mountain secrets", "2025-01-01T10:00:00Z", &[]).await;
    let path = format!("/api/journals/{}", entry["id"].as_str().unwrap());
    let read = "Read about the mountains; see example.org/peaks!";
    for (query, found) in [
        ("mountain", vec!["swam at dawn", read]),
        ("MOUNT%20lak", vec!["swam at dawn"]),
        ("peaks", vec![read]),
        ("example.org", vec![read]),
        ("ountain", vec![]),
        ("текст", vec!["Ünïcode ТЕКСТ 日記"]),
        ("%C3%BCn%C3%AF", vec!["Ünïcode ТЕКСТ 日記"]),
        ("secrets", vec![]),
        ("mountain%20OR%20nothing", vec![]),
        ("%22mountain%22%20*", vec!["swam at dawn", read]),
    ] {
        assert_eq!(ada.contents(&format!("/api/journals/?q={query}")).await, found, "{query}");
    }
    ada.put(&path, json!({"content": "rewritten"})).await.expect(StatusCode::OK);
    assert_eq!(ada.contents("/api/journals/?q=peaks").await, Vec::<String>::new());
    assert_eq!(ada.contents("/api/journals/?q=rewr").await, ["rewritten"]);
    ada.delete(&path).await.expect(StatusCode::OK);
    assert_eq!(ada.contents("/api/journals/?q=rewr").await, Vec::<String>::new());
}

async fn the_calendar_counts_days_in_the_entries_zones(server: Server) {
    let ada = server.person_in("ada", "America/New_York").await;
    ada.write("one two three", "2025-01-23T02:00:00Z", &[]).await;
    ada.write("four", "2025-01-22T15:00:00Z", &[]).await;
    let elsewhere = json!({"content": "five", "entry_date": "2025-01-23T02:00:00Z", "entry_zone": "Europe/Berlin"});
    ada.post("/api/journals/", elsewhere).await.expect(StatusCode::CREATED);
    let days = ada.get("/api/journals/calendar?from=2025-01-01&to=2025-12-31").await.expect(StatusCode::OK);
    assert_eq!(
        days,
        json!([{"date": "2025-01-22", "entries": 2, "words": 4}, {"date": "2025-01-23", "entries": 1, "words": 1}])
    );
    let january = ada.get("/api/journals/calendar?from=2025-02-01&to=2025-12-31").await;
    assert_eq!(january.expect(StatusCode::OK), json!([]));
}

async fn on_this_day_lists_earlier_years(server: Server) {
    let ada = server.person("ada").await;
    for date in ["2021-02-28", "2024-02-28", "2024-02-29", "2024-03-01", "2025-02-28"] {
        ada.write(date, &format!("{date}T10:00:00Z"), &[]).await;
    }
    let on = async |date: &str| ada.contents(&format!("/api/journals/on-this-day?date={date}")).await;
    assert_eq!(on("2025-02-28").await, ["2024-02-29", "2024-02-28", "2021-02-28"]);
    assert_eq!(on("2028-02-28").await, ["2025-02-28", "2024-02-28", "2021-02-28"]);
    assert_eq!(on("2028-02-29").await, ["2024-02-29"]);
    assert_eq!(on("2024-03-01").await, Vec::<String>::new());
    assert_eq!(on("0001-03-01").await, Vec::<String>::new());
    ada.get("/api/journals/on-this-day").await.expect(StatusCode::OK);
}

async fn statistics_count_streaks(server: Server) {
    let ada = server.person("ada").await;
    let empty = ada.get("/api/journals/stats").await.expect(StatusCode::OK);
    assert_eq!((&empty["entries"], &empty["first_day"]), (&json!(0), &json!(null)));
    for day in ["2025-01-01", "2025-01-02", "2025-01-03", "2025-01-09"] {
        ada.write("two words", &format!("{day}T10:00:00Z"), &[]).await;
    }
    let stats = ada.get("/api/journals/stats").await.expect(StatusCode::OK);
    let expected = json!({
        "entries": 4, "words": 8, "days": 4, "first_day": "2025-01-01", "last_day": "2025-01-09",
        "current_streak": 0, "longest_streak": 3,
    });
    assert_eq!(stats, expected);
}

async fn summaries_are_shortened(server: Server) {
    let ada = server.person("ada").await;
    let text = |count: usize| format!("zanzibar {}", "ö👩\u{200d}👧".repeat(count));
    for (content, date) in [
        (text(300), "2025-01-25T10:00:00Z"),
        ("x".repeat(281), "2025-01-24T10:00:00Z"),
        ("é".repeat(280), "2025-01-23T10:00:00Z"),
        (String::new(), "2025-01-22T10:00:00Z"),
    ] {
        ada.write(&content, date, &["t"]).await;
    }
    let whole = ada.get("/api/journals/").await.expect(StatusCode::OK);
    let cut = ada.get("/api/journals/?view=summary").await.expect(StatusCode::OK);
    for (whole, cut) in whole.as_array().unwrap().iter().zip(cut.as_array().unwrap()) {
        let text = whole["content"].as_str().unwrap();
        let mut expected = whole.clone();
        expected["content"] = text.chars().take(280).collect::<String>().into();
        if text.chars().count() > 280 {
            expected["truncated"] = true.into();
        }
        assert_eq!(*cut, expected);
    }
    assert_eq!((cut[1]["truncated"].clone(), cut[2].get("truncated")), (json!(true), None));
    for (filter, count) in [("q=zanz", 1), ("tag=t", 4), ("from=2025-01-24", 2), ("to=2025-01-22", 1)] {
        let list = ada.get(&format!("/api/journals/?{filter}&view=summary")).await.expect(StatusCode::OK);
        let list = list.as_array().unwrap();
        assert_eq!(list.len(), count, "{filter}");
        assert!(list.iter().all(|entry| entry["content"].as_str().unwrap().chars().count() <= 280));
    }
    // The next page has the same filters, and the cursor is valid for this list only.
    let next = ada.get("/api/journals/?view=summary&limit=1").await.next().unwrap();
    assert!(next.contains("view=summary"), "{next}");
    assert_eq!(ada.get(&next).await.expect(StatusCode::OK)[0], cut[1]);
    assert_eq!(ada.get(&next.replace("view=summary&", "")).await.refused(), "query.cursor");
    // A single entry is not cut, and neither is the response of an update.
    let path = format!("/api/journals/{}", cut[0]["id"].as_str().unwrap());
    assert_eq!(ada.get(&path).await.expect(StatusCode::OK), whole[0]);
}

async fn a_page_of_long_entries_ends_early(server: Server) {
    let ada = server.person("ada").await;
    let long = "x".repeat(1 << 20);
    for n in 10..15 {
        ada.write(&long, &format!("2025-01-{n}T10:00:00Z"), &[]).await;
    }
    let mut counts = Vec::new();
    let mut next = Some("/api/journals/?limit=1000".to_owned());
    while let Some(path) = next {
        let response = ada.get(&path).await;
        next = response.next();
        counts.push(response.expect(StatusCode::OK).as_array().unwrap().len());
    }
    assert_eq!(counts, [2, 2, 1]);
    let summaries = ada.get("/api/journals/?limit=1000&view=summary").await;
    assert_eq!((summaries.next(), summaries.body.as_array().unwrap().len()), (None, 5));
}

async fn invalid_queries_are_rejected(server: Server) {
    let ada = server.person("ada").await;
    for (query, place) in [
        ("limit=0", "query.limit"),
        ("limit=1001", "query.limit"),
        ("limit=-1", "query.limit"),
        ("limit=many", "query.limit"),
        ("cursor=", "query.cursor"),
        ("cursor=AAAA", "query.cursor"),
        ("from=yesterday", "query.from"),
        ("from=2025-13-01", "query.from"),
        ("to=2025-1-1", "query.to"),
        ("tag=", "query.tag"),
        ("tag=a%00b", "query.tag"),
        ("q=%20%2A", "query.q"),
        ("q=1+2+3+4+5", "query.q"),
        ("q=10+11+12+13+14+15+16+17+18+19+20+21+22+23+24+25+26", "query.q"),
        ("view=whole", "query.view"),
        ("view=", "query.view"),
        ("limit=1&limit=2", "query"),
    ] {
        let refused = ada.get(&format!("/api/journals/?{query}")).await.refused();
        assert!(refused.starts_with(place), "{query}: {refused}");
    }
    assert!(refuses_unknown(&ada, "/api/journals/").await);
    assert!(refuses_unknown(&ada, "/api/tags/").await);
    assert_eq!(ada.get("/api/journals/on-this-day?date=2025-02-30").await.refused(), "query.date");
    assert_eq!(ada.get("/api/journals/calendar?from=x").await.refused(), "query.from");
}

async fn refuses_unknown(person: &Person<'_>, path: &str) -> bool {
    person.get(&format!("{path}?colour=red")).await.refused().starts_with("query")
}
