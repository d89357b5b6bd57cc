//! `counterfoil`: the workstation's program. Each subcommand is a file of `cmd`.

mod cmd;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Trains a forger and a detective on pictures of the genuine article, and makes the detective a counterfeit detector.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, max_term_width = 100)]
struct Arguments {
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
    let outcome = match Arguments::parse().command {
        Command::Demo(command) => command.run(),
        Command::Dataset(command) => command.run(),
        Command::Train(command) => command.run(),
        Command::Export(command) => command.run(),
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
            eprintln!("counterfoil: {}", cmd::told(&error));
            ExitCode::from(2)
        }
    }
}
