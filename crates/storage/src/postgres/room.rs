//! Finds out whether the disk of the database server has free space, by using some.

use sotto_domain::storage::Result;

use super::pool::Pool;

// About 1 MiB. Random ids do not compress.
const FILL: &str = "CREATE TEMPORARY TABLE sotto_room ON COMMIT DROP AS
    SELECT gen_random_uuid() FROM generate_series(1, 24000)";

/// Fills a temporary table, which takes space where tables are stored and is never committed.
pub async fn fill_table(pool: &Pool) -> Result<()> {
    let lease = pool.lease().await?;
    let client = lease.client()?;
    lease.begin(client.batch_execute(FILL)).await
}
