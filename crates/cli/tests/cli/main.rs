//! Runs the real program, as operators use it, on both engines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "that is how a test fails")]

/// Defines a test for each function, which runs it on a home with either engine.
macro_rules! on_both_engines {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(crate::program::Home::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(crate::program::Home::postgres().await).await;
            })+
        }
    };
}

mod acknowledged;
mod advise;
mod audit;
mod backup;
mod bucket;
mod check;
mod clocks;
mod cluster;
mod database;
mod db;
mod disk;
mod documents;
mod drill;
mod faults;
mod files;
mod interruptions;
mod keys;
mod kills;
mod load;
mod monitor;
mod mounts;
mod obstacles;
mod program;
mod recordings;
mod rolling;
mod room;
mod runbook;
mod serve;
mod settings;
mod user;
