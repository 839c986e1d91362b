//! A service and its clients: calls of all four kinds, and the ways in which they fail. What would be generated from a
//! `.proto` file is written by hand, with strings as messages.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::{Buf, BufMut};
use tokio::net::TcpListener;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::{self, uri::PathAndQuery};
use tonic::codegen::tokio_stream::{self, StreamExt};
use tonic::codegen::{BoxFuture, BoxStream, Context, InterceptedService, Poll, Service};
use tonic::server::NamedService;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status, Streaming};

static STOCK: OnceLock<Channel> = OnceLock::new();

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = free_port().await?;
    let server = Server::builder().timeout(Duration::from_secs(1)).add_service(Shop);
    tokio::spawn(server.serve(([127, 0, 0, 1], port).into()));
    let channel = connect(port).await?;
    STOCK.get_or_init(|| channel.clone());

    // The whole answer, a status instead of it, and what no service knows.
    for (path, item) in [
        ("/shop.Orders/Place", "book"),
        ("/shop.Orders/Place", "nothing"),
        ("/shop.Orders/Place", "broken"),
        ("/shop.Orders/Place", "slow"),
        ("/shop.Orders/Nope", "book"),
        ("/shop.Nothing/Do", "book"),
    ] {
        println!("{path} {item}: {}", shown(unary(channel.clone(), path, item).await));
    }

    // Streams: of answers, of requests, of both. One fails on the way, one is given up.
    println!("watch: {}", shown(watch(&channel, "3").await));
    println!("watch broken: {}", shown(watch(&channel, "broken").await));
    println!("watch forever: {}", shown(watch(&channel, "forever").await));
    let items = || Request::new(tokio_stream::iter(["pen".to_owned(), "ink".to_owned()]));
    let (mut client, mut other) = (ready(channel.clone()).await?, ready(channel.clone()).await?);
    let added = client.client_streaming(items(), PathAndQuery::from_static("/shop.Orders/Add"), Text).await;
    println!("add: {}", shown(added.map(Response::into_inner)));
    let talked = other.streaming(items(), PathAndQuery::from_static("/shop.Orders/Talk"), Text).await;
    println!("talk: {}", shown(all(talked?.into_inner()).await));

    // Calls that the server never sees, or never ends.
    let refusing = |_: Request<()>| Err::<Request<()>, _>(Status::permission_denied("not for you"));
    let mut client = Grpc::new(InterceptedService::new(channel, refusing));
    client.ready().await?;
    let path = PathAndQuery::from_static("/shop.Orders/Place");
    let refused = client.unary(Request::new("book".to_owned()), path, Text).await;
    println!("refused: {}", shown(refused.map(Response::into_inner)));
    let nobody = Endpoint::try_from(format!("http://127.0.0.1:{}", free_port().await?))?.connect_lazy();
    println!("nobody: {}", shown(unary(nobody, "/shop.Orders/Count", "book").await));
    let endpoint = Endpoint::try_from(format!("http://127.0.0.1:{port}"))?.timeout(Duration::from_millis(500));
    let hurried = unary(endpoint.connect().await?, "/shop.Orders/Wait", "").await;
    println!("hurried: {}", hurried.is_err());
    tokio::time::sleep(Duration::from_millis(200)).await;
    Ok(())
}

async fn free_port() -> Result<u16, std::io::Error> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port())
}

