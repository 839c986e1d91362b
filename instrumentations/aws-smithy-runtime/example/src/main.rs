//! A client as the SDKs generate them, by hand: an operation that succeeds, one that is tried again, and some that fail.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_http_client::Builder;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::HttpStatusCodeClassifier;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

/// An error as generated code displays it.
#[derive(Debug)]
struct QueueDoesNotExist;

impl fmt::Display for QueueDoesNotExist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueDoesNotExist: there is no queue `secret`")
    }
}

impl std::error::Error for QueueDoesNotExist {}

/// What is asked of which service, as the request has it.
#[derive(Clone, Copy)]
struct Asked {
    service: &'static str,
    name: &'static str,
    path: &'static str,
    target: &'static str,
    body: &'static str,
}

impl Asked {
    const fn sqs(name: &'static str, path: &'static str) -> Asked {
        Asked { service: "SQS", name, path, target: "", body: "" }
    }
}

const SEND: Asked = Asked {
    target: "AmazonSQS.SendMessage",
    body: r#"{"QueueUrl":"http://sqs.test/123456789012/orders","MessageBody":"for hunter2"}"#,
    ..Asked::sqs("SendMessage", "/send")
};

const GET: Asked = Asked {
    service: "DynamoDB",
    name: "GetItem",
    path: "/item",
    target: "DynamoDB_20120810.GetItem",
    body: r#"{"Key":{"TableName":{"S":"for \"hunter2\""}},"TableName":"books"}"#,
};

const PUBLISH: Asked = Asked {
    service: "SNS",
    name: "Publish",
    path: "/topic",
    target: "",
    body: "Action=Publish&TopicArn=arn%3Aaws%3Asns%3Aeu-central-1%3A123456789012%3Anews&Message=for+hunter2",
};

fn operation(url: &str, asked: Asked) -> Operation<(), String, QueueDoesNotExist> {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(200)).build();
    let retries = RetryConfig::standard().with_max_attempts(2).with_initial_backoff(Duration::from_millis(1));
    Operation::builder()
        .service_name(asked.service)
        .operation_name(asked.name)
        .http_client(Builder::new().build_http())
        .endpoint_url(url)
        .no_auth()
        .sleep_impl(TokioSleep::new())
        .time_source(SystemTimeSource::new())
        .timeout_config(timeouts)
        .retry_classifier(HttpStatusCodeClassifier::default())
        .standard_retry(&retries)
        .serializer(move |()| {
            let mut request = HttpRequest::new(SdkBody::from(asked.body));
            request.set_uri(asked.path)?;
            if !asked.target.is_empty() {
                request.headers_mut().insert("x-amz-target", asked.target);
            }
            Ok(request)
        })
        .deserializer(|response| match response.status().as_u16() {
            200 => Ok("done".to_owned()),
            _ => Err(OrchestratorError::operation(QueueDoesNotExist)),
        })
        .build()
}

/// Answers each connection once, by the path of its request.
fn serve(listener: &TcpListener) -> io::Result<()> {
    let mut flaky = 0;
    let mut silent: Vec<TcpStream> = Vec::new();
    for stream in listener.incoming() {
        let mut stream = stream?;
        let mut request = BufReader::new(stream.try_clone()?);
        let (mut first, mut length) = (String::new(), 0);
        request.read_line(&mut first)?;
        for line in request.by_ref().lines() {
            let line = line?;
            match line.split_once(": ") {
                Some(("content-length", value)) => length = value.parse().unwrap_or(0),
                Some(_) => {}
                None => break,
            }
        }
        io::copy(&mut request.take(length), &mut io::sink())?;
        let status = match first.split(' ').nth(1) {
            Some("/flaky") => {
                flaky += 1;
                if flaky == 1 {
                    "503 Service Unavailable"
                } else {
                    "200 OK"
                }
            }
            Some("/missing") => "400 Bad Request",
            Some("/silent") => {
                silent.push(stream);
                continue;
            }
            _ => "200 OK",
        };
        write!(stream, "HTTP/1.1 {status}\r\nx-amzn-requestid: r-1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || serve(&listener));

    let (receive, missing) = (Asked::sqs("ReceiveMessage", "/flaky"), Asked::sqs("GetQueueUrl", "/missing"));
    for asked in [SEND, GET, PUBLISH, receive, missing] {
        let done = operation(&url, asked).invoke(()).await.map_err(|error| error.to_string());
        println!("{}: {done:?}", asked.name);
    }
    let refused = operation("http://127.0.0.1:1", Asked::sqs("ListQueues", "/")).invoke(()).await;
    println!("ListQueues: {:?}", refused.map_err(|error| error.to_string()));
    let silent = operation(&url, Asked::sqs("DeleteMessage", "/silent")).invoke(()).await;
    println!("DeleteMessage: {:?}", silent.map_err(|error| error.to_string()));
    let silent = operation(&url, Asked::sqs("PurgeQueue", "/silent"));
    println!("PurgeQueue: {}", tokio::time::timeout(Duration::from_millis(50), silent.invoke(())).await.is_err());
    Ok(())
}
