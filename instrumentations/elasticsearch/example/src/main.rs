//! Calls of endpoints: answered, refused, given up. The server is a stand-in for Elasticsearch.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use elasticsearch::cluster::ClusterHealthParts;
use elasticsearch::http::transport::Transport;
use elasticsearch::indices::{IndicesCreateParts, IndicesRefreshParts};
use elasticsearch::{CountParts, DeleteParts, Elasticsearch, Error, GetParts, SearchParts};

/// Answers each connection once, by the path of its request.
fn serve(listener: &TcpListener) -> io::Result<()> {
    let mut silent: Vec<TcpStream> = Vec::new();
    for stream in listener.incoming() {
        let mut stream = stream?;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        if first.contains("/silent/") {
            silent.push(stream);
            continue;
        }
        let status = if first.contains("/_doc/") { "404 Not Found" } else { "200 OK" };
        let node = if first.contains("/_search") {
            "x-found-handling-cluster: shop\r\nx-found-handling-instance: instance-0000000001\r\n"
        } else {
            ""
        };
        let address = stream.local_addr()?;
        let body = if first.contains("/_nodes/") {
            format!("{{\"nodes\": {{\"one\": {{\"http\": {{\"publish_address\": \"{address}\"}}}}}}}}")
        } else {
            "{}".to_owned()
        };
        let length = body.len();
        write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\n{node}content-length: {length}\r\n\r\n{body}")?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || serve(&listener));
    let client = Elasticsearch::new(Transport::single_node(&url)?);

    let found = client.search(SearchParts::Index(&["books", "papers"])).size(7).send().await?;
    println!("search: {}", found.status_code().as_u16());
    let found = client.get(GetParts::IndexId("books", "ada@example.com")).send().await?;
    println!("get: {}", found.status_code().as_u16());
    client.delete(DeleteParts::IndexId("books", "_7")).send().await?;
    client.indices().create(IndicesCreateParts::Index("papers")).send().await?;
    client.indices().refresh(IndicesRefreshParts::Index(&["papers"])).send().await?;
    client.cluster().health(ClusterHealthParts::None).send().await?;
    client.info().send().await?;

    let silent =
        client.search(SearchParts::Index(&["silent"])).request_timeout(Duration::from_millis(100)).send().await;
    println!("silent: {}", silent.is_err());
    let silent = client.search(SearchParts::Index(&["silent"])).send();
    println!("given up: {}", tokio::time::timeout(Duration::from_millis(50), silent).await.is_err());
    let nobody = Elasticsearch::new(Transport::single_node("http://127.0.0.1:1")?);
    println!("refused: {}", nobody.ping().send().await.is_err());

    // Its first call starts a look-up of the cluster's nodes.
    let sniffing = Elasticsearch::new(Transport::sniffing_node_list(vec![&url], Duration::from_secs(3600))?);
    sniffing.count(CountParts::None).send().await?;
    tokio::time::sleep(Duration::from_millis(200)).await;
    Ok(())
}
