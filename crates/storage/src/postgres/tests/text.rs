//! Databases with another encoding, or with a character type that knows only ASCII letters.

use super::unavailable;
use crate::DatabaseUrl;
use crate::migrate::{self, Migrator, State};
use crate::postgres::{Postgres, connect, server::Text};
use crate::testing::Scratch;

async fn text_of(scratch: &Scratch) -> Text {
    let DatabaseUrl::Postgres(url) = &scratch.url else { panic!("a PostgreSQL database was asked for") };
    let Ok(client) = connect::alone(url, std::time::Duration::from_mins(1)).await else { panic!("no connection") };
    Text::read(&client).await.unwrap()
}

#[tokio::test]
async fn a_database_with_another_encoding_is_rejected() {
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let scratch = Scratch::postgres_with(&format!("ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")).await;
        let DatabaseUrl::Postgres(url) = &scratch.url else { panic!("a PostgreSQL database was asked for") };
        let sentences =
            [migrate::upgrade(&scratch.url).await.unwrap_err().to_string(), unavailable(Postgres::connect(url).await)];
        for sentence in sentences {
            assert!(sentence.contains(encoding) && sentence.contains("ENCODING 'UTF8'"), "{sentence}");
        }
        assert_eq!(Migrator::new(&scratch.url).unwrap().state().await.unwrap(), State::Empty);
    }
}

#[tokio::test]
async fn a_database_with_the_c_locale_causes_a_warning() {
    let scratch = Scratch::postgres_with("ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0").await;
    migrate::upgrade(&scratch.url).await.unwrap();
    scratch.url.open().await.unwrap().close().await;
    let warning = text_of(&scratch).await.warning().unwrap();
    assert!(warning.contains("locale C") && warning.contains("LOCALE 'C.UTF-8'"), "{warning}");
    assert_eq!(text_of(&Scratch::postgres().await).await.warning(), None);
}
