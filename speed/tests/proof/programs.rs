//! The programs as their users run them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::support::World;

/// `speed run`, killed when it is dropped.
pub struct Speed(Child);

impl Speed {
    /// Cells end, and are archived, every second.
    pub fn start(world: &World) -> Self {
        let config = world.folder.path().join("speed.toml");
        std::fs::write(&config, world.config()).expect("written");
        let child = Command::new(env!("CARGO_BIN_EXE_speed"))
            .args(["run", "--quiet", "--listen", "off", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .spawn()
            .expect("started");
        Self(child)
    }

    /// At once, as by kill -9.
    pub fn kill(mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("ended");
    }
}

impl Drop for Speed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
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

/// Built where `speed` was: no crate may depend on the one that holds it.
fn batch_program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let built = Command::new(env!("CARGO")).args(["build", "--quiet", "--package", "batch"]).status();
        assert!(built.expect("cargo").success(), "batch cannot be built");
        Path::new(env!("CARGO_BIN_EXE_speed")).with_file_name("batch")
    })
}
