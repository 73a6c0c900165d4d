//! Runs the restore drill of `docs/backup.md` next to a server with recordings outside of its data folder.

use std::fs;
use std::path::PathBuf;

use reqwest::{Method, StatusCode};

use crate::documents::{self, contents};
use crate::program::{Home, RunningServer};
use crate::recordings::{play, recorded, with_store};

const BACKUPS: &str = include_str!("../../../../docs/backup.md");

fn commands() -> String {
    let sections = documents::sections(BACKUPS, "\n### ");
    let (_, blocks) = sections.into_iter().find(|(title, _)| *title == "A drill").unwrap();
    blocks[0].to_owned()
}

/// Runs these commands; the last one, which serves, only records its settings.
fn follow(home: &Home, commands: &str) -> crate::program::Finished {
    let (noted, program) = (home.path("serve.env"), documents::program(home));
    let script = format!(
        "if [ \"$1\" = serve ]; then env > '{}'; echo \"$@\"; exit 0; fi\nexec '{program}' \"$@\"",
        noted.display()
    );
    documents::tool(home, "sotto", &script);
    documents::run(home, commands)
}

/// A home with the settings of the drill's server.
fn drill_of(home: &Home) -> Home {
    let noted = fs::read_to_string(home.path("serve.env")).unwrap();
    let mut drill = Home::sqlite();
    for name in ["SOTTO_DATA_DIR", "SOTTO_DATABASE", "SOTTO_ATTACHMENTS"] {
        let value = noted.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap();
        drill.variables.push((name, value.to_owned()));
    }
    drill
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_changes_nothing_of_the_server() {
    for home in [with_store(Home::sqlite()), with_store(Home::postgres().await)] {
        let server = RunningServer::start(&home, &[]);
        let token = server.person("ada@example.org").await;
        let first = recorded(&server, &token, 1).await;
        home.run(&["backup"]).ok();
        // A recording that is not in the backup.
        let second = recorded(&server, &token, 2).await;
        let before = contents(&home.path("store"));

        let output = follow(&home, &commands()).ok();
        assert!(output.contains("is complete") && output.contains("ada@example.org"), "{output}");
        let drill = drill_of(&home);
        let drilled = RunningServer::start(&drill, &[]);
        // Without keys in the backup, users sign in again.
        let (_, theirs) = drilled.login("ada@example.org", crate::program::PASSWORD).await;
        play(&drilled, &theirs, &first, Some(1)).await;
        play(&drilled, &theirs, &second, None).await;
        // Changes in the drill only affect the copy.
        let entry = first.strip_suffix("/audio").unwrap();
        let deleted = drilled.request(Method::DELETE, entry).bearer_auth(&theirs).send().await.unwrap();
        assert_eq!(deleted.status(), StatusCode::OK);
        drilled.stop();
        drill.run(&["attachments", "sweep", "--even-if-many"]).ok();

        assert_eq!(contents(&home.path("store")), before);
        for (audio, byte) in [(&first, 1), (&second, 2)] {
            play(&server, &token, audio, Some(byte)).await;
        }
        server.stop();
        let again = RunningServer::start(&home, &[]);
        play(&again, &token, &second, Some(2)).await;
        let folder = PathBuf::from(&drill.variables[0].1);
        assert!(folder.starts_with(std::env::temp_dir()));
        fs::remove_dir_all(folder).unwrap();
    }
}

/// An earlier version of the drill, without its own store.
#[tokio::test(flavor = "multi_thread")]
async fn a_drill_on_the_servers_own_store_is_rejected() {
    let home = with_store(Home::sqlite());
    let server = RunningServer::start(&home, &[]);
    let token = server.person("ada@example.org").await;
    recorded(&server, &token, 1).await;
    home.run(&["backup"]).ok();
    recorded(&server, &token, 2).await;
    let before = contents(&home.path("store"));
    let careless = commands().replace(" SOTTO_ATTACHMENTS=\"$drill/attachments\"", "");
    assert_ne!(careless, commands());
    let refused = follow(&home, &careless).refused();
    assert!(refused.contains("belongs to another database") && refused.contains("--adopt"), "{refused}");
    assert_eq!(contents(&home.path("store")), before);
    server.stop();
}
