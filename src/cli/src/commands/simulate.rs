//! `bulkhead simulate`: a cloud on this machine for real clients.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mock_aws::Ec2Front;
use mock_azure::AzureFront;
use mock_gcp::GcpFront;
use plan::Cloud;
use policy::file::SourceFile;
use tokio::net::TcpListener;

use super::stop_signal;
use crate::Exit;
use crate::clouds;
use crate::demo::estate::Estate;
use crate::demo::seed::seed;
use crate::session::Failure;

/// What is simulated.
pub(super) struct Simulation {
    pub cloud: Cloud,
    pub listen: SocketAddr,
    /// Everything random comes from it.
    pub seed: u64,
    pub estate: Option<PathBuf>,
    /// Whether the published API rates are enforced.
    pub throttle: bool,
}

pub(super) async fn run(simulation: Simulation) -> Result<Exit, Failure> {
    let Simulation { cloud, listen, seed, throttle, .. } = simulation;
    if cloud != Cloud::Aws && simulation.estate.is_some() {
        let hint = "leave --estate out, and make the estate with the tools of the cloud";
        return Err(Failure::new("an estate can be loaded into the simulator of AWS only", hint));
    }
    match cloud {
        Cloud::Aws => {
            let mut world =
                mock_aws::World::new(mock_aws::Settings { seed, throttle, ..mock_aws::Settings::default() });
            if let Some(path) = simulation.estate {
                load(&mut world, &path)?;
            }
            let front = Ec2Front::new(world);
            let (listener, ticking) = (listen_at(cloud, "EC2", listen).await?, front.clone());
            serve(mock_aws::serve(front, listener), move |ms| ticking.world().advance_ms(ms)).await
        }
        Cloud::Azure => {
            let settings =
                mock_azure::Settings { seed, throttle, call_ms: 0, ..mock_azure::Settings::default() };
            let front = AzureFront::new(mock_azure::World::new(settings));
            let (listener, ticking) = (listen_at(cloud, "Azure", listen).await?, front.clone());
            serve(mock_azure::serve(front, listener), move |ms| ticking.world().advance_ms(ms)).await
        }
        Cloud::Gcp => {
            let settings = mock_gcp::Settings { seed, throttle, call_ms: 0, ..mock_gcp::Settings::default() };
            let front = GcpFront::new(mock_gcp::World::new(settings));
            let (listener, ticking) = (listen_at(cloud, "Google Cloud", listen).await?, front.clone());
            serve(mock_gcp::serve(front, listener), move |ms| ticking.world().advance_ms(ms)).await
        }
    }
}

fn load(world: &mut mock_aws::World, path: &std::path::Path) -> Result<(), Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", path.display()), ""))?;
    let estate = Estate::parse(&SourceFile { name: path.display().to_string(), text })?;
    seed(world, &estate).map_err(|error| Failure::new(error, "check the estate"))
}

/// Listens, and says where and how to use it.
async fn listen_at(cloud: Cloud, name: &str, listen: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        Failure::new(format!("cannot listen on {listen}: {error}"), "choose another address with --listen")
    })?;
    let address = listener.local_addr().map_err(|error| Failure::new(error, ""))?;
    anstream::println!("{name} simulator on http://{address}");
    anstream::eprintln!("use it with {}", clouds::variables(cloud, &address.to_string()));
    Ok(listener)
}

/// Serves until a stop is asked for. Virtual time follows the wall clock.
async fn serve(
    serving: impl Future<Output = std::io::Result<()>>,
    mut advance_ms: impl FnMut(u64) + Send + 'static,
) -> Result<Exit, Failure> {
    const TICK: Duration = Duration::from_millis(50);
    let stopped = stop_signal().map_err(|error| Failure::new(error, ""))?;
    let ticking = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            advance_ms(TICK.as_millis() as u64);
        }
    });
    tokio::select! {
        served = serving => served.map_err(|error| Failure::new(error, ""))?,
        () = stopped => anstream::eprintln!("stopped"),
    }
    ticking.abort();
    Ok(Exit::Done)
}
