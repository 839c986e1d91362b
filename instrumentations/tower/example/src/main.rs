//! One slow service behind the middleware that makes requests wait or fail.

use std::time::Duration;

use tower::{service_fn, BoxError, Service, ServiceBuilder, ServiceExt};

async fn double(number: u64) -> Result<u64, BoxError> {
    tokio::time::sleep(Duration::from_millis(20)).await;
    Ok(number * 2)
}

/// Calls the service twice at once.
async fn twice<S>(what: &str, service: S)
where
    S: Service<u64, Response = u64, Error = BoxError> + Clone,
{
    let (first, second) = tokio::join!(service.clone().oneshot(1), service.oneshot(2));
    println!("{what}: {first:?}, {second:?}");
}

#[tokio::main]
async fn main() {
    let short = Duration::from_millis(5);
    twice("timeout", ServiceBuilder::new().timeout(short).service(service_fn(double))).await;
    twice("concurrency limit", ServiceBuilder::new().concurrency_limit(1).service(service_fn(double))).await;
    twice("load shed", ServiceBuilder::new().load_shed().concurrency_limit(1).service(service_fn(double))).await;
    twice("buffered rate limit", ServiceBuilder::new().buffer(1).rate_limit(1, short).service(service_fn(double)))
        .await;
}
