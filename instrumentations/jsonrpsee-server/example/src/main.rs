//! Calls that a server gets: by themselves, in a batch, and over a WebSocket.

use std::error::Error;
use std::time::Duration;

use jsonrpsee_core::client::{ClientT, SubscriptionClientT};
use jsonrpsee_core::params::BatchRequestBuilder;
use jsonrpsee_core::rpc_params;
use jsonrpsee_http_client::HttpClientBuilder;
use jsonrpsee_server::{RpcModule, ServerBuilder};
use jsonrpsee_types::ErrorObjectOwned;
use jsonrpsee_ws_client::WsClientBuilder;
use tokio::time::{sleep, timeout};

fn methods() -> Result<RpcModule<()>, Box<dyn Error + Send + Sync>> {
    let mut module = RpcModule::new(());
    module.register_method("shop_count", |_, _, _| 7)?;
    module.register_async_method("shop_sell", |params, _, _| async move {
        let number: u32 = params.one()?;
        sleep(Duration::from_millis(5)).await;
        match number {
            0 => Err(ErrorObjectOwned::owned(-32001, "none left", None::<()>)),
            number => Ok(number),
        }
    })?;
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
    let address = server.local_addr()?;
    let server = server.start(methods()?);

    // Over HTTP.
    let client = HttpClientBuilder::default().build(format!("http://{address}"))?;
    println!("count: {}", client.request::<u32, _>("shop_count", rpc_params![]).await?);
    println!("sell: {}", client.request::<u32, _>("shop_sell", rpc_params![2]).await?);
    println!("none left: {}", client.request::<u32, _>("shop_sell", rpc_params![0]).await.is_err());
    println!("unknown: {}", client.request::<u32, _>("shop_steal", rpc_params![]).await.is_err());
    client.notification("shop_note", rpc_params![]).await?;
    let mut batch = BatchRequestBuilder::new();
    batch.insert("shop_count", rpc_params![])?;
    batch.insert("shop_sell", rpc_params!["many"])?;
    batch.insert("shop_steal", rpc_params![])?;
    let answers = client.batch_request::<u32>(batch).await?;
    println!("batch: {} of {}", answers.num_successful_calls(), answers.len());

    // Over a WebSocket.
    let client = WsClientBuilder::default().build(format!("ws://{address}")).await?;
    println!("count: {}", client.request::<u32, _>("shop_count", rpc_params![]).await?);
    println!("unknown: {}", client.request::<u32, _>("shop_steal", rpc_params![]).await.is_err());
    let mut batch = BatchRequestBuilder::new();
    batch.insert("shop_count", rpc_params![])?;
    batch.insert("shop_sell", rpc_params![3])?;
    println!("batch: {}", client.batch_request::<u32>(batch).await?.num_successful_calls());
    let watched = client.subscribe::<u32, _>("shop_watch", rpc_params![], "shop_unwatch").await?;
    watched.unsubscribe().await?;
    let waiting = timeout(Duration::from_millis(100), client.request::<u32, _>("shop_wait", rpc_params![]));
    println!("given up: {}", waiting.await.is_err());
    drop(client);
    sleep(Duration::from_millis(500)).await;
    server.stop()?;
    Ok(())
}
