//! A line to a simulated cloud that passes calls on, those that write one by one, and kills their sender when told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// The line. It listens until the test ends.
pub struct Line {
    pub endpoint: String,
    watch: Arc<Mutex<Watch>>,
}

/// A call that wrote: its action, and the request id that the cloud gave.
pub type Written = (String, String);

#[derive(Default)]
struct Watch {
    writes: Vec<Written>,
    /// Who dies before it hears the answer to which call.
    victim: Option<(u32, usize)>,
}

impl Watch {
    fn is_over(&self) -> bool {
        self.victim.is_some_and(|(_, last)| self.writes.len() >= last)
    }
}

impl Line {
    /// A line to a cloud, such as `127.0.0.1:4566`.
    pub fn to(cloud: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (watch, cloud) = (Arc::<Mutex<Watch>>::default(), cloud.to_owned());
        let line = Self { endpoint, watch: watch.clone() };
        std::thread::spawn(move || {
            for caller in listener.incoming().map_while(Result::ok) {
                let (watch, cloud) = (watch.clone(), cloud.clone());
                // A caller that was killed says nothing more.
                std::thread::spawn(move || forward(&caller, &cloud, &watch).ok());
            }
        });
        line
    }

    /// The process is killed once the cloud has answered so many of its calls that write; nothing after them arrives.
    pub fn kill(&self, process: u32, after: usize) {
        let mut watch = self.watch.lock().unwrap();
        assert!(watch.writes.len() < after, "it has written already: {:?}", watch.writes);
        watch.victim = Some((process, after));
    }

    /// The calls that wrote since the last time. Nobody is killed any more.
    pub fn writes(&self) -> Vec<Written> {
        std::mem::take(&mut *self.watch.lock().unwrap()).writes
    }
}

fn forward(mut caller: &TcpStream, cloud: &str, watch: &Mutex<Watch>) -> std::io::Result<()> {
    let (head, body) = request(caller)?;
    let action = body.split('&').find_map(|pair| pair.strip_prefix("Action=")).unwrap_or_default().to_owned();
    if action.starts_with("Describe") {
        return caller.write_all(&ask(cloud, &head, &body)?);
    }
    let mut watch = watch.lock().unwrap();
    if watch.is_over() {
        return Ok(());
    }
    let answer = ask(cloud, &head, &body)?;
    watch.writes.push((action, request_id(&answer)));
    if !watch.is_over() {
        return caller.write_all(&answer);
    }
    let victim = watch.victim.map(|(process, _)| process.to_string()).unwrap_or_default();
    assert!(Command::new("kill").arg("-KILL").arg(victim).status()?.success());
    Ok(())
}

/// The head of a request, without what is between this connection and its caller; and the body.
fn request(caller: &TcpStream) -> std::io::Result<(String, String)> {
    let mut reader = BufReader::new(caller);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        match name.to_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap(),
            "connection" => continue,
            _ => {}
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((head, String::from_utf8(body).unwrap()))
}

fn ask(cloud: &str, head: &str, body: &str) -> std::io::Result<Vec<u8>> {
    let mut connection = TcpStream::connect(cloud)?;
    connection.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes())?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    Ok(answer)
}

fn request_id(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let found = text.lines().find_map(|line| line.strip_prefix("x-amzn-requestid: "));
    found.unwrap_or_default().to_owned()
}
