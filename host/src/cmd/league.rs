//! `counterfoil league`: plays every generator against every detector.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use counterfoil_host::game::league::{Detective, Genuine, Matches, Rated};
use counterfoil_host::gan::sampler::FaceoffGenerator;
use counterfoil_models::{ensure_folder_free, lock_folder, sha256_hex, write_whole};

/// File with the matches in the league's folder. A folder that contains it was begun by an earlier league.
const MATCHES: &str = "matches.json";

/// Plays every bundle's generator against every bundle's detective, and rates them all
#[derive(Args, Debug)]
#[command(after_help = "Example:
  counterfoil league runs/*/bundle --genuine digits/real --out league

Ratings (Glicko-2, with their deviations) compare only those who played in this league.")]
pub(crate) struct League {
    /// Bundles; those without a generator play as detectives only
    #[arg(required = true, value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,
    /// A folder of genuine pictures that no bundle was trained on
    #[arg(long, value_name = "DIR")]
    genuine: PathBuf,
    /// Matches of each pair, half of them over genuine pictures
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    matches: u32,
    /// Random seed of the generators' pictures
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The league's folder; matches are stored there, and finished pairs are not played again
    #[arg(long, value_name = "DIR", default_value = "league")]
    out: PathBuf,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

impl League {
    pub(crate) fn run(self) -> Result<()> {
        let detectives = self.bundles.iter().map(|dir| Detective::of(dir)).collect::<Result<Vec<_>>>()?;
        let mut names: Vec<&str> = detectives.iter().map(Detective::name).collect();
        names.sort_unstable();
        if let Some([twice, _]) = names.array_windows().find(|[one, other]| one == other) {
            bail!("two bundles are called {twice}; export one again under another --name");
        }
        let found = self.bundles.iter().map(|dir| FaceoffGenerator::of(dir, self.seed)).collect::<Result<Vec<_>>>()?;
        let forgers: Vec<FaceoffGenerator> = found.into_iter().flatten().collect();
        ensure!(!forgers.is_empty(), "none of these bundles holds a generator; export one again without --lean");
        let genuine = Genuine::of(&self.genuine, self.matches as usize / 2)?;
        let ids: Vec<&str> = detectives.iter().map(Detective::id).collect();
        let of = sha256_hex(format!("{ids:?} {} {} {}", genuine.fingerprint(), self.seed, self.matches).as_bytes());

        ensure_folder_free(&self.out, &[MATCHES])?;
        std::fs::create_dir_all(&self.out).with_context(|| format!("cannot create {}", self.out.display()))?;
        let _claim = lock_folder(&self.out)?;
        let path = self.out.join(MATCHES);
        let mut matches = Matches::resume(&path, of)?;
        matches.play(&forgers, &detectives, &genuine, &path, |pair| {
            eprintln!(
                "{} against {}: {:.0} % for the detective",
                pair.generator,
                pair.detective,
                100.0 * pair.won_by_detective()
            );
        })?;
        let picture = self.out.join("matrix.svg");
        write_whole(&picture, matches.picture()?.as_bytes())?;
        let rated = matches.rated();
        if self.json {
            return super::print(&format!("{}\n", serde_json::json!({ "pairs": matches.pairs, "rated": rated })));
        }
        let width = rated.iter().map(|rated| rated.name.chars().count()).max().unwrap_or(0).max(6);
        let row = |rated: &Rated| {
            let Rated { name, plays, rating, deviation, won } = rated;
            let (low, high) = (rating - 1.96 * deviation, rating + 1.96 * deviation);
            format!("{name:<width$}  {plays:<9}  {rating:>6.0}  {low:>5.0} to {high:<5.0}  {:>3.0} %\n", 100.0 * won)
        };
        let rows: String = rated.iter().map(row).collect();
        let text = format!(
            "{:<width$}  plays      rating  95 %            won\n{rows}\nRatings hold inside this league only. {} shows who beat whom.\n",
            "bundle",
            picture.display()
        );
        super::print(&text)
    }
}
