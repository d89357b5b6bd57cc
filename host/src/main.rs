//! `counterfoil`: the workstation's program. Each subcommand is a file of `cmd`.

mod cmd;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use counterfoil_models::limit_memory;

/// Memory limit for pictures in MiB: four times a box's, enough for a phone's 50 megapixels and for A4 at 1200 dpi.
const MEMORY: u64 = 1024;

/// Trains a forger and a detective on pictures of the genuine article, and makes the detective a counterfeit detector.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, max_term_width = 100)]
struct Arguments {
    /// Memory limit in megabytes for all pictures that are in use at the same time
    #[arg(long, global = true, value_name = "MB", default_value_t = MEMORY, value_parser = clap::value_parser!(u64).range(16..=1 << 20))]
    memory: u64,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(cmd::demo::Demo),
    #[command(subcommand)]
    Dataset(cmd::dataset::Dataset),
    Train(cmd::train::Train),
    Export(cmd::export::Export),
    Import(cmd::import::Import),
    Eval(cmd::eval::Eval),
    Calibrate(cmd::calibrate::Calibrate),
    Report(cmd::report::Report),
    Faceoff(cmd::faceoff::FaceOff),
    League(cmd::league::League),
    Pair(cmd::pair::Pair),
    Key(cmd::key::Key),
    Deploy(cmd::deploy::Deploy),
    Flash(cmd::flash::Flash),
}

fn main() -> ExitCode {
    let Arguments { memory, command } = Arguments::parse();
    limit_memory(memory << 20);
    let outcome = match command {
        Command::Demo(command) => command.run(),
        Command::Dataset(command) => command.run(),
        Command::Train(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Import(command) => command.run(),
        Command::Eval(command) => command.run(),
        Command::Calibrate(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::Faceoff(command) => command.run(),
        Command::League(command) => command.run(),
        Command::Pair(command) => command.run(),
        Command::Key(command) => command.run(),
        Command::Deploy(command) => command.run(),
        Command::Flash(command) => command.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if cmd::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("counterfoil: {}", cmd::error_text(&error));
            ExitCode::from(2)
        }
    }
}
