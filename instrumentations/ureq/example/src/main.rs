//! Blocking requests: answered, redirected, passed on by a server, and failed in every way.

use std::convert::Infallible;
use std::error::Error;
use std::io::{self, Read};
use std::net::TcpListener;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{server, HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use ureq::Agent;

#[cfg(ureq_2)]
mod client {
    use super::*;

    pub fn agent(timeout: Duration) -> Agent {
        ureq::AgentBuilder::new().timeout(timeout).build()
    }

    pub fn get(agent: &Agent, url: &str, headers: &HeaderMap) -> String {
        let request = headers.iter().fold(agent.get(url), |request, (name, value)| {
            request.set(name.as_str(), value.to_str().unwrap_or_default())
        });
        match request.call() {
            Ok(answer) => format!("{} {}", answer.status(), answer.into_string().unwrap_or_default()),
            Err(ureq::Error::Status(status, _)) => status.to_string(),
            Err(_) => "failed".to_owned(),
        }
    }

    pub fn post(agent: &Agent, url: &str, body: impl Read) -> bool {
        agent.post(url).send(body).is_ok()
    }
}

#[cfg(not(ureq_2))]
mod client {
    use super::*;

    pub fn agent(timeout: Duration) -> Agent {
        Agent::config_builder().timeout_global(Some(timeout)).build().into()
    }

    pub fn get(agent: &Agent, url: &str, headers: &HeaderMap) -> String {
        let request = headers.iter().fold(agent.get(url), |request, (name, value)| {
            request.header(name.as_str(), value.to_str().unwrap_or_default())
        });
        match request.call() {
            Ok(mut answer) => {
                format!("{} {}", answer.status().as_u16(), answer.body_mut().read_to_string().unwrap_or_default())
            }
            Err(ureq::Error::StatusCode(status)) => status.to_string(),
            Err(_) => "failed".to_owned(),
        }
    }

    pub fn post(agent: &Agent, url: &str, mut body: impl Read) -> bool {
        agent.post(url).send(ureq::SendBody::from_reader(&mut body)).is_ok()
    }
}

async fn serve(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let response = match request.uri().path() {
        "/greeting" => Response::new("hello".into()),
        "/moved" => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = hyper::StatusCode::FOUND;
            response.headers_mut().insert("location", "/greeting?from=moved".parse().unwrap());
            response
        }
        // Passes on all that it got, as a proxy does.
        "/relay" => {
            let headers = request.headers().clone();
            let url = format!("{}/greeting?from=relay", SERVER.get().unwrap());
            let relayed = move || client::get(&client::agent(Duration::from_secs(9)), &url, &headers);
            Response::new(tokio::task::spawn_blocking(relayed).await.unwrap().into())
        }
        _ => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = hyper::StatusCode::NOT_FOUND;
            response
        }
    };
    Ok(response)
}

/// The server's URL: the first release of ureq 3 leaves the port out of the `host` header.
static SERVER: OnceLock<String> = OnceLock::new();

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("no body")
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let server = SERVER.get_or_init(|| format!("http://{}", listener.local_addr().unwrap()));
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(serve)));
        }
    });

    let agent = client::agent(Duration::from_secs(9));
    let none = HeaderMap::new();
    for path in ["/greeting", "/moved", "/missing", "/relay"] {
        println!("{path}: {}", client::get(&agent, &format!("{server}{path}"), &none));
    }
    println!("refused: {}", client::get(&agent, "http://127.0.0.1:1/", &none));
    let unknown = format!("http://{}.invalid/", "x".repeat(64));
    println!("unknown: {}", client::get(&agent, &unknown, &none));

    let silent = TcpListener::bind("127.0.0.1:0")?;
    let silent_url = format!("http://{}/", silent.local_addr()?);
    let hasty = client::agent(Duration::from_millis(100));
    println!("silent: {}", client::get(&hasty, &silent_url, &none));
    let posted = catch_unwind(AssertUnwindSafe(|| client::post(&agent, &silent_url, Broken)));
    println!("panicked: {}", posted.is_err());
    Ok(())
}
