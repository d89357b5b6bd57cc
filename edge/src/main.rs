//! `counterfoil-edge`: the program of the box. This file lists the subcommands; each one is a file in `cmd/`.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use counterfoil_models::{DEFAULT_MEMORY, limit_memory};

mod allocator;
mod cmd {
    //! The subcommands: each is a `Cmd` struct with its arguments and a `run` method.
    pub(crate) mod bench;
    pub(crate) mod bundle;
    pub(crate) mod calibrate;
    pub(crate) mod capture;
    pub(crate) mod check_config;
    pub(crate) mod detect;
    pub(crate) mod doctor;
    pub(crate) mod enroll;
    pub(crate) mod explain;
    pub(crate) mod faceoff;
    pub(crate) mod journal;
    pub(crate) mod key;
    pub(crate) mod lights_out;
    pub(crate) mod model;
    pub(crate) mod selftest;
    pub(crate) mod serve;
    pub(crate) mod state;
    pub(crate) mod token;
    pub(crate) mod try_bundle;
    pub(crate) mod watch;
}

/// Judges pictures with a bundle that `counterfoil export` made: genuine, unsure or counterfeit.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
Example:
  counterfoil-edge detect --bundle models/pretrained/specimen-note scans/

Exit codes: 0 success, 1 a counterfeit was found (detect), 2 trouble."
)]
struct Cli {
    /// Megabytes that all pictures in flight may take together
    #[arg(long, global = true, value_name = "MB", default_value_t = DEFAULT_MEMORY >> 20, value_parser = clap::value_parser!(u64).range(16..=1 << 20))]
    memory: u64,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Detect(cmd::detect::Cmd),
    Watch(cmd::watch::Cmd),
    Serve(cmd::serve::Cmd),
    Enroll(cmd::enroll::Cmd),
    Calibrate(cmd::calibrate::Cmd),
    Selftest(cmd::selftest::Cmd),
    Bench(cmd::bench::Cmd),
    Faceoff(cmd::faceoff::Cmd),
    Model(cmd::model::Cmd),
    Key(cmd::key::Cmd),
    Token(cmd::token::Cmd),
    Journal(cmd::journal::Cmd),
    Capture(cmd::capture::Cmd),
    CheckConfig(cmd::check_config::Cmd),
    LightsOut(cmd::lights_out::Cmd),
    Doctor(cmd::doctor::Cmd),
    #[command(hide = true, name = counterfoil_edge::store::trial::COMMAND)]
    TryBundle(cmd::try_bundle::Cmd),
}

fn main() -> ExitCode {
    let Cli { memory, command } = Cli::parse();
    limit_memory(memory << 20);
    let mut out = io::stdout().lock();
    let ran = match command {
        Command::Detect(cmd) => cmd.run(&mut out),
        Command::Watch(cmd) => cmd.run(&mut out),
        Command::Serve(cmd) => cmd.run(&mut out),
        Command::Enroll(cmd) => cmd.run(&mut out),
        Command::Calibrate(cmd) => cmd.run(&mut out),
        Command::Selftest(cmd) => cmd.run(&mut out),
        Command::Bench(cmd) => cmd.run(&mut out),
        Command::Faceoff(cmd) => cmd.run(&mut out),
        Command::Model(cmd) => cmd.run(&mut out),
        Command::Key(cmd) => cmd.run(&mut out),
        Command::Token(cmd) => cmd.run(&mut out),
        Command::Journal(cmd) => cmd.run(&mut out),
        Command::Capture(cmd) => cmd.run(&mut out),
        Command::CheckConfig(cmd) => cmd.run(&mut out),
        Command::LightsOut(cmd) => cmd.run(&mut out),
        Command::Doctor(cmd) => cmd.run(&mut out),
        Command::TryBundle(cmd) => cmd.run(&mut out),
    };
    ran.unwrap_or_else(|error| {
        // A closed pipe is no failure to report. The exit code is still 2, because the output is incomplete.
        if !is_broken_pipe(&error) {
            let unwritten = if error.is::<io::Error>() { "the results cannot be written: " } else { "" };
            let _ = writeln!(io::stderr(), "counterfoil-edge: {unwritten}{error}");
        }
        ExitCode::from(2)
    })
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref().is_some_and(broken))
}
