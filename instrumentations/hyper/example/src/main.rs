//! A server and a client, first over HTTP/1, then over HTTP/2.

#[cfg_attr(feature = "hyper-0", path = "hyper_0.rs")]
#[cfg_attr(feature = "hyper-1", path = "hyper_1.rs")]
mod example;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    example::run().await
}
