//! Clients write while the server or its database is killed or frozen. Confirmed entries are kept, refused entries are
//! not stored, and entries with an unknown outcome can be sent again.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use sotto_storage::testing::wait_until;

use crate::cluster::Cluster;
use crate::load::{Load, Outcomes};
use crate::program::{Home, RunningServer, rounds};

const CLIENTS: usize = 6;

fn start(home: &Home) -> RunningServer {
    RunningServer::logging(home, &["--rate-limits", "off"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_no_acknowledged_entry() {
    for home in [Home::sqlite(), Home::postgres().await] {
        let mut server = start(&home);
        let token = server.person("ada@example.org").await;
        let mut all = Outcomes::default();
        for round in 0..rounds(3) {
            let load = Load::start(&server, &token, CLIENTS);
            load.stores(20).await;
            // At another moment of the server's work in each round.
            tokio::time::sleep(Duration::from_millis(u64::from(round * 37 % 200))).await;
            server.child.kill().unwrap();
            server.child.wait().unwrap();
            let outcomes = load.end().await;
            server = start(&home);
            outcomes.holds(&server, &token).await;
            all.add(outcomes);
        }
        ends_well(&home, server, &token, &all).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_postgresql_loses_no_acknowledged_entry() {
    let cluster = Cluster::start();
    let home = Home::with_database(cluster.database("journal", ""));
    let server = start(&home);
    let token = server.person("ada@example.org").await;
    let mut all = Outcomes::default();
    for round in 0..rounds(2) {
        let load = Load::start(&server, &token, CLIENTS);
        load.stores(20).await;
        tokio::time::sleep(Duration::from_millis(u64::from(round * 37 % 200))).await;
        if round % 2 == 0 {
            cluster.kill();
            load.until("writes are refused", |outcomes| outcomes.refused_with("unavailable") > 0).await;
            is_not_ready(&server).await;
            cluster.start_again();
        } else {
            cluster.kill_one_connection();
        }
        // Sotto is not restarted.
        load.stores(50).await;
        let outcomes = load.end().await;
        is_ready(&server).await;
        outcomes.holds(&server, &token).await;
        all.add(outcomes);
    }
    ends_well(&home, server, &token, &all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_postgresql_causes_503_until_it_resumes() {
    let cluster = Cluster::start();
    let home = Home::with_database(cluster.database("journal", ""));
    let server = start(&home);
    let token = server.person("ada@example.org").await;
    let mut all = Outcomes::default();
    for _ in 0..rounds(1) {
        let load = Load::start(&server, &token, CLIENTS);
        load.stores(20).await;
        cluster.freeze();
        let both = "some outcomes are unknown, and later requests are refused";
        load.until(both, |outcomes| !outcomes.unknown.is_empty() && outcomes.refused_with("unavailable") > 0).await;
        is_not_ready(&server).await;
        let read = server.request(Method::GET, "/api/journals/").bearer_auth(&token).send().await.unwrap();
        assert_eq!(read.status(), 503);
        assert_eq!(read.json::<Value>().await.unwrap()["code"], "unavailable");
        assert_eq!(server.request(Method::GET, "/health/live").send().await.unwrap().status(), 200);
        cluster.thaw();
        load.stores(50).await;
        let outcomes = load.end().await;
        is_ready(&server).await;
        outcomes.holds(&server, &token).await;
        all.add(outcomes);
    }
    // Includes what the frozen server may have done after it was resumed.
    ends_well(&home, server, &token, &all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_of_two_servers_replaces_a_frozen_one() {
    for _ in 0..rounds(1) {
        let first = Cluster::start();
        let url = first.database("journal", "");
        let second = first.with_standby();
        let home =
            Home::with_database(url.replace(&first.address(), &format!("{},{}", first.address(), second.address())));
        let server = start(&home);
        let token = server.person("ada@example.org").await;
        let load = Load::start(&server, &token, CLIENTS);
        load.stores(50).await;
        first.freeze();
        second.promote();
        load.stores(50).await;
        let outcomes = load.end().await;
        // Each client had one open request, and the first request afterwards failed.
        let failed = outcomes.unknown.len() + outcomes.refused.values().map(Vec::len).sum::<usize>();
        assert!(failed <= 2 * CLIENTS, "{failed} requests failed: {}", outcomes.counts());
        outcomes.holds(&server, &token).await;
        is_ready(&server).await;
        server.stop();
        // A starting server finds the second one as well.
        let server = start(&home);
        ends_well(&home, server, &token, &outcomes).await;
    }
}

/// Checks the entries against all responses, and the database against its rules.
async fn ends_well(home: &Home, server: RunningServer, token: &str, all: &Outcomes) {
    all.holds(&server, token).await;
    server.stop();
    home.run(&["db", "check", "--rows"]).ok();
}

async fn is_not_ready(server: &RunningServer) {
    let ready = server.request(Method::GET, "/health/ready").send().await.unwrap();
    assert_eq!(ready.status(), 503);
}

async fn is_ready(server: &RunningServer) {
    wait_until("the server is ready again", async || {
        server.request(Method::GET, "/health/ready").send().await.unwrap().status() == 200
    })
    .await;
}
