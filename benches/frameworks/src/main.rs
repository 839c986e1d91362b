//! Serves a greeting with actix-web or tonic, calls it, and prints the CPU time of one call in microseconds: `frameworks
//! <actix-web | tonic> <calls>`. Both ends of a call are in this process.

mod grpc;

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use actix_web::{App, HttpServer, web};

/// How many connections call at the same time.
const CONNECTIONS: u32 = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, framework, calls] = arguments.as_slice() else { return Err("which framework, and how many calls?".into()) };
    let calls = calls.parse::<u32>()? / CONNECTIONS;
    let seconds = match framework.as_str() {
        "actix-web" => actix_web::rt::System::new().block_on(actix_web_calls(calls))?,
        "tonic" => tokio::runtime::Runtime::new()?.block_on(grpc::calls(calls, CONNECTIONS))?,
        other => return Err(format!("{other} is not served here").into()),
    };
    println!("{:.2}", seconds * 1e6 / f64::from(calls * CONNECTIONS));
    Ok(())
}

async fn actix_web_calls(calls: u32) -> Result<f64, Box<dyn Error>> {
    let greeting = || {
        App::new()
            .route("/hello/{name}", web::get().to(|name: web::Path<String>| async move { format!("hello {name}") }))
    };
    let server = HttpServer::new(greeting).workers(1).disable_signals().bind("127.0.0.1:0")?;
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    let serving = actix_web::rt::spawn(server);
    let clients = move || {
        let clients: Vec<_> = (0..CONNECTIONS).map(|_| std::thread::spawn(move || get(address, calls))).collect();
        clients.into_iter().try_for_each(|client| client.join().expect("a client"))
    };
    let before = cpu();
    let called = web::block(move || clients().map(|()| cpu())).await?;
    handle.stop(true).await;
    serving.await??;
    Ok(called? - before)
}

/// Requests of one connection. All answers are short.
fn get(address: SocketAddr, calls: u32) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut answer = [0; 1024];
    for _ in 0..calls {
        stream.write_all(b"GET /hello/you HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
        let mut length = 0;
        while !answer[..length].ends_with(b"hello you") {
            length += match stream.read(&mut answer[length..])? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                read => read,
            };
        }
    }
    Ok(())
}

/// The CPU time that this process has used, in seconds.
fn cpu() -> f64 {
    let mut used = [0_i64; 2];
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut [i64; 2]) -> i32;
    }
    const CLOCK_PROCESS_CPUTIME_ID: i32 = 2;
    // SAFETY: two numbers, as on every 64-bit Linux, which live through the call.
    unsafe { clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &mut used) };
    used[0] as f64 + used[1] as f64 / 1e9
}
