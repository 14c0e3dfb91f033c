//! A simulated cloud over HTTP, a folder with a configuration and a policy, and the binary that runs on them.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use mock_aws::{Ec2Front, Settings, World, serve};

pub const POLICY: &str = "
labels: { role: [web, db], env: [prod] }
ip_lists: { office: { addresses: [203.0.113.0/24] } }
enforcement:
  - { match: [env=prod], mode: full }
rulesets:
  - name: shop
    scopes: [[env=prod]]
    rules:
      - { name: office, sources: [list:office], destinations: [role=web], services: [tcp/443] }
      - { name: web-db, sources: [role=web], destinations: [role=db], services: [tcp/5432] }
";

/// How long a line or an end is waited for before the test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cloud with two peered networks, and a folder with a configuration.
pub struct Lab {
    pub front: Ec2Front,
    endpoint: String,
    folder: tempfile::TempDir,
    pub vpcs: Vec<String>,
    _runtime: tokio::runtime::Runtime,
}

pub struct Ran {
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard output, then standard error.
    pub text: String,
}

pub fn between(xml: &str, name: &str) -> String {
    xml.split(&format!("<{name}>")).nth(1).unwrap().split('<').next().unwrap().to_owned()
}

impl Ran {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let (out, said) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        Self { status: output.status.code().unwrap(), text: format!("{out}{said}"), out }
    }
}

/// A binary that runs until it is told to stop; killed if the test gives up.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: String,
}

