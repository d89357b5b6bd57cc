use std::sync::atomic::AtomicBool;

use super::*;
use crate::data::{InputRule, Samples, StorageLimits};
use crate::detector::appearance::Tolerance;
use crate::detector::statistics;
use crate::gan::{Config, Net, train};
use counterfoil_models::{Article, Color, JoinRule, Region, Resize};
use image::{Rgb, RgbImage};

fn folder(pictures: u32) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..pictures {
        let picture = RgbImage::from_fn(40, 20, |x, y| Rgb([(x * 5 + i * 9) as u8, (y * 11 + i * 3) as u8, i as u8]));
        picture.save(dir.path().join(format!("note_{i:02}.png"))).unwrap();
    }
    dir
}

fn request<'a>(data: &'a Path, look: &'a InputRule, net: Kind) -> Request<'a> {
    let room = StorageLimits::of(data);
    Request {
        tolerance: Tolerance::default(),
        net,
        data,
        group: None,
        known_fakes: &[],
        more: &[],
        look,
        join: JoinRule::Mean,
        held_out: 0.25,
        seed: 3,
        room,
    }
}

#[test]
fn what_is_prepared_is_read_back() {
    let (data, run) = (folder(12), tempfile::tempdir().unwrap());
    let look = InputRule { regions: Some(vec![Region::WHOLE, [0.0, 0.0, 0.5, 0.5].into()]), ..InputRule::default() };
    let prepared = prepare(&request(data.path(), &look, Kind::Dcgan), &|_| ()).unwrap();
    assert_eq!((prepared.samples.len(), prepared.held_out.len()), (18, 3));
    prepared.write(run.path(), None).unwrap();
    let record = Record::open(run.path()).unwrap();
    assert_eq!(record, prepared.record);
    assert_eq!(record.held_out(run.path()).unwrap(), prepared.held_out);
    assert_eq!(record.groups(run.path()).unwrap(), None, "nobody said what belongs together");
    let again = prepare(&request(data.path(), &record.look(), Kind::Dcgan), &|_| ()).unwrap();
    assert_eq!(again.record, record);
}

#[test]
fn a_resume_under_another_flag_is_refused_by_its_name() {
    let data = folder(12);
    let was = prepare(&request(data.path(), &InputRule::default(), Kind::Dcgan), &|_| ()).unwrap().record;
    was.resumable_as(data.path(), &was.clone()).unwrap();
    type Change = fn(&mut Record);
    let changes: [(&str, Change); 12] = [
        ("--net", |r| r.net = Kind::Mlp),
        ("--group", |r| r.group = Some("x".into())),
        ("--held-out", |r| r.held_out_share = 0.3),
        ("--join", |r| r.join = JoinRule::Min),
        ("--known-fakes", |r| r.known_fakes = vec!["x".into()]),
        ("--unsure", |r| r.more = vec!["x".into()]),
        ("--tolerate", |r| r.tolerance = Tolerance::None),
        ("--color", |r| r.input.color = Color::Grey),
        ("--size", |r| r.input.width = 48),
        ("--resize", |r| r.input.resize = Resize::Pad),
        ("--article", |r| r.input.article = Article::Outlined),
        ("--region", |r| r.input.regions = vec![[0.0, 0.0, 0.5, 0.5].into()]),
    ];
    for (flag, change) in changes {
        let mut asked = was.clone();
        change(&mut asked);
        let message = was.resumable_as(data.path(), &asked).unwrap_err().to_string();
        assert!(message.contains(&format!("{flag} = ")), "{message}");
    }
}

