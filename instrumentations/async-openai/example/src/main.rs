//! Calls of models: answered, streamed, repeated, refused, given up. The server is a stand-in for OpenAI's.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use async_openai::config::OpenAIConfig;
use async_openai::types::chat::{ChatCompletionRequestUserMessage, CreateChatCompletionRequest};
use async_openai::types::embeddings::CreateEmbeddingRequest;
use async_openai::Client;
use futures_util::StreamExt;

const ANSWER: &str = r#"{"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-2024-08-06",
"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
"usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}"#;
const EVENTS: &str = r#"data: {"id": "chatcmpl-2", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": [{"index": 0, "delta": {"content": "hel"}}]}

data: {"id": "chatcmpl-2", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": [{"index": 0, "delta": {"content": "lo"}}]}

data: [DONE]

"#;
const EMBEDDING: &str = r#"{"object": "list", "model": "text-embedding-3-small",
"data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}], "usage": {"prompt_tokens": 3, "total_tokens": 3}}"#;
const UNKNOWN: &str = r#"{"error": {"message": "there is no such model", "type": "invalid_request_error", "param": null, "code": "model_not_found"}}"#;

/// Answers each connection once, by the model that its request names.
fn serve(listener: &TcpListener) -> io::Result<()> {
    let mut silent: Vec<TcpStream> = Vec::new();
    let mut failures = 0;
    for stream in listener.incoming() {
        let mut stream = stream?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(("content-length", value)) = line.to_ascii_lowercase().split_once(": ") {
                length = value.trim().parse().unwrap_or_default();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body);
        let (status, kind, answer) = if body.contains("silent-model") {
            silent.push(stream);
            continue;
        } else if body.contains("unknown-model") {
            ("404 Not Found", "application/json", UNKNOWN)
        } else if body.contains("busy-model") && failures == 0 {
            failures += 1;
            ("500 Internal Server Error", "text/plain", "busy")
        } else if body.contains("text-embedding-3-small") {
            ("200 OK", "application/json", EMBEDDING)
        } else if body.contains("\"stream\":true") {
            ("200 OK", "text/event-stream", EVENTS)
        } else {
            ("200 OK", "application/json", ANSWER)
        };
        let length = answer.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{answer}"
        )?;
    }
    Ok(())
}

fn chat(model: &str) -> CreateChatCompletionRequest {
    let message = ChatCompletionRequestUserMessage::from("my secret is opensesame");
    CreateChatCompletionRequest { model: model.into(), messages: vec![message.into()], ..Default::default() }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let base = format!("http://{}/v1", listener.local_addr()?);
    thread::spawn(move || serve(&listener));
    let client = Client::with_config(OpenAIConfig::new().with_api_base(base).with_api_key("key-opensesame"));

    let answer = client.chat().create(chat("gpt-4o")).await?;
    println!("answer: {}", answer.choices[0].message.content.as_deref().unwrap_or_default());
    let mut events = client.chat().create_stream(chat("gpt-4o-mini")).await?;
    while let Some(event) = events.next().await {
        println!("event: {}", event?.choices[0].delta.content.as_deref().unwrap_or_default());
    }
    let embedding =
        CreateEmbeddingRequest { model: "text-embedding-3-small".into(), input: "hello".into(), ..Default::default() };
    println!("embeddings: {}", client.embeddings().create(embedding).await?.data.len());
    println!("repeated: {}", client.chat().create(chat("busy-model")).await.is_ok());
    println!("unknown: {}", client.chat().create(chat("unknown-model")).await.is_err());
    let given_up = tokio::time::timeout(Duration::from_millis(50), client.chat().create(chat("silent-model"))).await;
    println!("given up: {}", given_up.is_err());
    Ok(())
}
