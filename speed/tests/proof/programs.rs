//! The programs as their users run them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::World;

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// `speed run` or `speed webhooks`, killed when it is dropped.
pub struct Speed {
    child: Child,
    log: PathBuf,
}

impl Speed {
    /// Cells end, and are archived, every second.
    pub fn start(world: &World) -> Self {
        Self::start_as(world, "")
    }

    /// The same, with more settings.
    pub fn start_as(world: &World, settings: &str) -> Self {
        let log = world.folder.path().join(format!("speed-{}.log", COUNT.fetch_add(1, Ordering::Relaxed)));
        let file = File::create(&log).expect("a file");
        let child = command(world, settings).stderr(file).spawn().expect("started");
        Self { child, log }
    }

    /// `speed webhooks`, with this file and this environment.
    pub fn webhooks(world: &World, file: &str, environment: &[(&str, &str)]) -> Self {
        let log = world.folder.path().join(format!("webhooks-{}.log", COUNT.fetch_add(1, Ordering::Relaxed)));
        let path = world.folder.path().join("webhooks.toml");
        std::fs::write(&path, file).expect("written");
        let config = world.folder.path().join("webhooks-speed.toml");
        std::fs::write(&config, world.config()).expect("written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_speed"));
        command.args(["webhooks", "--from", "earliest", "--listen", "off"]).arg(&path).arg("--config").arg(&config);
        command.envs(environment.iter().copied()).stdin(Stdio::null());
        let child = command.stderr(File::create(&log).expect("a file")).spawn().expect("started");
        Self { child, log }
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log")
    }

    /// Runs to its end, with more arguments, and fails; what it says on stderr.
    pub fn try_run(world: &World, arguments: &[&str]) -> String {
        let mut child = command(world, "").args(arguments).stderr(Stdio::piped()).spawn().expect("started");
        let since = Instant::now();
        while child.try_wait().expect("a child").is_none() {
            if since.elapsed() > Duration::from_secs(60) {
                child.kill().expect("killed");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let output = child.wait_with_output().expect("ended");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(1 | 3)), "{}: {told}", output.status);
        told
    }

    /// Sends it a signal by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill").success());
    }

    /// Until it has ended by itself.
    pub fn wait(mut self) {
        let ended = self.child.wait().expect("ended");
        assert!(ended.success(), "{}", self.said());
    }

    /// Its exit status, when it has ended by itself.
    pub fn status(mut self) -> Option<i32> {
        self.child.wait().expect("ended").code()
    }

    /// At once, as by kill -9.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }
}

impl Drop for Speed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let ended = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}, {ended:?}:\n{}", self.log.display(), std::fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

fn command(world: &World, settings: &str) -> Command {
    let config = world.folder.path().join("speed.toml");
    std::fs::write(&config, format!("{settings}{}", world.config())).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_speed"));
    command.args(["run", "--config"]).arg(&config).stdin(Stdio::null());
    if !settings.contains("listen = ") {
        command.args(["--listen", "off"]);
    }
    command
}

/// `batch run`, with a file or without.
pub fn batch(world: &World, input: Option<&str>) {
    let mut command = Command::new(batch_program());
    command.args(["run", "--quiet", "--lake"]).arg(world.lake_path());
    if let Some(text) = input {
        let file = world.folder.path().join("orders.csv");
        std::fs::write(&file, text).expect("written");
        command.arg("--input").arg(&file);
    }
    let output = command.output().expect("started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Where `speed` was built: no crate may depend on the one that holds it. `cargo test --workspace` has made it before any test
/// runs; building it here alone would choose other features and compile everything again.
fn batch_program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = Path::new(env!("CARGO_BIN_EXE_speed")).with_file_name("batch");
        if !program.exists() {
            let built = Command::new(env!("CARGO")).args(["build", "--quiet", "--package", "batch"]).status();
            assert!(built.expect("cargo").success(), "batch cannot be built");
        }
        program
    })
}