#[test]
fn colour_is_decided_by_all_pictures_and_what_differs_is_named() {
    let data = folder(12);
    let grey = |i: u8| image::GrayImage::from_fn(40, 20, |x, y| image::Luma([(x * 3 + y * u32::from(i)) as u8]));
    let told = std::cell::RefCell::new(Vec::new());
    let tell = |line: &str| told.borrow_mut().push(line.to_owned());
    // The first picture by name, and a broken one before it.
    std::fs::write(data.path().join("a_broken.png"), b"no picture").unwrap();
    grey(1).save(data.path().join("a_grey.png")).unwrap();
    let look = InputRule::default();
    let prepared = prepare(&request(data.path(), &look, Kind::Dcgan), &tell).unwrap();
    assert_eq!(prepared.record.input.color, Color::Rgb);
    let lines = told.borrow().join("\n");
    assert!(lines.contains("1 of 13 pictures is grey where 12 are in colour: a_grey.png"), "{lines}");
    assert!(lines.contains("1 picture is not learned from") && lines.contains("a_broken.png"), "{lines}");
    (2..20).for_each(|i| grey(i).save(data.path().join(format!("grey_{i:02}.png"))).unwrap());
    let color = |look: &InputRule| prepare(&request(data.path(), look, Kind::Dcgan), &tell).unwrap().record.input.color;
    assert_eq!(color(&look), Color::Grey, "most are grey");
    assert_eq!(color(&InputRule { color: Some(Color::Rgb), ..InputRule::default() }), Color::Rgb);
}

#[test]
fn rows_that_do_not_fit_into_memory_are_streamed_and_change_no_byte() {
    let (data, out) = (folder(12), tempfile::tempdir().unwrap());
    let look = InputRule { regions: Some(vec![Region::WHOLE, [0.0, 0.0, 0.5, 0.5].into()]), ..InputRule::default() };
    let asked = request(data.path(), &look, Kind::Dcgan);
    let streamed =
        Request { room: StorageLimits { memory: 40_000, folder: out.path().to_path_buf() }, ..asked.clone() };
    let [whole, streamed] = [asked, streamed].map(|request| prepare(&request, &|_| ()).unwrap());
    // 24 rows of 3072 bytes; the 12 fingerprints of 1032 stay in memory.
    assert_eq!((whole.samples.spilled(), streamed.samples.spilled()), (None, Some(out.path())));
    assert_eq!((&whole.record, &whole.held_out), (&streamed.record, &streamed.held_out));

    let config = Config { batch: 4, width: 4, latent: 8, steps: Some(4), ..Config::new(Net::Dcgan) };
    let never = AtomicBool::new(false);
    let checkpoint = |name: &str, samples: &Samples| {
        let run = out.path().join(name);
        train(&config, samples.into(), &run, false, &never, true, &mut || ()).unwrap();
        fs::read(run.join("checkpoints/step-00000004.safetensors")).unwrap()
    };
    assert!(checkpoint("whole", &whole.samples) == checkpoint("streamed", &streamed.samples));
    let statistics = |prepared: &Prepared| statistics::fit(&prepared.samples, &[]).unwrap();
    assert!(statistics(&whole) == statistics(&streamed));

    // A disk failure ends the training with a message.
    streamed.samples.lose().unwrap();
    let longer = Config { steps: Some(8), ..config };
    let error =
        train(&longer, (&streamed.samples).into(), &out.path().join("streamed"), true, &never, true, &mut || ())
            .unwrap_err();
    let error = error.to_string();
    assert!(error.contains("temporary file") && error.contains("step-00000004"), "{error}");
}

#[test]
fn the_statistics_see_the_whole_picture_at_its_own_size() {
    let data = folder(8);
    std::fs::write(data.path().join("dataset.toml"), "regions = [[0.0, 0.0, 0.5, 0.5]]\nsize = [32, 32]\n").unwrap();
    let rule = |net| prepare(&request(data.path(), &InputRule::default(), net), &|_| ()).unwrap().record.input;
    assert_eq!(
        (rule(Kind::Statistics).width, rule(Kind::Statistics).height, rule(Kind::Statistics).regions.len()),
        (40, 20, 1)
    );
    assert_eq!((rule(Kind::Dcgan).width, rule(Kind::Dcgan).height, rule(Kind::Dcgan).regions[0].width), (32, 32, 0.5));
}

