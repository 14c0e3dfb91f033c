//! Serves an empty simulated subscription over HTTP for clients that nobody here wrote.
//!
//! Prints the endpoint on the first line and runs until it is stopped. Virtual time moves with every call.

use mock_azure::{AzureFront, Settings, World, serve};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    let settings = Settings { call_ms: 100, operation_ms: 250, retry_after_s: None, ..Settings::default() };
    serve(AzureFront::new(World::new(settings)), listener).await
}
