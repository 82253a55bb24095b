//! The program `data`: made-up input for those who have none.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod generate_command;

/// Input for trying the system out
#[derive(Parser)]
#[command(name = "data", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write made-up input
    #[command(subcommand)]
    Generate(Generate),
}

#[derive(Subcommand)]
enum Generate {
    Orders(generate_command::OrdersArgs),
}

fn main() -> ExitCode {
    let Command::Generate(Generate::Orders(args)) = Cli::parse().command;
    match generate_command::run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
