//! The Runtime API of AWS Lambda, as much of it as a function calls.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long an invocation that hangs may take.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(300);

/// A cloud with events for one function.
pub(crate) struct Cloud {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// When each event was polled for.
    polled: Vec<Instant>,
    /// The paths that were posted to.
    answers: Vec<String>,
}

impl Cloud {
    /// Sends these payloads, one after the other, and then nothing more. The first one comes as part of a trace.
    pub(crate) fn start(payloads: &'static [&'static str], trace: &'static str) -> Cloud {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(&stream, payloads, trace, &shared));
            }
        });
        Cloud { address, state }
    }

    /// How the function has answered so far: `0 response`, `1 error`, …
    pub(crate) fn answers(&self) -> Vec<String> {
        self.state.lock().unwrap().answers.clone()
    }

    /// When the function has polled for events so far.
    pub(crate) fn polled(&self) -> Vec<Instant> {
        self.state.lock().unwrap().polled.clone()
    }
}

fn serve(mut stream: &TcpStream, payloads: &[&str], trace: &str, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            lines.push(line.trim_end().to_ascii_lowercase());
        }
        let length = lines.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        reader.read_exact(&mut vec![0; length]).ok()?;
        let path = lines[0].split(' ').nth(1)?.strip_prefix("/2018-06-01/runtime/invocation/")?.to_owned();
        if path == "next" {
            let number = {
                let mut state = state.lock().unwrap();
                state.polled.push(Instant::now());
                state.polled.len() - 1
            };
            let Some(payload) = payloads.get(number) else {
                // The function waits until it is ended.
                let _ = reader.read(&mut [0]);
                return None;
            };
            let body = format!("{payload:?}");
            let traced = if number == 0 { format!("lambda-runtime-trace-id: {trace}\r\n") } else { String::new() };
            let deadline = match *payload {
                "hang" => (SystemTime::now() + TIMEOUT).duration_since(UNIX_EPOCH).ok()?.as_millis(),
                _ => 4_102_444_800_000,
            };
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: {number}\r\nlambda-runtime-deadline-ms: {deadline}\r\n\
                 lambda-runtime-invoked-function-arn: arn:aws:lambda:eu-west-1:123456789012:function:shop:live\r\n{traced}\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
            .ok()?;
        } else {
            state.lock().unwrap().answers.push(path.replace('/', " "));
            write!(stream, "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").ok()?;
        }
    }
}
