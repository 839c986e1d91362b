//! Calls that a client sends over a WebSocket.

use std::error::Error;
use std::time::Duration;

use jsonrpsee_core::client::{ClientT, SubscriptionClientT};
use jsonrpsee_core::params::BatchRequestBuilder;
use jsonrpsee_core::rpc_params;
use jsonrpsee_server::{RpcModule, ServerBuilder};
use jsonrpsee_ws_client::WsClientBuilder;
use tokio::time::{sleep, timeout};

fn methods() -> Result<RpcModule<()>, Box<dyn Error + Send + Sync>> {
    let mut module = RpcModule::new(());
    module.register_method("shop_count", |_, _, _| 7)?;
    module.register_async_method("shop_wait", |_, _, _| async {
        sleep(Duration::from_millis(300)).await;
        0
    })?;
    module.register_subscription("shop_watch", "shop_sold", "shop_unwatch", |_, pending, _, _| async {
        if let Ok(sink) = pending.accept().await {
            sink.closed().await;
        }
    })?;
    Ok(module)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let server = ServerBuilder::default().build("127.0.0.1:0").await?;
    let url = format!("ws://{}", server.local_addr()?);
    let server = server.start(methods()?);
    let client = WsClientBuilder::default().request_timeout(Duration::from_millis(200)).build(&url).await?;

    println!("count: {}", client.request::<u32, _>("shop_count", rpc_params![]).await?);
    println!("no text: {}", client.request::<String, _>("shop_count", rpc_params![]).await.is_err());
    println!("unknown: {}", client.request::<u32, _>("shop_steal", rpc_params![]).await.is_err());
    client.notification("shop_note", rpc_params![]).await?;
    let mut batch = BatchRequestBuilder::new();
    batch.insert("shop_count", rpc_params![])?;
    batch.insert("shop_steal", rpc_params![])?;
    println!("batch: {}", client.batch_request::<u32>(batch).await?.num_successful_calls());
    let watched = client.subscribe::<u32, _>("shop_watch", rpc_params![], "shop_unwatch").await?;
    watched.unsubscribe().await?;
    println!("too late: {}", client.request::<u32, _>("shop_wait", rpc_params![]).await.is_err());
    let waiting = timeout(Duration::from_millis(50), client.request::<u32, _>("shop_wait", rpc_params![]));
    println!("given up: {}", waiting.await.is_err());
    server.stop()?;
    client.on_disconnect().await;
    println!("gone: {}", client.request::<u32, _>("shop_count", rpc_params![]).await.is_err());
    Ok(())
}
