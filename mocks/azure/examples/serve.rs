//! Serves an empty simulated subscription over HTTP for clients that nobody here wrote.
//!
//! Prints the endpoint on the first line and runs until it is stopped. Virtual time moves with every call. The one
//! argument, if there is one, is what `Retry-After` says about operations, in seconds: without it the Azure CLI
//! waits half a minute between two looks at an operation, as it does with the real cloud.

use mock_azure::{AzureFront, Settings, World, serve};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    let retry_after_s = std::env::args().nth(1).and_then(|seconds| seconds.parse().ok());
    let settings = Settings { call_ms: 100, operation_ms: 250, retry_after_s, ..Settings::default() };
    serve(AzureFront::new(World::new(settings)), listener).await
}