#[test]
fn a_copy_across_the_split_is_refused_and_a_broken_picture_left_out() {
    let data = folder(12);
    std::fs::write(data.path().join("zz_broken.png"), b"no picture").unwrap();
    let look = InputRule::default();
    let fine = prepare(&request(data.path(), &look, Kind::Dcgan), &|_| ()).unwrap();
    assert!(fine.unreadable[0].contains("zz_broken.png"), "{:?}", fine.unreadable);
    for i in 0..12 {
        let from = data.path().join(format!("note_{i:02}.png"));
        std::fs::copy(from, data.path().join(format!("note_{i:02}_copy.png"))).unwrap();
    }
    let refused = prepare(&request(data.path(), &look, Kind::Dcgan), &|_| ()).unwrap_err().to_string();
    assert!(refused.contains("near-duplicates") && refused.contains("--group"), "{refused}");
    std::fs::remove_file(data.path().join("zz_broken.png")).unwrap();
    let grouped = Request { group: Some(r"note_(\d+)"), ..request(data.path(), &look, Kind::Dcgan) };
    let (prepared, run) = (prepare(&grouped, &|_| ()).unwrap(), tempfile::tempdir().unwrap());
    prepared.write(run.path(), None).unwrap();
    let groups = Record::open(run.path()).unwrap().groups(run.path()).unwrap();
    assert_eq!(groups.unwrap(), [0, 0, 1, 1, 2, 2], "a picture and its copy are of one group");
}

#[test]
fn pictures_chosen_for_how_they_look_are_learned_from_and_never_calibrated_on() {
    let (data, more) = (folder(12), tempfile::tempdir().unwrap());
    for i in 0..3u8 {
        RgbImage::from_fn(40, 20, |x, y| Rgb([(y * 9) as u8, (x * 6) as u8, 200 + i]))
            .save(more.path().join(format!("note_{i:02}.png")))
            .unwrap();
    }
    let (look, more) = (InputRule::default(), [more.path().to_path_buf()]);
    let plain = prepare(&request(data.path(), &look, Kind::Dcgan), &|_| ()).unwrap();
    let with = prepare(&Request { more: &more, ..request(data.path(), &look, Kind::Dcgan) }, &|_| ()).unwrap();
    assert_eq!(with.held_out, plain.held_out);
    assert_eq!((with.record.genuine, &with.record.more[..]), (plain.record.genuine + 3, &more[..]));
}

/// Twenty items, four shots each: an item is learned from or calibrated on, as with `--group`.
#[test]
fn shots_of_one_item_are_not_divided() {
    let dir = tempfile::tempdir().unwrap();
    for shot in 0..80u32 {
        let (item, noise) = (shot / 4 * 37 % 20, shot * 7919 % 5);
        let level = (40 + item * 9 + noise) as u8;
        let picture = RgbImage::from_fn(96, 64, |x, y| {
            let bright = x > 40 + shot * 31 % 4 && y % 8 < 4;
            Rgb([if bright { 250 } else { level }; 3])
        });
        picture.save(dir.path().join(format!("shot{shot}.png"))).unwrap();
    }
    let said = std::cell::RefCell::new(String::new());
    let look = InputRule::default();
    let prepared = prepare(&request(dir.path(), &look, Kind::Dcgan), &|line| said.borrow_mut().push_str(line)).unwrap();
    assert!(said.borrow().contains("--group"), "{}", said.borrow());
    let item = |row: &[u8]| (row.iter().min().unwrap() - 40) / 9;
    let held_out: Vec<u8> = prepared.held_out.iter().map(|row| item(row)).collect();
    let learned: Vec<u8> = (0..prepared.samples.len()).map(|i| item(&prepared.samples.full_row(i).unwrap())).collect();
    assert!(learned.iter().all(|item| !held_out.contains(item)), "{learned:?} and {held_out:?}");
    let record = prepared.record;
    assert!((16..=24).contains(&record.held_out), "{}", record.held_out);
    assert_eq!((record.pool, record.input.width, record.input.height), ([3, 2], 96, 64));
    assert_eq!(prepared.groups, None, "series are no items to enrol");
    let again = prepare(&request(dir.path(), &record.look(), Kind::Dcgan), &|_| ()).unwrap();
    assert_eq!(again.record, record);
}

