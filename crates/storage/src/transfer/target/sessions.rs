//! Stores batches of rows in parallel sessions, because PostgreSQL computes the search index of a batch on one core.
//!
//! Batches are committed in their order, each after the previous one. So the stored rows are always the first ones of
//! the whole, whenever the work stops, and it can continue there.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use crate::transfer::layout::Table;
use crate::transfer::value::Row;

/// The sessions, and the batches that they are storing.
pub struct Sessions {
    clients: Vec<Arc<Client>>,
    /// Oldest first. Session `n` modulo the number of sessions stores batch `n`.
    running: VecDeque<Batch>,
    started: usize,
    /// Signals that the newest batch is stored.
    newest: Option<oneshot::Receiver<()>>,
}

struct Batch {
    table: String,
    stored: JoinHandle<Result<(), Error>>,
}

/// A batch that was not stored: its table, and the error; `None` if the task ended without a result.
pub type Failure = (String, Option<Error>);

impl Sessions {
    pub fn new(clients: Vec<Client>) -> Self {
        let clients = clients.into_iter().map(Arc::new).collect();
        Self { clients, running: VecDeque::new(), started: 0, newest: None }
    }

    /// Starts to store a batch when a session is free. The error may be that of an earlier batch.
    pub fn store(&mut self, table: &Table, rows: Vec<Row>, runtime: &Handle) -> Result<(), Failure> {
        // The oldest batch belongs to the session that is used next.
        while self.running.len() >= self.clients.len() {
            self.wait_for_oldest(runtime)?;
        }
        let client = self.clients[self.started % self.clients.len()].clone();
        let columns = table.column_list();
        let copy = CopyCommand {
            shape: format!("SELECT {columns} FROM \"{}\"", table.name),
            begin: format!("COPY \"{}\" ({columns}) FROM STDIN BINARY", table.name),
            rows,
        };
        let (stored_sender, stored_receiver) = oneshot::channel();
        let before = self.newest.replace(stored_receiver);
        let stored = runtime.spawn(store(client, copy, before, stored_sender));
        self.running.push_back(Batch { table: table.name.clone(), stored });
        self.started += 1;
        Ok(())
    }

    /// Waits until all batches are stored.
    pub fn finish(&mut self, runtime: &Handle) -> Result<(), Failure> {
        while !self.running.is_empty() {
            self.wait_for_oldest(runtime)?;
        }
        Ok(())
    }

    fn wait_for_oldest(&mut self, runtime: &Handle) -> Result<(), Failure> {
        let Some(oldest) = self.running.pop_front() else { return Ok(()) };
        match runtime.block_on(oldest.stored) {
            Ok(stored) => stored.map_err(|error| (oldest.table, Some(error))),
            Err(_) => Err((oldest.table, None)),
        }
    }
}

impl Drop for Sessions {
    /// Aborting rolls back batches that are not committed.
    fn drop(&mut self) {
        self.running.iter().for_each(|batch| batch.stored.abort());
    }
}

struct CopyCommand {
    shape: String,
    begin: String,
    rows: Vec<Row>,
}

/// Stores a batch and commits it after the previous one. If the previous batch fails, this one stays uncommitted until
/// the session ends.
async fn store(
    client: Arc<Client>,
    copy: CopyCommand,
    before: Option<oneshot::Receiver<()>>,
    stored: oneshot::Sender<()>,
) -> Result<(), Error> {
    client.batch_execute("BEGIN").await?;
    copy_in(&client, &copy).await?;
    let in_turn = match before {
        Some(before) => before.await.is_ok(),
        None => true,
    };
    if in_turn {
        client.batch_execute("COMMIT").await?;
        // No task waits for the last batch.
        let _ = stored.send(());
    }
    Ok(())
}

async fn copy_in(client: &Client, copy: &CopyCommand) -> Result<(), Error> {
    let shape = client.prepare(&copy.shape).await?;
    let types: Vec<Type> = shape.columns().iter().map(|column| column.type_().clone()).collect();
    let sink = client.copy_in(&copy.begin).await?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
    for row in &copy.rows {
        writer.as_mut().write_raw(row).await?;
    }
    writer.finish().await.map(drop)
}