async fn connect(port: u16) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::try_from(format!("http://127.0.0.1:{port}"))?;
    for _ in 0..100 {
        if let Ok(channel) = endpoint.connect().await {
            return Ok(channel);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    endpoint.connect().await
}

fn shown(result: Result<String, Status>) -> String {
    match result {
        Ok(text) => text,
        Err(status) => format!("{:?}", status.code()),
    }
}

// ---- What would be generated of the client ----

async fn ready(channel: Channel) -> Result<Grpc<Channel>, Status> {
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
    Ok(client)
}

async fn unary(channel: Channel, path: &'static str, item: &str) -> Result<String, Status> {
    let mut client = ready(channel).await?;
    let answer = client.unary(Request::new(item.to_owned()), PathAndQuery::from_static(path), Text).await?;
    Ok(answer.into_inner())
}

async fn watch(channel: &Channel, what: &str) -> Result<String, Status> {
    let mut client = ready(channel.clone()).await?;
    let path = PathAndQuery::from_static("/shop.Orders/Watch");
    let mut answers = client.server_streaming(Request::new(what.to_owned()), path, Text).await?.into_inner();
    if what == "forever" {
        return Ok(answers.message().await?.unwrap_or_default());
    }
    all(answers).await
}

async fn all(mut answers: Streaming<String>) -> Result<String, Status> {
    let mut text = String::new();
    while let Some(answer) = answers.message().await? {
        text.push_str(&answer);
    }
    Ok(text)
}

// ---- The service ----

async fn place(request: Request<String>) -> Result<Response<String>, Status> {
    match request.get_ref().as_str() {
        "nothing" => Err(Status::not_found("no such thing")),
        "broken" => Err(Status::internal("the shop is on fire")),
        "slow" => wait(request).await,
        item => {
            let stock = STOCK.get().ok_or_else(|| Status::unavailable("closed"))?;
            let count = unary(stock.clone(), "/shop.Orders/Count", item).await?;
            Ok(Response::new(format!("one of {count}")))
        }
    }
}

async fn count(_: Request<String>) -> Result<Response<String>, Status> {
    Ok(Response::new("7".to_owned()))
}

async fn wait(_: Request<String>) -> Result<Response<String>, Status> {
    tokio::time::sleep(Duration::from_secs(60)).await;
    Ok(Response::new(String::new()))
}

async fn watched(request: Request<String>) -> Result<Response<BoxStream<String>>, Status> {
    let items = (0..).map(|number: i32| Ok(number.to_string()));
    Ok(Response::new(match request.get_ref().as_str() {
        "broken" => {
            let broken = [Ok("0".to_owned()), Err(Status::data_loss("half of it is missing"))];
            Box::pin(tokio_stream::iter(broken))
        }
        "forever" => Box::pin(tokio_stream::iter(items.take(1)).chain(tokio_stream::pending())),
        _ => Box::pin(tokio_stream::iter(items.take(3))),
    }))
}

async fn add(request: Request<Streaming<String>>) -> Result<Response<String>, Status> {
    Ok(Response::new(all(request.into_inner()).await?))
}

async fn talk(request: Request<Streaming<String>>) -> Result<Response<BoxStream<String>>, Status> {
    Ok(Response::new(Box::pin(request.into_inner().map(|item| item.map(|item| format!("{item}!"))))))
}

// ---- What would be generated of the server ----

#[derive(Clone)]
struct Shop;

impl NamedService for Shop {
    const NAME: &'static str = "shop.Orders";
}

impl Service<http::Request<Body>> for Shop {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Text);
            Ok(match request.uri().path() {
                "/shop.Orders/Place" => grpc.unary(Handler(place), request).await,
                "/shop.Orders/Count" => grpc.unary(Handler(count), request).await,
                "/shop.Orders/Wait" => grpc.unary(Handler(wait), request).await,
                "/shop.Orders/Watch" => grpc.server_streaming(Handler(watched), request).await,
                "/shop.Orders/Add" => grpc.client_streaming(Handler(add), request).await,
                "/shop.Orders/Talk" => grpc.streaming(Handler(talk), request).await,
                _ => {
                    let mut answer = http::Response::new(Body::default());
                    answer.headers_mut().insert("grpc-status", (Code::Unimplemented as i32).into());
                    answer.headers_mut().insert("content-type", http::HeaderValue::from_static("application/grpc"));
                    answer
                }
            })
        })
    }
}

/// A method of the service.
struct Handler<F>(F);

impl<F, M, A, R> Service<Request<M>> for Handler<F>
where
    F: FnMut(Request<M>) -> A,
    A: Future<Output = Result<Response<R>, Status>>,
{
    type Response = Response<R>;
    type Error = Status;
    type Future = A;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<M>) -> A {
        (self.0)(request)
    }
}

/// The body of requests and responses, whose type has another name in each line of versions.
type Body = <<tonic::transport::channel::ResponseFuture as Future>::Output as Answer>::Body;

trait Answer {
    type Body;
}

impl<B, E> Answer for Result<http::Response<B>, E> {
    type Body = B;
}

/// Messages are strings.
#[derive(Clone, Copy, Default)]
struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Text;
    type Decoder = Text;

    fn encoder(&mut self) -> Text {
        Text
    }

    fn decoder(&mut self) -> Text {
        Text
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, item: String, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(item.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        String::from_utf8(bytes.to_vec()).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
