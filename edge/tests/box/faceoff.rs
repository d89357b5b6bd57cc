//! Games between a detector and its opposite.

use std::path::PathBuf;

use counterfoil_edge::detector::faceoff::{Event, Rules, play};
use counterfoil_edge::{Detector, Error};
use counterfoil_models::Calibration;

use super::bundle::Fixture;

/// The files of the pictures, the players and the exhibits.
type GameLock = (Fixture, Vec<(String, Detector)>, Vec<(PathBuf, bool)>);

/// The bright are genuine: the bundle knows, its opposite has it the wrong way round.
fn table() -> GameLock {
    let fixture = Fixture::new();
    let opposite = fixture.write_bundle("opposite", "Neg", |manifest| {
        manifest.calibration = Calibration::new(0.01, (200..399).map(|i| -0.002 * i as f32).collect()).unwrap();
    });
    let open = |name: &str, dir| (name.to_owned(), Detector::open(dir).unwrap());
    let contestants = vec![open("straight", &fixture.bundle()), open("opposite", &opposite)];
    let mut exhibits = Vec::new();
    for i in 0..10u8 {
        exhibits.push((fixture.picture(format!("real/{i}.png"), 220 + i), true));
        exhibits.push((fixture.picture(format!("fake/{i}.png"), 10 + i), false));
    }
    (fixture, contestants, exhibits)
}

#[test]
fn points_go_to_who_is_right_and_the_seal_opens() {
    let (_fixture, contestants, exhibits) = table();
    let mut events = Vec::new();
    let played = play(&contestants, &exhibits, Rules::default(), |event| {
        events.push(match event {
            Event::Sealed { digest, rounds } => format!("{digest} {rounds}"),
            Event::Answered { round, answers } => format!("{round} {}", answers.len()),
        });
        Ok(())
    })
    .unwrap();
    let [first, second] = &played.outcome.standings[..] else { panic!("two played") };
    assert_eq!((first.name.as_str(), first.points, first.right), ("straight", 20, 20));
    assert_eq!((second.points, second.wrong), (-20, 20));
    assert!(played.outcome.decided && played.seal.opens(&played.digest));
    assert_eq!(events[0], format!("{} 20", played.digest));
    assert_eq!((events.len(), events[20].as_str()), (21, "20 2"));
    assert!(played.transcript.iter().zip(&played.seal.genuine).all(|(round, label)| round.genuine == *label));
}

#[test]
fn the_seed_orders_the_game_and_the_salt_is_its_own() {
    let (_fixture, contestants, exhibits) = table();
    let game = |seed| play(&contestants, &exhibits, Rules { seed, rounds: Some(7) }, |_| Ok(())).unwrap();
    let order_of = |seed| game(seed).transcript.into_iter().map(|round| round.exhibit).collect::<Vec<_>>();
    let order = |seed| order_of(Some(seed));
    assert_eq!(order(3), order(3));
    assert_ne!(order(3), order(4));
    assert_eq!(order(3).len(), 7);
    assert_ne!(game(Some(3)).digest, game(Some(3)).digest);
    // 20 exhibits of which 7 are played: the same order twice by chance is one in 390 million.
    assert_ne!(order_of(None), order_of(None));
}

#[test]
fn an_exhibit_that_is_no_picture_ends_the_game_by_its_name() {
    let (fixture, contestants, _) = table();
    let exhibits = [(fixture.path("real/lost.png"), true)];
    let error = play(&contestants, &exhibits, Rules::default(), |_| Ok(())).unwrap_err();
    assert!(matches!(&error, Error::Exhibit { .. }) && error.to_string().contains("lost.png"), "{error}");
}
