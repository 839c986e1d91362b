//! Jobs that are due at once: two that end, one that panics, and one that is still running when the program ends.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

async fn shop() -> Result<(), JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let (done, mut reports) = mpsc::unbounded_channel();
    let now = Duration::ZERO;

    let report = done.clone();
    let count = Job::new_one_shot(now, move |_, _| report.send("counted the books").expect("a reader"))?;
    let report = done.clone();
    let sweep = Job::new_one_shot_async(now, move |_, _| {
        let report = report.clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            report.send("swept the floor").expect("a reader");
        })
    })?;
    let report = done.clone();
    let wait = Job::new_one_shot_async(now, move |_, _| {
        let report = report.clone();
        Box::pin(async move {
            report.send("waiting").expect("a reader");
            std::future::pending().await
        })
    })?;
    let burn = Job::new_one_shot_async(now, move |_, _| {
        let done = Ending(done.clone());
        Box::pin(async move {
            tokio::task::yield_now().await;
            let _done = done;
            panic!("the shop burns");
        })
    })?;
    for job in [count, sweep, wait, burn] {
        scheduler.add(job).await?;
    }
    scheduler.start().await?;
    let mut said = Vec::new();
    for _ in 0..4 {
        said.push(reports.recv().await.expect("a report"));
    }
    said.sort_unstable();
    println!("{}", said.join(", "));
    Ok(())
}

/// Reports that a job is over, even if it panics.
struct Ending(mpsc::UnboundedSender<&'static str>);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.send("burned");
    }
}

fn main() -> Result<(), JobSchedulerError> {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(shop())
}
