//! Broken, unusual and hostile picture files. Each unreadable file gets a message, and the others are judged.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Cursor;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use counterfoil_tests::{Stage, edge, root, skip};
use image::{DynamicImage, ImageFormat, Luma, Rgba, RgbaImage};
use serde_json::Value;

fn png(picture: &DynamicImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
    bytes
}

fn detect(folder: &Path) -> (Option<i32>, Vec<Value>) {
    let bundle = Stage::get().path("gan");
    let ran = edge(["detect".as_ref(), "--bundle".as_ref(), bundle.as_os_str(), folder.as_os_str(), "--json".as_ref()]);
    assert!(!ran.stderr().contains("panicked"), "{ran}");
    (ran.exit(), ran.lines())
}

fn line<'a>(lines: &'a [Value], name: &str) -> &'a Value {
    lines
        .iter()
        .find(|line| line["path"].as_str().unwrap().ends_with(name))
        .unwrap_or_else(|| panic!("{name} in {lines:?}"))
}

#[test]
fn broken_pictures_are_named_and_the_rest_is_judged() {
    let dir = tempfile::tempdir().unwrap();
    let save = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    let whole = fs::read(Stage::get().path("test/real/note_000001.png")).unwrap();
    save("a-whole.png", &whole);
    save("b-truncated.png", &whole[..whole.len() / 3]);
    save("c-empty.png", b"");
    save("d-text.png", b"I am a letter to the editor");
    save("e-heic.png", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic");
    save("f-tiny.png", &png(&DynamicImage::new_luma8(1, 1)));
    save("g-huge.png", &huge());
    save("z-whole.png", &whole);

    let (code, lines) = detect(dir.path());
    assert_eq!((code, lines.len()), (Some(2), 8));
    for (name, reason) in [
        ("b-truncated.png", "cut short"),
        ("c-empty.png", "empty"),
        ("d-text.png", "expected PNG, JPEG"),
        ("e-heic.png", "a HEIC picture"),
        ("f-tiny.png", "1x1"),
        ("g-huge.png", "30000x30000"),
    ] {
        let error = line(&lines, name)["error"].as_str().unwrap_or_else(|| panic!("{name} was judged"));
        assert!(error.contains(reason), "{name}: {error}");
    }
    assert_eq!(line(&lines, "a-whole.png")["score"], line(&lines, "z-whole.png")["score"]);
}

/// A small PNG file whose header claims 30,000 x 30,000 pixels.
fn huge() -> Vec<u8> {
    let mut bytes = png(&DynamicImage::new_luma8(16, 16));
    bytes[16..20].copy_from_slice(&30_000u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&30_000u32.to_be_bytes());
    let crc = bytes[12..29].iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xEDB8_8320 } else { c >> 1 })
    });
    bytes[29..33].copy_from_slice(&(!crc).to_be_bytes());
    bytes
}

#[test]
fn strange_but_whole_pictures_are_judged() {
    let dir = tempfile::tempdir().unwrap();
    let save = |name: &OsStr, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    let whole = fs::read(Stage::get().path("test/real/note_000001.png")).unwrap();
    let deep = image::ImageBuffer::from_fn(64, 32, |x, y| Luma([(x * 900 + y * 77) as u16]));
    let clear = RgbaImage::from_fn(64, 32, |x, y| Rgba([x as u8 * 4, y as u8 * 8, 9, (x + y) as u8]));
    save("deep.png".as_ref(), &png(&DynamicImage::ImageLuma16(deep)));
    save("clear.png".as_ref(), &png(&DynamicImage::ImageRgba8(clear)));
    save("cmyk.jpg".as_ref(), include_bytes!("../data/cmyk.jpg"));
    save("really-a-jpeg.png".as_ref(), include_bytes!("../data/cmyk.jpg"));
    save(OsStr::from_bytes(b"latin-\xe9.png"), &whole);

    let (code, lines) = detect(dir.path());
    assert!(matches!(code, Some(0 | 1)), "{code:?}");
    assert_eq!(lines.len(), 5);
    assert!(lines.iter().all(|line| line["score"].is_number()), "{lines:?}");
    assert!(line(&lines, "latin-\u{fffd}.png")["verdict"].is_string());
    assert_eq!(line(&lines, "cmyk.jpg")["score"], line(&lines, "really-a-jpeg.png")["score"]);
}

#[test]
fn a_missing_file_and_an_empty_folder_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = Stage::get().path("gan").display().to_string();
    let empty = dir.path().display().to_string();
    let ran = edge(["detect", "--bundle", &bundle, &empty, "gone.png", "--json"]).code(2);
    let said = ran.stdout();
    assert!(said.contains("no pictures") && said.contains("gone.png"), "{ran}");
}

/// Uses pictures that `tests/odd_pictures.py` makes from a seed and partly damages. The reference is Pillow and, for
/// JPEG, `djpeg -strict`.
#[test]
fn odd_and_damaged_pictures_are_read_as_pillow_reads_them_or_refused() {
    const DAMAGE: [&str; 8] = ["cut-", "cut-end-", "hole-", "lost-", "noise-", "twice-", "bit-", "header-before-"];
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("odd");
    let tool = |program: &str, flag: &str| Command::new(program).arg(flag).output().is_ok();
    let python = Command::new(root().join("scripts/pillow")).output().unwrap();
    if !python.status.success() || !tool("djpeg", "-version") || !tool("jpegtran", "-version") {
        return skip("there is no Pillow, djpeg or jpegtran; scripts/setup installs them");
    }
    let made = Command::new(String::from_utf8(python.stdout).unwrap().trim())
        .arg(root().join("tests/odd_pictures.py"))
        .args([folder.as_os_str(), "1000".as_ref(), "14".as_ref()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let wanted = fs::read_to_string(folder.join("wanted.json")).unwrap();
    let wanted: BTreeMap<String, String> = serde_json::from_str(&wanted).unwrap();
    fs::remove_file(folder.join("wanted.json")).unwrap();

    let (_, lines) = detect(&folder);
    let by_name = |line: &Value| {
        let path = Path::new(line["path"].as_str().unwrap());
        (path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned(), line.clone())
    };
    let lines: BTreeMap<String, Value> = lines.iter().map(by_name).collect();
    let mut beyond = Vec::new();
    for (name, why) in &wanted {
        let score = lines[name]["score"].as_f64();
        if !why.is_empty() {
            assert!(score.is_none(), "{name} was judged, which is to be refused: {why}");
            continue;
        }
        let Some(score) = score else {
            let damaged = DAMAGE.iter().any(|damage| name[5..].starts_with(damage));
            let error = lines[name]["error"].as_str().unwrap();
            assert!(damaged || error.contains("arithmetic-coded"), "{name} is whole and was refused: {error}");
            if damaged {
                beyond.push(name);
            }
            continue;
        };
        let upright = lines[&format!("upright/{name}.png")]["score"].as_f64().unwrap();
        // Decoders of lossy formats differ in rounding and chroma upsampling. We round 16 bits to 8; Pillow truncates.
        let apart = if name.contains(".jpg") || name.contains("lossy.webp") { 0.1 } else { 1e-3 };
        assert!((score - upright).abs() <= apart * upright.abs().max(1.0), "{name}: {score}, and upright {upright}");
    }
    assert!(beyond.len() <= wanted.len() / 20, "{} damaged files more than Pillow's: {beyond:?}", beyond.len());
}
