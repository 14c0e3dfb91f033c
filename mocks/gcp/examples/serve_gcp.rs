//! Serves a simulated Google Cloud organisation over HTTP for clients that nobody here wrote.
//!
//! Prints the endpoint on the first line and runs until its input ends; then it prints what Google's schema did not
//! let clients send, one complaint a line. Virtual time moves with every call, and a wait for an operation takes
//! virtual time only. Its name differs from that of Azure's: examples of all crates are built into one folder.

use mock_gcp::{GcpFront, Settings, World, serve};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    let settings = Settings { call_ms: 100, operation_ms: 250, ..Settings::default() };
    let front = GcpFront::new(World::new(settings));
    let input = tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin()));
    tokio::select! {
        ended = serve(front.clone(), listener) => ended?,
        _ = input => {}
    }
    for complaint in &front.world().complaints {
        println!("{} {} {:?}", complaint.action, complaint.field, complaint.problem);
    }
    Ok(())
}
