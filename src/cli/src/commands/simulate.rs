//! `bulkhead simulate`: a cloud on this machine for real clients.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mock_aws::{Ec2Front, Settings, World, serve};
use policy::file::SourceFile;
use tokio::net::TcpListener;

use super::stop_signal;
use crate::Exit;
use crate::demo::estate::Estate;
use crate::demo::seed::seed;
use crate::session::Failure;

pub(super) async fn run(
    listen: SocketAddr,
    seed_number: u64,
    estate: Option<PathBuf>,
    throttle: bool,
) -> Result<Exit, Failure> {
    let mut world = World::new(Settings { seed: seed_number, throttle, ..Settings::default() });
    if let Some(path) = estate {
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", path.display()), ""))?;
        let estate = Estate::parse(&SourceFile { name: path.display().to_string(), text })?;
        seed(&mut world, &estate).map_err(|error| Failure::new(error, "check the estate"))?;
    }
    let region = world.settings.region.clone();
    let front = Ec2Front::new(world);
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        Failure::new(format!("cannot listen on {listen}: {error}"), "choose another address with --listen")
    })?;
    let stopped = stop_signal().map_err(|error| Failure::new(error, ""))?;
    let address = listener.local_addr().map_err(|error| Failure::new(error, ""))?;
    anstream::println!("EC2 simulator on http://{address}");
    anstream::eprintln!(
        "use it with AWS_ENDPOINT_URL_EC2=http://{address} AWS_REGION={region} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test"
    );
    // Virtual time follows the wall clock.
    let ticking = front.clone();
    tokio::spawn(async move {
        const TICK: Duration = Duration::from_millis(50);
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            ticking.world().advance_ms(TICK.as_millis() as u64);
        }
    });
    tokio::select! {
        served = serve(front, listener) => served.map_err(|error| Failure::new(error, ""))?,
        () = stopped => anstream::eprintln!("stopped"),
    }
    Ok(Exit::Done)
}
