//! Letters that a worker delivers: one that asks for another one, one that is refused, one that is still on its way when
//! the post closes, and one that burns its worker.

use std::time::Duration;

use apalis_core::builder::{WorkerBuilder, WorkerFactoryFn};
use apalis_core::error::{BoxDynError, Error};
use apalis_core::layers::extensions::Data;
use apalis_core::memory::MemoryStorage;
use apalis_core::mq::MessageQueue;
use tokio::sync::mpsc::{unbounded_channel, UnboundedSender};

#[derive(Clone, Copy, Debug)]
enum Letter {
    Question,
    Answer,
    Unreadable,
    Lost,
    Burning,
}

#[derive(Clone)]
struct Post {
    letters: MemoryStorage<Letter>,
    reports: UnboundedSender<&'static str>,
}

async fn deliver(letter: Letter, post: Data<Post>) -> Result<(), Error> {
    tokio::task::yield_now().await;
    let report = |text| post.reports.send(text).expect("a reader");
    match letter {
        Letter::Question => {
            let mut letters = post.letters.clone();
            letters.enqueue(Letter::Answer).await.expect("room for a letter");
            report("asked");
        }
        Letter::Answer => report("answered"),
        Letter::Unreadable => {
            report("refused");
            let error: BoxDynError = "to hunter2".into();
            return Err(Error::from(error));
        }
        Letter::Lost => {
            report("lost");
            std::future::pending().await
        }
        Letter::Burning => panic!("the letter burns"),
    }
    Ok(())
}

#[tokio::main]
async fn main() {
    let mut letters = MemoryStorage::new();
    let (reports, mut reported) = unbounded_channel();
    let post = Post { letters: letters.clone(), reports };
    let worker = |name: &str| {
        let worker = WorkerBuilder::new(name).data(post.clone()).backend(post.letters.clone()).build_fn(deliver);
        tokio::spawn(async move { worker.run().await })
    };
    let first = worker("first");
    for letter in [Letter::Question, Letter::Unreadable, Letter::Lost] {
        letters.enqueue(letter).await.expect("room for a letter");
    }
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(reported.recv().await.expect("a report"));
    }
    seen.sort_unstable();
    // What is done is done in a moment.
    tokio::time::sleep(Duration::from_millis(50)).await;
    first.abort();
    let closed = first.await.is_err_and(|error| error.is_cancelled());
    let second = worker("second");
    letters.enqueue(Letter::Burning).await.expect("room for a letter");
    let burned = second.await.is_err_and(|error| error.is_panic());
    println!("{}, closed: {closed}, burned: {burned}", seen.join(", "));
}
