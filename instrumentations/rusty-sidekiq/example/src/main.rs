//! Letters in Redis, at REDIS_URL: a question that asks for an answer later on, a bill that is refused once, and a match that
//! burns its postman.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sidekiq::{
    Error, Processor, ProcessorConfig, RedisConnectionManager, RedisPool, Result, Scheduled, Worker, WorkerOpts,
};
use tokio::sync::mpsc::{unbounded_channel, UnboundedSender};

type Reports = UnboundedSender<&'static str>;

struct Question(Reports, RedisPool);

#[async_trait]
impl Worker<String> for Question {
    async fn perform(&self, _: String) -> Result<()> {
        tokio::task::yield_now().await;
        self.0.send("question").expect("a reader");
        Answer::perform_in(&self.1, Duration::from_secs(60), ()).await
    }
}

struct Answer(Reports);

#[async_trait]
impl Worker<()> for Answer {
    async fn perform(&self, _: ()) -> Result<()> {
        self.0.send("answer").expect("a reader");
        Ok(())
    }
}

struct Bill(Reports, AtomicBool);

#[async_trait]
impl Worker<()> for Bill {
    async fn perform(&self, _: ()) -> Result<()> {
        self.0.send("bill").expect("a reader");
        let is_second = self.1.swap(true, Ordering::SeqCst);
        is_second.then_some(()).ok_or_else(|| Error::Message("to hunter2".to_owned()))
    }
}

struct Match(Reports);

#[async_trait]
impl Worker<()> for Match {
    fn opts() -> WorkerOpts<(), Self> {
        WorkerOpts::new().queue("matches")
    }

    async fn perform(&self, _: ()) -> Result<()> {
        self.0.send("match").expect("a reader");
        panic!("the letter burns")
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("REDIS_URL").expect("REDIS_URL, such as redis://127.0.0.1:6379");
    let redis = bb8::Pool::builder().build(RedisConnectionManager::new(url)?).await?;
    Question::perform_async(&redis, "for hunter2".to_owned()).await?;
    Bill::perform_async(&redis, ()).await?;

    // One after the other; then what is due within a day.
    let (reports, mut reported) = unbounded_channel();
    let one = ProcessorConfig::default().num_workers(1);
    let mut post = Processor::new(redis.clone(), vec!["default".to_owned()]).with_config(one);
    post.register(Question(reports.clone(), redis.clone()));
    post.register(Answer(reports.clone()));
    post.register(Bill(reports.clone(), AtomicBool::new(false)));
    for _ in 0..2 {
        post.process_one().await?;
    }
    let tomorrow = chrono::Utc::now() + Duration::from_secs(86_400);
    let due = ["retry", "schedule"].map(str::to_owned).to_vec();
    let due = Scheduled::new(redis.clone()).enqueue_jobs(tomorrow, &due).await.map_err(|error| error.to_string())?;

    // Those by a processor's own tasks.
    tokio::spawn(post.run());
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(reported.recv().await.expect("a report"));
    }
    Match::perform_async(&redis, ()).await?;
    let mut postman = Processor::new(redis, vec!["matches".to_owned()]);
    postman.register(Match(reports));
    let burned = tokio::spawn(async move { postman.process_one().await.is_ok() }).await.is_err();
    // What is done is done in a moment.
    tokio::time::sleep(Duration::from_millis(100)).await;
    println!("{due} due: {}, burned: {burned}", seen.join(", "));
    Ok(())
}
