//! Calls that are answered, that call on, that fail, that take too long, that are given up.

use std::error::Error;
use std::io::ErrorKind;
use std::time::Duration;

use futures_util::StreamExt;
use tarpc::client::{self, RpcError};
use tarpc::context::{self, Context};
use tarpc::server::request_hook::RequestHook;
use tarpc::server::{BaseChannel, Channel};
use tarpc::{transport, ServerError};
use tracing_subscriber::filter::LevelFilter;

#[tarpc::service]
pub trait Shop {
    async fn order(item: String) -> u32;
    async fn stock(item: String) -> u32;
    async fn wait() -> u32;
}

/// A server, and the one that it asks for its stock.
#[derive(Clone)]
struct Server(Option<ShopClient>);

impl Shop for Server {
    async fn order(self, context: Context, item: String) -> u32 {
        match self.0 {
            Some(stock) => stock.stock(context, item).await.unwrap_or_default(),
            None => 0,
        }
    }

    async fn stock(self, _: Context, item: String) -> u32 {
        item.len() as u32
    }

    async fn wait(self, _: Context) -> u32 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        0
    }
}

/// A client of a server of its own. Both stay until the program ends.
fn start(server: Server) -> ShopClient {
    let (to_server, to_client) = transport::channel::unbounded();
    let requests = BaseChannel::with_defaults(to_client).execute(server.serve());
    tokio::spawn(requests.for_each(|request| async {
        tokio::spawn(request);
    }));
    kept(ShopClient::new(client::Config::default(), to_server).spawn())
}

/// A server whose hook refuses everything.
fn start_closed() -> ShopClient {
    let (to_server, to_client) = transport::channel::unbounded();
    let closed = Server(None).serve().before(|_: &mut Context, _: &ShopRequest| async {
        Err(ServerError::new(ErrorKind::PermissionDenied, "my secret is opensesame".to_owned()))
    });
    tokio::spawn(BaseChannel::with_defaults(to_client).execute(closed).for_each(|request| request));
    kept(ShopClient::new(client::Config::default(), to_server).spawn())
}

fn kept(client: ShopClient) -> ShopClient {
    std::mem::forget(client.clone());
    client
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // It takes none of tarpc's events, whose order changes from run to run.
    tracing_subscriber::fmt().with_max_level(LevelFilter::OFF).with_writer(std::io::sink).init();
    let client = start(Server(Some(start(Server(None)))));
    println!("order: {}", client.order(context::current(), "book".to_owned()).await?);

    let refused = start_closed().stock(context::current(), "book".to_owned()).await;
    println!("refused: {}", matches!(refused, Err(RpcError::Server(_))));
    let mut brief = context::current();
    brief.deadline -= Duration::from_millis(9900);
    println!("too late: {}", matches!(client.wait(brief).await, Err(RpcError::DeadlineExceeded)));
    let given_up = tokio::time::timeout(Duration::from_millis(50), client.wait(context::current())).await;
    println!("given up: {}", given_up.is_err());
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(())
}
