//! A bakery's tasks in PostgreSQL, at DATABASE_URL: a loaf that orders a cake, and a cake that is burned once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::r2d2::{ConnectionManager, Pool};
use fang::queue::{Queue, Queueable};
use fang::runnable::Runnable;
use fang::serde::{Deserialize, Serialize};
use fang::worker_pool::WorkerPool;
use fang::{typetag, FangError, PgConnection, SleepParams};

const TABLE: &str = "
DROP TABLE IF EXISTS fang_tasks;
DROP TYPE IF EXISTS fang_task_state;
CREATE TYPE fang_task_state AS ENUM ('new', 'in_progress', 'failed', 'finished', 'retried');
CREATE TABLE fang_tasks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    metadata jsonb NOT NULL,
    error_message TEXT,
    state fang_task_state DEFAULT 'new' NOT NULL,
    task_type TEXT DEFAULT 'common' NOT NULL,
    uniq_hash TEXT,
    retries INTEGER DEFAULT 0 NOT NULL,
    scheduled_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()
);";

static BAKED: AtomicUsize = AtomicUsize::new(0);
static BURNED: AtomicUsize = AtomicUsize::new(0);

#[derive(Deserialize, Serialize)]
#[serde(crate = "fang::serde", deny_unknown_fields)]
struct Loaf {
    grams: u32,
}

#[typetag::serde]
impl Runnable for Loaf {
    fn run(&self, queue: &dyn Queueable) -> Result<(), FangError> {
        queue.insert_task(&Cake {}).expect("room for a cake");
        BAKED.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[derive(Deserialize, Serialize)]
#[serde(crate = "fang::serde")]
struct Cake {}

#[typetag::serde]
impl Runnable for Cake {
    fn run(&self, _: &dyn Queueable) -> Result<(), FangError> {
        if BURNED.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err(FangError { description: "burned by hunter2".to_owned() });
        }
        BAKED.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn uniq(&self) -> bool {
        true
    }

    fn max_retries(&self) -> i32 {
        1
    }

    fn backoff(&self, _: u32) -> u32 {
        0
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL, such as postgres://user@localhost/database");
    let connections = Pool::builder().max_size(2).build(ConnectionManager::<PgConnection>::new(url))?;
    connections.get()?.batch_execute(TABLE)?;
    let queue = Queue::builder().connection_pool(connections).build();
    queue.insert_task(&Loaf { grams: 500 })?;
    let now = Duration::from_millis(10);
    let sleep = SleepParams { sleep_period: now, max_sleep_period: now, min_sleep_period: now, sleep_step: now };
    let mut bakers = WorkerPool::<Queue>::builder().queue(queue).number_of_workers(1_u32).sleep_params(sleep).build();
    bakers.start().expect("a baker");
    let since = Instant::now();
    while BAKED.load(Ordering::SeqCst) < 2 {
        assert!(since.elapsed() < Duration::from_secs(30), "nothing is baked");
        std::thread::sleep(Duration::from_millis(10));
    }
    // What is baked is stored in a moment.
    std::thread::sleep(Duration::from_millis(200));
    println!("burned: {}", BURNED.load(Ordering::SeqCst) - 1);
    Ok(())
}
