//! A client for the tests: HTTP/1 or HTTP/2, one request or many at once.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::Frame;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// A request to be sent.
#[derive(Clone, Debug)]
pub(crate) struct ClientRequest {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// What came back: status and body.
pub(crate) type Answer = (u16, String);

pub(crate) struct Http {
    client: Client<HttpConnector, Body>,
    runtime: tokio::runtime::Runtime,
}

impl Http {
    pub(crate) fn new(http2: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let client = Client::builder(TokioExecutor::new()).http2_only(http2).pool_timer(TokioTimer::new()).build_http();
        Self { client, runtime }
    }

    pub(crate) fn send(&self, ask: ClientRequest) -> Answer {
        self.runtime.block_on(send(self.client.clone(), ask))
    }

    /// Sends a body in pieces, without saying its length beforehand.
    pub(crate) fn post(&self, url: &str, pieces: impl IntoIterator<Item = Vec<u8>>) -> Answer {
        let pieces = Pieces(pieces.into_iter().map(Bytes::from).collect());
        let request = hyper::Request::builder().method("POST").uri(url).body(Body::new(pieces)).expect("a request");
        self.runtime.block_on(answer(self.client.clone(), request))
    }

    /// All of them at once, in order of the questions.
    pub(crate) fn send_all(&self, asks: Vec<ClientRequest>) -> Vec<Answer> {
        self.runtime.block_on(async {
            let tasks: Vec<_> = asks.into_iter().map(|ask| (self.client.clone(), ask)).collect();
            let local = tokio::task::LocalSet::new();
            let running: Vec<_> = tasks.into_iter().map(|(client, ask)| local.spawn_local(send(client, ask))).collect();
            local
                .run_until(async {
                    let mut answers = Vec::new();
                    for task in running {
                        answers.push(task.await.expect("the client does not panic"));
                    }
                    answers
                })
                .await
        })
    }

    /// `count` times the same question, `at_once` of them at a time; every answer must be 200.
    pub(crate) fn repeat(&self, url: &str, count: usize, at_once: usize) {
        self.runtime.block_on(async {
            let local = tokio::task::LocalSet::new();
            let each = count / at_once;
            let tasks: Vec<_> = (0..at_once)
                .map(|_| {
                    let (client, url) = (self.client.clone(), url.to_owned());
                    local.spawn_local(async move {
                        for _ in 0..each {
                            let ask = ClientRequest { method: "GET", url: url.clone(), headers: Vec::new() };
                            let (status, body) = send(client.clone(), ask).await;
                            assert_eq!(status, 200, "{body}");
                        }
                    })
                })
                .collect();
            local
                .run_until(async {
                    for task in tasks {
                        task.await.expect("all answers are good");
                    }
                })
                .await;
        });
    }
}

async fn send(client: Client<HttpConnector, Body>, ask: ClientRequest) -> Answer {
    let mut request = hyper::Request::builder().method(ask.method).uri(&ask.url);
    for (name, value) in &ask.headers {
        request = request.header(*name, value);
    }
    answer(client, request.body(Body::empty()).expect("a request")).await
}

/// A body of unknown length.
struct Pieces(VecDeque<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

async fn answer(client: Client<HttpConnector, Body>, request: hyper::Request<Body>) -> Answer {
    let url = request.uri().clone();
    let answer = client.request(request).await.unwrap_or_else(|error| panic!("{url}: {error:?}"));
    let status = answer.status().as_u16();
    let body = axum::body::to_bytes(Body::new(answer.into_body()), 1 << 20).await.expect("a whole body");
    (status, String::from_utf8_lossy(&body).into_owned())
}
