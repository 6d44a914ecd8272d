//! A raw load generator: threads that write one prebuilt request after another and read the answer,
//! nothing else. What it reaches is what a server and this machine have to give.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::server::{Server, workspace_id};
use super::{figure, proc};

/// What it came to.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Requests a second.
    pub rate: f64,
    /// Processor seconds for 10,000 requests.
    pub cpu: f64,
}

const DOCUMENT: &str = include_str!("../../src/houston/operations/add_member.graphql");
/// The number in an address, as wide as any.
const NUMBER: &str = "000000000";

/// Sends so many adds, so many at a time; `round` makes them new ones.
pub fn load(server: &Server, in_flight: usize, requests: usize, round: usize) -> io::Result<Load> {
    let template = request(server, &body(0, &format!("raw.load.{NUMBER}@example.com")));
    let at = template.windows(NUMBER.len()).position(|part| part == NUMBER.as_bytes());
    let at = at.ok_or(io::ErrorKind::InvalidData)?;
    let next = AtomicUsize::new(0);
    let cpu = proc::cpu(std::process::id());
    let start = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..in_flight)
            .map(|_| scope.spawn(|| work(server, template.clone(), at, round, &next, requests)))
            .collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().unwrap_or_else(|_| Err(io::Error::other("a thread has died")))
        })
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let count = figure(requests);
    Ok(Load { rate: count / seconds, cpu: (proc::cpu(std::process::id()) - cpu) / count * 10_000.0 })
}

/// One thread: a request after the other on a connection of its own.
fn work(
    server: &Server,
    mut request: Vec<u8>,
    at: usize,
    round: usize,
    next: &AtomicUsize,
    requests: usize,
) -> io::Result<()> {
    let mut stream = TcpStream::connect(server.address())?;
    stream.set_nodelay(true)?;
    let mut answer = vec![0; 1 << 16];
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= requests {
            return Ok(());
        }
        let number = format!("{:09}", round * 10_000_000 + number);
        request[at..at + NUMBER.len()].copy_from_slice(number.as_bytes());
        stream.write_all(&request)?;
        read_answer(&mut stream, &mut answer)?;
    }
}

/// The body of an add.
pub fn body(workspace: usize, email: &str) -> String {
    serde_json::json!({
        "variables": {
            "workspaceUuid": workspace_id(workspace),
            "email": email,
            "role": "WORKSPACE_VIEWER",
            "bypassInvite": true,
        },
        "query": DOCUMENT,
        "operationName": "AddMember",
    })
    .to_string()
}

fn request(server: &Server, body: &str) -> Vec<u8> {
    format!(
        "POST /v1 HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nauthorization: {}\r\ncontent-length: {}\r\n\r\n{body}",
        server.token,
        body.len()
    )
    .into_bytes()
}

/// Another client of the server, which asks something small at regular times, on a connection of its own,
/// until it is told to stop; gives the seconds that each answer took.
pub fn visit(server: &Server, every: Duration, is_over: &AtomicBool) -> io::Result<Vec<f64>> {
    let body = serde_json::json!({ "query": "query Installation { appConfig { version } }", "operationName": "Installation" });
    let request = request(server, &body.to_string());
    let mut stream = TcpStream::connect(server.address())?;
    stream.set_nodelay(true)?;
    let mut answer = vec![0; 1 << 16];
    let mut times = Vec::new();
    let start = Instant::now();
    for visit in 0_u32.. {
        std::thread::sleep((start + every * visit).saturating_duration_since(Instant::now()));
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let sent = Instant::now();
        stream.write_all(&request)?;
        read_answer(&mut stream, &mut answer)?;
        times.push(sent.elapsed().as_secs_f64());
    }
    Ok(times)
}

/// Reads one answer with a length.
fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += read;
        if let Some(length) = whole_length(&buffer[..filled])
            && filled >= length
        {
            return if buffer.starts_with(b"HTTP/1.1 200") {
                Ok(())
            } else {
                Err(io::Error::other(String::from_utf8_lossy(&buffer[..filled]).into_owned()))
            };
        }
    }
}

/// How long head and body are together, once the head is there.
fn whole_length(bytes: &[u8]) -> Option<usize> {
    const LENGTH: &[u8] = b"content-length: ";
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let at = bytes[..head].windows(LENGTH.len()).position(|part| part.eq_ignore_ascii_case(LENGTH))?;
    let digits = bytes[at + LENGTH.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(head + digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0')))
}
