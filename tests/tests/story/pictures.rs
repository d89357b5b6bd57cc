//! Pictures as they come: broken, strange and hostile. Each is named with a remedy, and the rest is judged.

use std::ffi::OsStr;
use std::fs;
use std::io::Cursor;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use counterfoil_tests::{Stage, edge};
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
    save("e-gif.png", b"GIF89a\x08\x00\x08\x00\x00\x00\x00;");
    save("f-tiny.png", &png(&DynamicImage::new_luma8(1, 1)));
    save("g-huge.png", &huge());
    save("z-whole.png", &whole);

    let (code, lines) = detect(dir.path());
    assert_eq!((code, lines.len()), (Some(2), 8));
    for (name, reason) in [
        ("b-truncated.png", "cut short"),
        ("c-empty.png", "empty"),
        ("d-text.png", "expected PNG or JPEG"),
        ("e-gif.png", "convert it"),
        ("f-tiny.png", "1x1"),
        ("g-huge.png", "30000x30000"),
    ] {
        let error = line(&lines, name)["error"].as_str().unwrap_or_else(|| panic!("{name} was judged"));
        assert!(error.contains(reason), "{name}: {error}");
    }
    assert_eq!(line(&lines, "a-whole.png")["score"], line(&lines, "z-whole.png")["score"]);
}

/// A few kilobytes that promise 30,000 x 30,000 pixels.
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
