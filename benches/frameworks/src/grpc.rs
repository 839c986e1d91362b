//! A service of tonic and its client. What would be generated from a `.proto` file is written by hand, with strings as
//! messages.

use std::convert::Infallible;
use std::error::Error;

use bytes::{Buf, BufMut};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::{self, uri::PathAndQuery};
use tonic::codegen::tokio_stream::wrappers::TcpListenerStream;
use tonic::codegen::{BoxFuture, Context, Poll, Service};
use tonic::server::NamedService;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status};

const PATH: &str = "/greeter.Greeter/Hello";

/// Unary calls over so many connections, each with its own task; the CPU time of all in seconds.
pub async fn calls(calls: u32, connections: u32) -> Result<f64, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = Endpoint::try_from(format!("http://{}", listener.local_addr()?))?;
    tokio::spawn(Server::builder().add_service(Greeter).serve_with_incoming(TcpListenerStream::new(listener)));
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(Grpc::new(endpoint.connect().await?));
    }
    let before = super::cpu();
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            tokio::spawn(async move {
                for _ in 0..calls {
                    client.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
                    let answer =
                        client.unary(Request::new("you".to_owned()), PathAndQuery::from_static(PATH), Text).await?;
                    assert_eq!(answer.get_ref(), "hello you");
                }
                Ok::<(), Status>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(super::cpu() - before)
}

#[derive(Clone)]
struct Greeter;

impl NamedService for Greeter {
    const NAME: &'static str = "greeter.Greeter";
}

impl Service<http::Request<Body>> for Greeter {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move { Ok(tonic::server::Grpc::new(Text).unary(Hello, request).await) })
    }
}

/// The service's method.
struct Hello;

impl Service<Request<String>> for Hello {
    type Response = Response<String>;
    type Error = Status;
    type Future = std::future::Ready<Result<Response<String>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        std::future::ready(Ok(Response::new(format!("hello {}", request.get_ref()))))
    }
}

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