#[test]
fn a_folder_that_is_no_run_says_so() {
    let dir = tempfile::tempdir().unwrap();
    assert!(format!("{:#}", Record::open(dir.path()).unwrap_err()).contains("is no run folder"));
}

/// Pictures of 160 x 120 pixels with one pattern, each moved a little, in a light of its own.
fn moved_folder(pictures: u32) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..pictures {
        let (dx, dy, light) = (i % 5, i / 5 % 4, 180 + i % 7 * 10);
        let picture = RgbImage::from_fn(160, 120, |x, y| {
            let (x, y) = (x + dx, y + dy);
            let ink = (x / 9 + y / 11).is_multiple_of(3) || (50..80).contains(&x) && (30..90).contains(&y);
            let grain = (x * 31 + y * 17 + i * 101) * 7 % 13;
            Rgb([if ink { light / 3 } else { light } as u8 + grain as u8; 3])
        });
        picture.save(dir.path().join(format!("note_{i:02}.png"))).unwrap();
    }
    dir
}

#[test]
fn an_article_with_a_place_is_laid_over_the_mean_and_learned_in_other_shots() {
    let (data, run) = (moved_folder(24), tempfile::tempdir().unwrap());
    let look = InputRule { regions: Some(vec![[0.25, 0.25, 0.5, 0.5].into()]), ..InputRule::default() };
    let told = std::sync::Mutex::new(String::new());
    let prepared =
        prepare(&request(data.path(), &look, Kind::Dcgan), &|line| told.lock().unwrap().push_str(line)).unwrap();
    assert_eq!(prepared.record.input.article, Article::Registered);
    assert!(told.into_inner().unwrap().contains("has its place in 24 of 24 pictures"));
    assert_eq!((prepared.samples.len(), prepared.held_out.len(), prepared.shots.len()), (27, 6, 6));
    assert!(prepared.shots.iter().zip(&prepared.held_out).all(|(shot, own)| shot != own));
    prepared.write(run.path(), None).unwrap();
    let record = Record::open(run.path()).unwrap();
    assert_eq!(record.held_out_shots(run.path()).unwrap(), Some(prepared.shots));
    let again = prepare(&request(data.path(), &record.look(), Kind::Dcgan), &|_| ()).unwrap();
    assert_eq!(again.record, record, "a resumed run finds the same reference");

    let strict = Request { tolerance: Tolerance::None, ..request(data.path(), &look, Kind::Dcgan) };
    let strict = prepare(&strict, &|_| ()).unwrap();
    assert_eq!((strict.samples.len(), strict.shots.len()), (18, 0));
    let apart = |planes: &[Vec<u8>]| {
        let gaps = planes
            .iter()
            .map(|plane| plane.iter().zip(&planes[0]).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>());
        gaps.sum::<f64>() / (planes.len() * planes[0].len()) as f64
    };
    let whole = InputRule { article: Some(Article::Whole), ..look };
    let whole = prepare(&request(data.path(), &whole, Kind::Dcgan), &|_| ()).unwrap();
    assert_eq!((whole.samples.len(), whole.shots.len()), (18, 0), "whole pictures are taken as they are");
    let (registered, whole) = (apart(&strict.held_out), apart(&whole.held_out));
    assert!(2.0 * registered < whole, "{registered:.1} {whole:.1}");
    let statistics = prepare(&request(data.path(), &InputRule::default(), Kind::Statistics), &|_| ()).unwrap();
    assert_eq!(statistics.record.input.article, Article::Whole);
}

#[test]
fn a_folder_without_an_article_says_why_nothing_is_learned() {
    let data = moved_folder(12);
    let look = InputRule { article: Some(Article::Aligned), ..InputRule::default() };
    let error = prepare(&request(data.path(), &look, Kind::Dcgan), &|_| ()).unwrap_err().to_string();
    assert!(error.contains("can be learned from") && error.contains("note_00.png: no article was found"), "{error}");
}
