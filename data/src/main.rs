//! The program `data`: made-up input, live orders, and a broker for those who have none.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[cfg(feature = "kafka")]
mod broker_command;
mod generate_clicks_command;
mod generate_command;
#[cfg(feature = "kafka")]
mod interrupt;
#[cfg(feature = "kafka")]
mod live_command;
#[cfg(feature = "kafka")]
mod produce_clicks_command;
#[cfg(feature = "kafka")]
mod produce_command;
#[cfg(feature = "kafka")]
mod replay_command;

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
    #[cfg(feature = "kafka")]
    Replay(replay_command::ReplayArgs),
    /// Send made-up orders or clicks to topics, without end
    #[cfg(feature = "kafka")]
    #[command(subcommand)]
    Produce(Produce),
    #[cfg(feature = "kafka")]
    Broker(broker_command::BrokerArgs),
}

#[derive(Subcommand)]
enum Generate {
    Orders(generate_command::OrdersArgs),
    Clicks(generate_clicks_command::ClicksArgs),
}

#[cfg(feature = "kafka")]
#[derive(Subcommand)]
enum Produce {
    Orders(produce_command::OrdersArgs),
    Clicks(produce_clicks_command::ClicksArgs),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Generate(Generate::Orders(args)) => {
            ended(generate_command::run(&args).map(|()| true), data::generate::Error::exit_code)
        }
        Command::Generate(Generate::Clicks(args)) => {
            ended(generate_clicks_command::run(&args).map(|()| true), data::generate::Error::exit_code)
        }
        #[cfg(feature = "kafka")]
        Command::Replay(args) => ended(replay_command::run(&args), live_command::Error::exit_code),
        #[cfg(feature = "kafka")]
        Command::Produce(Produce::Orders(args)) => ended(produce_command::run(&args), live_command::Error::exit_code),
        #[cfg(feature = "kafka")]
        Command::Produce(Produce::Clicks(args)) => {
            ended(produce_clicks_command::run(&args), live_command::Error::exit_code)
        }
        #[cfg(feature = "kafka")]
        Command::Broker(args) => ended(broker_command::run(&args).map(|()| true), live_command::Error::exit_code),
    }
}

/// The exit status of a command that did what it was asked, or not all of it, or failed.
fn ended<E: std::fmt::Display>(result: Result<bool, E>, exit_code: impl Fn(&E) -> u8) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(exit_code(&error))
        }
    }
}
