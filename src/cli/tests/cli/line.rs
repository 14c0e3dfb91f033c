//! A line to a simulated cloud that passes calls on, those that write one by one, and stops or kills their sender when
//! told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// The line. It listens until the test ends.
pub struct Line {
    pub endpoint: String,
    watch: Arc<Mutex<Watch>>,
    /// How often [`Line::writes`] was called: what was sent before and nobody has looked at yet is lost with its sender.
    round: Arc<AtomicUsize>,
}

/// A call that wrote: its action, and the request id that the cloud gave.
pub type Written = (String, String);

#[derive(Default)]
struct Watch {
    writes: Vec<Written>,
    signal: Option<Signal>,
}

/// What a process gets once the cloud has answered so many of its calls that write.
#[derive(Clone, Copy)]
struct Signal {
    name: &'static str,
    process: u32,
    after: usize,
}

impl Watch {
    /// Whether the sender is dead: nothing of what it sent besides arrives.
    fn is_over(&self) -> bool {
        self.signal.is_some_and(|signal| signal.name == "KILL" && self.writes.len() >= signal.after)
    }
}

impl Line {
    /// A line to a cloud, such as `127.0.0.1:4566`.
    pub fn to(cloud: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (watch, cloud) = (Arc::<Mutex<Watch>>::default(), cloud.to_owned());
        let round = Arc::<AtomicUsize>::default();
        let line = Self { endpoint, watch: watch.clone(), round: round.clone() };
        std::thread::spawn(move || {
            for caller in listener.incoming().map_while(Result::ok) {
                let (watch, cloud, round) = (watch.clone(), cloud.clone(), round.clone());
                let sent_in = round.load(Ordering::SeqCst);
                // A caller that was killed says nothing more.
                std::thread::spawn(move || {
                    forward(&caller, &cloud, &watch, || round.load(Ordering::SeqCst) == sent_in).ok()
                });
            }
        });
        line
    }

    /// The process is killed once the cloud has answered so many of its calls that write, before it hears of the last.
    pub fn kill(&self, process: u32, after: usize) {
        self.signal(Signal { name: "KILL", process, after });
    }

    /// The process is asked to stop once the cloud has answered so many of its calls that write.
    pub fn terminate(&self, process: u32, after: usize) {
        self.signal(Signal { name: "TERM", process, after });
    }

    fn signal(&self, signal: Signal) {
        let mut watch = self.watch.lock().unwrap();
        assert!(watch.writes.len() < signal.after, "it has written already: {:?}", watch.writes);
        watch.signal = Some(signal);
    }

    /// The calls that wrote since the last time. Nobody is killed any more.
    pub fn writes(&self) -> Vec<Written> {
        let mut watch = self.watch.lock().unwrap();
        self.round.fetch_add(1, Ordering::SeqCst);
        std::mem::take(&mut *watch).writes
    }
}

fn forward(
    mut caller: &TcpStream,
    cloud: &str,
    watch: &Mutex<Watch>,
    is_heard: impl Fn() -> bool,
) -> std::io::Result<()> {
    let (head, body) = request(caller)?;
    let action = body.split('&').find_map(|pair| pair.strip_prefix("Action=")).unwrap_or_default().to_owned();
    if action.starts_with("Describe") {
        return caller.write_all(&ask(cloud, &head, &body)?);
    }
    let mut watch = watch.lock().unwrap();
    if watch.is_over() || !is_heard() {
        return Ok(());
    }
    let answer = ask(cloud, &head, &body)?;
    watch.writes.push((action, request_id(&answer)));
    if let Some(Signal { name, process, after }) = watch.signal
        && after == watch.writes.len()
    {
        assert!(Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).status()?.success());
    }
    if watch.is_over() { Ok(()) } else { caller.write_all(&answer) }
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
