//! `serve`: watches like `watch`, with the network services.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use clap::Args;
use counterfoil_edge::config::address;
use counterfoil_models::protocol::PORT;

use super::watch;

/// Watches as `watch` does and also serves the network: it judges pictures of paired visitors, and
/// takes part in face-offs
#[derive(Args)]
#[group(skip)]
#[command(after_help = "\
Examples:
  counterfoil-edge serve --state /var/lib/counterfoil
  counterfoil-edge serve --source none --bundle my-bundle --state box --listen 127.0.0.1:7443

Who may have it judge says `counterfoil pair BOX`, with a code that this box shows; `counterfoil-edge token` lists and revokes.")]
pub(crate) struct Cmd {
    #[command(flatten)]
    watch: watch::Cmd,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDR", value_parser = address)]
    listen: Option<SocketAddr>,
}

impl Cmd {
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        self.watch.run_on(out, |network| {
            let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
            network.listen = self.listen.or(network.listen).or(Some(everywhere));
        })
    }
}