impl Running {
    /// Starts a command and listens to both its streams.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Self { child, lines, seen: String::new() }
    }

    /// Waits until a line holds the word, and returns the line.
    pub fn wait_for(&mut self, word: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.seen.push_str(&format!("{line}\n"));
                    if line.contains(word) {
                        return line;
                    }
                }
                Err(error) => panic!("`{word}` does not come ({error}); so far:\n{}", self.seen),
            }
        }
    }

    /// Asks it to stop, as a supervisor does.
    pub fn terminate(&self) {
        let killed = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status().unwrap();
        assert!(killed.success());
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ran {
        let status = self.wait().code().unwrap();
        Ran { status, out: String::new(), text: std::mem::take(&mut self.seen) }
    }

    /// Waits for its death by `kill -9`.
    pub fn killed(mut self) {
        const SIGKILL: i32 = 9;
        assert_eq!(self.wait().signal(), Some(SIGKILL), "it ended by itself:\n{}", self.seen);
    }

    fn wait(&mut self) -> ExitStatus {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.seen.push_str(&format!("{line}\n")),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end; so far:\n{}", self.seen),
            }
        }
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Lab {
    pub fn new() -> Self {
        let mut world = World::new(Settings { throttle: false, delay_ms: (0, 0), ..Settings::default() });
        let mut vpcs = Vec::new();
        let mut subnets = Vec::new();
        for block in ["10.1.0.0/16", "10.2.0.0/16"] {
            let vpc = between(&world.perform("CreateVpc", &[("CidrBlock", block)]).unwrap(), "vpcId");
            let narrow = block.replace("0.0/16", "1.0/24");
            let subnet = world.perform("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", &narrow)]).unwrap();
            subnets.push(between(&subnet, "subnetId"));
            vpcs.push(vpc);
        }
        let peering = world
            .perform("CreateVpcPeeringConnection", &[("VpcId", &vpcs[0]), ("PeerVpcId", &vpcs[1])])
            .unwrap();
        let peering = between(&peering, "vpcPeeringConnectionId");
        world.perform("AcceptVpcPeeringConnection", &[("VpcPeeringConnectionId", &peering)]).unwrap();
        for (name, role, place) in [("web-1", "web", 0), ("web-2", "web", 1), ("db-1", "db", 1)] {
            let eni = world.perform("CreateNetworkInterface", &[("SubnetId", &subnets[place])]).unwrap();
            let eni = between(&eni, "networkInterfaceId");
            let mut params = vec![("NetworkInterface.1.NetworkInterfaceId".to_owned(), eni)];
            params.push(("TagSpecification.1.ResourceType".to_owned(), "instance".to_owned()));
            for (n, (key, value)) in [("Name", name), ("role", role), ("env", "prod")].into_iter().enumerate()
            {
                params.push((format!("TagSpecification.1.Tag.{}.Key", n + 1), key.to_owned()));
                params.push((format!("TagSpecification.1.Tag.{}.Value", n + 1), value.to_owned()));
            }
            let params: Vec<(&str, &str)> = params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            world.perform("RunInstances", &params).unwrap();
        }
        let front = Ec2Front::new(world);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(serve(front.clone(), listener));
        let lab = Self { front, endpoint, folder: tempfile::tempdir().unwrap(), vpcs, _runtime: runtime };
        std::fs::create_dir(lab.path("policy")).unwrap();
        lab.policy(POLICY);
        lab.configure(true, &[&lab.vpcs.iter().map(String::as_str).collect::<Vec<_>>()]);
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn policy(&self, text: &str) {
        std::fs::write(self.path("policy/policy.yaml"), text).unwrap();
    }

    /// One scope for each list of networks.
    pub fn configure(&self, enforce: bool, scopes: &[&[&str]]) {
        let mut text = "installation: lab\npolicy: policy/\nstate: state/\nlabels:\n  - { key: role, tag: role }\n  - { key: env, tag: env }\nscopes:\n".to_owned();
        for (number, networks) in scopes.iter().enumerate() {
            let networks = networks.join(", ");
            text.push_str(&format!(
                "  - {{ name: s{number}, provider: aws, region: eu-west-1, networks: [{networks}], enforce: {enforce}, direction: both, settle: 10ms, share: 1.0 }}\n"
            ));
        }
        std::fs::write(self.path("bulkhead.yaml"), text).unwrap();
    }

    /// The binary, ready to run on the lab's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare(arguments);
        command.arg("--config").arg(self.path("bulkhead.yaml"));
        command
    }

    /// The binary, ready to run on the lab's cloud.
    pub fn bare(&self, arguments: &[&str]) -> Command {
        let mut command = binary(arguments);
        command.env("AWS_ENDPOINT_URL_EC2", &self.endpoint);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    pub fn mutations(&self) -> usize {
        self.front.world().calls.mutations().values().sum()
    }

    /// The run ends so, says so, and writes nothing.
    pub fn refuses(&self, arguments: &[&str], status: i32, says: &[&str]) {
        let before = self.mutations();
        let ran = self.run(arguments);
        assert_eq!(ran.status, status, "{}", ran.text);
        for word in says {
            assert!(ran.text.contains(word), "`{word}` is missing in:\n{}", ran.text);
        }
        assert_eq!(self.mutations(), before, "nothing is written");
    }

    pub fn perform(&self, action: &str, params: &[(&str, &str)]) -> String {
        self.front.world().perform(action, params).unwrap()
    }

    /// Writes a line at the end of the configuration.
    pub fn configure_too(&self, line: &str) {
        let text = std::fs::read_to_string(self.path("bulkhead.yaml")).unwrap();
        std::fs::write(self.path("bulkhead.yaml"), format!("{text}{line}\n")).unwrap();
    }

    /// Replaces a text in the configuration.
    pub fn reconfigure(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path("bulkhead.yaml")).unwrap();
        assert!(text.contains(from), "`{from}` is not in {text}");
        std::fs::write(self.path("bulkhead.yaml"), text.replace(from, to)).unwrap();
    }

    /// The audit lines so far.
    pub fn audit(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.path("state/audit.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The interface of the instance with this name.
    pub fn interface(&self, name: &str) -> String {
        let world = self.front.world();
        let instance = instance(&world, name);
        let of = |interface: &mock_aws::state::Interface| interface.instance.as_ref() == Some(&instance);
        world.state.interfaces.iter().find(|(_, interface)| of(interface)).unwrap().0.clone()
    }

    /// Sets a tag of the instance with this name.
    pub fn tag(&self, name: &str, key: &str, value: &str) {
        let id = instance(&self.front.world(), name);
        self.perform("CreateTags", &[("ResourceId.1", &id), ("Tag.1.Key", key), ("Tag.1.Value", value)]);
    }

    /// Gives the interface of an instance a further address.
    pub fn give_address(&self, name: &str, address: &str) {
        let id = self.interface(name);
        let mut world = self.front.world();
        world.state.interfaces.get_mut(&id).unwrap().addresses.push(address.parse().unwrap());
    }
}

/// The binary in a known environment.
pub fn binary(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
    command.args(arguments).env_remove("BULKHEAD_CONFIG").env_remove("BULKHEAD_LOG");
    for (key, value) in [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("BULKHEAD_ACTOR", "tester"),
    ] {
        command.env(key, value);
    }
    command
}

fn instance(world: &World, name: &str) -> String {
    let named =
        |tags: &std::collections::BTreeMap<String, String>| tags.get("Name").is_some_and(|tag| tag == name);
    world.state.instances.iter().find(|(_, instance)| named(&instance.tags)).unwrap().0.clone()
}
