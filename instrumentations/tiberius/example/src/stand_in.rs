//! What stands in for a SQL Server: it speaks TDS without encryption, lets anybody in, and knows requests by their words.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Starts it, and returns its port.
pub fn start() -> io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    Ok(port)
}

/// A message of the client's: its kind and its text.
fn message(stream: &mut TcpStream) -> io::Result<(u8, String)> {
    let (mut header, mut body) = ([0; 8], Vec::new());
    loop {
        stream.read_exact(&mut header)?;
        let from = body.len();
        body.resize(from + usize::from(u16::from_be_bytes([header[2], header[3]])) - 8, 0);
        stream.read_exact(&mut body[from..])?;
        if header[1] & 1 == 1 {
            // Of UTF-16, every other byte.
            return Ok((header[0], body.iter().filter(|byte| **byte != 0).map(|byte| char::from(*byte)).collect()));
        }
    }
}

fn text(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A text with its length in one byte.
fn short(name: &str) -> Vec<u8> {
    [vec![name.len() as u8], text(name)].concat()
}

/// The end of an answer, of that kind.
fn done(kind: u8, status: u16, rows: u64) -> Vec<u8> {
    [&[kind][..], &status.to_le_bytes(), &[0, 0], &rows.to_le_bytes()].concat()
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    loop {
        let (kind, words) = message(&mut stream)?;
        // An answer to a batch, or to a remote procedure call.
        let end = if kind == 3 { 0xfe } else { 0xfd };
        let answer = match kind {
            // PRELOGIN: the version, and no encryption.
            0x12 => vec![0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 16, 0, 0, 0, 0, 0, 2],
            0x10 => {
                let ack = [&[1, 0x74, 0, 0, 4][..], &short("stand-in"), &[16, 0, 0, 0]].concat();
                [&[0xad][..], &(ack.len() as u16).to_le_bytes(), &ack, &done(0xfd, 0, 0)].concat()
            }
            _ if words.contains("WAITFOR") => continue,
            _ if words.contains("nowhere") => {
                let error = [&208_u32.to_le_bytes()[..], &[1, 16, 4, 0], &text("'Em'"), &[0, 0, 1, 0, 0, 0]].concat();
                [&[0xaa][..], &(error.len() as u16).to_le_bytes(), &error, &done(end, 2, 0)].concat()
            }
            _ if words.contains("SELECT") => {
                // A column of numbers.
                let columns = [&[0x81, 1, 0, 0, 0, 0, 0, 8, 0, 0x26, 4][..], &short("n")].concat();
                let row = |n: u8| vec![0xd1, 4, n, 0, 0, 0];
                let rows = if words.contains("TOP 0") { vec![] } else { [row(7), row(8)].concat() };
                [columns, rows, done(end, 0x10, 2)].concat()
            }
            _ => done(end, 0x10, 1),
        };
        let head = [&[4, 1][..], &(answer.len() as u16 + 8).to_be_bytes(), &[0, 0, 1, 0]].concat();
        stream.write_all(&[head, answer].concat())?;
    }
}
