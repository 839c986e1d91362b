//! hyper 0.14, over `server::conn` and `client::conn`, then with `Server` and the `Client`, which has a pool.

use std::error::Error;

use hyper::body::to_bytes;
use hyper::client::conn;
use hyper::server::conn::Http;
use hyper::service::{make_service_fn, service_fn};
use hyper::{Body, Client, Request, Response, Server};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

type Failure = Box<dyn Error + Send + Sync>;

async fn greet(request: Request<Body>) -> Result<Response<Body>, hyper::Error> {
    let greeting = format!("hello {}\n", request.uri().path());
    to_bytes(request.into_body()).await?;
    Ok(Response::new(Body::from(greeting)))
}

pub async fn run() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        Http::new().http1_only(true).serve_connection(stream, service_fn(greet)).await?;
        let (stream, _) = listener.accept().await?;
        Http::new().http2_only(true).serve_connection(stream, service_fn(greet)).await?;
        Ok::<_, Failure>(())
    });
    let request = |path: &str| {
        Request::get(format!("http://{address}{path}")).header("host", address.to_string()).body(Body::empty())
    };

    let (mut one, connection) = conn::handshake(TcpStream::connect(address).await?).await?;
    tokio::spawn(connection);
    let answer = to_bytes(one.send_request(request("/one")?).await?.into_body()).await?;
    print!("{}", String::from_utf8_lossy(&answer));
    drop(one);

    let stream = TcpStream::connect(address).await?;
    let (mut two, connection) = conn::Builder::new().http2_only(true).handshake(stream).await?;
    tokio::spawn(connection);
    let answer = to_bytes(two.send_request(request("/two")?).await?.into_body()).await?;
    print!("{}", String::from_utf8_lossy(&answer));
    drop(two);
    serving.await??;
    pooled().await
}

async fn pooled() -> Result<(), Failure> {
    let service = make_service_fn(|_| async { Ok::<_, hyper::Error>(service_fn(greet)) });
    let server = Server::try_bind(&([127, 0, 0, 1], 0).into())?.serve(service);
    let address = server.local_addr();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.with_graceful_shutdown(async { drop(stopped.await) }));

    let client = Client::new();
    let request = Request::post(format!("http://{address}/three")).body(Body::from("abc"))?;
    assert_eq!(to_bytes(client.request(request).await?.into_body()).await?, "hello /three\n");
    drop(client);
    let client = Client::builder().http2_only(true).build_http();
    let request = Request::put(format!("http://{address}/four")).body(Body::from("abcd"))?;
    assert_eq!(to_bytes(client.request(request).await?.into_body()).await?, "hello /four\n");
    drop(client);
    stop.send(()).expect("the server waits for it");
    serving.await??;

    // Nobody listens any more.
    let request = Request::delete(format!("http://{address}/five")).body(Body::empty())?;
    assert!(Client::new().request(request).await.is_err_and(|error| error.is_connect()));
    Ok(())
}
