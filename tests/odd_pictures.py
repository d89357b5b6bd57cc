"""Draws pictures from a seed, saves them in many file formats and variants, and damages some of the files.

usage: odd_pictures.py DIR COUNT SEED

Needs Pillow and djpeg (libjpeg-turbo-progs), which are the reference: a file DIR/NAME must be read if Pillow reads all
of it and, for a JPEG, `djpeg -strict` does not warn. DIR/wanted.json holds for each file the reason why it must be
refused, or an empty string. A file that must be read has a PNG in DIR/upright with the expected pixels: those of
Pillow, upright, in 8 bits, on white.
"""

import io
import json
import pathlib
import random
import struct
import subprocess
import sys

from PIL import Image, ImageDraw, ImageOps


def drawn(rng, mode="RGB"):
    """A picture with flat areas, edges, strokes as in text, and noise."""
    width, height = rng.choice([(96, 64), (97, 61), (160, 120), (128, 128), (64, 200)])
    picture = Image.new("RGB", (width, height), tuple(rng.randrange(256) for _ in range(3)))
    pen = ImageDraw.Draw(picture)
    for _ in range(12):
        box = [rng.randrange(width), rng.randrange(height), rng.randrange(width), rng.randrange(height)]
        colour = tuple(rng.randrange(256) for _ in range(3))
        pen.line(box, fill=colour, width=rng.randrange(1, 5))
        pen.ellipse([min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3])], outline=colour)
    noise = Image.effect_noise((width, height), 30).convert("RGB")
    return Image.blend(picture, noise, 0.2).convert(mode)


def saved(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def tiff_block(number, kind, big):
    """An EXIF block whose one entry is the orientation, as a BYTE (1), SHORT (3) or LONG (4)."""
    order = ">" if big else "<"
    value = struct.pack(order + {1: "B", 3: "H", 4: "L"}[kind], number).ljust(4, b"\0")
    head = (b"MM\0*" if big else b"II*\0") + struct.pack(order + "LH", 8, 1)
    return head + struct.pack(order + "HHL", 0x0112, kind, 1) + value + b"\0\0\0\0"


def segment(marker, content):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def without(jpeg, marker):
    """The JPEG without those segments before its pixels that have this marker."""
    out, at = jpeg[:2], 2
    while jpeg[at + 1] != 0xDA:
        length = 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        out += b"" if jpeg[at + 1] == marker else jpeg[at : at + length]
        at += length
    return out + jpeg[at:]


def jpegs(rng):
    quality = {"quality": rng.choice([50, 75, 90, 98])}
    colour, grey = drawn(rng), drawn(rng, "L")
    plain = saved(colour, "JPEG", **quality)
    yield "plain", plain
    for sampling in ["4:4:4", "4:2:2", "4:2:0"]:
        yield "sampled", saved(colour, "JPEG", subsampling=sampling, **quality)
    yield "grey", saved(grey, "JPEG", **quality)
    yield "progressive", saved(colour, "JPEG", progressive=True, **quality)
    yield "progressive-grey", saved(grey, "JPEG", progressive=True, **quality)
    yield "optimised", saved(colour, "JPEG", optimize=True, **quality)
    yield "restarts", saved(colour, "JPEG", restart_marker_rows=1, **quality)
    yield "restarts-often", saved(colour, "JPEG", restart_marker_blocks=2, **quality)
    yield "progressive-restarts", saved(colour, "JPEG", progressive=True, restart_marker_rows=1, **quality)
    yield "cmyk", saved(colour.convert("CMYK"), "JPEG", **quality)
    yield "no-tables", without(saved(colour, "JPEG", **quality), 0xC4)
    yield "no-tables-422", without(saved(colour, "JPEG", subsampling="4:2:2", **quality), 0xC4)
    yield "trailing", plain + rng.randbytes(rng.randrange(1, 3000))
    yield "twice", plain + plain
    yield "filled", plain[:2] + b"\xff\xff\xff" + plain[2:]
    for kind in [3, 4]:
        block = b"Exif\0\0" + tiff_block(rng.randrange(10), kind, rng.random() < 0.5)
        yield "exif", plain[:2] + segment(0xE1, block) + plain[2:]
        yield "exif-after-jfif", plain[:20] + segment(0xE1, block) + plain[20:]
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    yield "xmp-then-exif", plain[:2] + segment(0xE1, xmp) + segment(0xE1, block) + plain[2:]
    yield "arithmetic", subprocess.run(["jpegtran", "-arithmetic"], input=plain, capture_output=True, check=True).stdout


def others(rng):
    colour, grey = drawn(rng), drawn(rng, "L")
    clear = colour.copy()
    clear.putalpha(grey.resize(colour.size))
    deep = grey.convert("I;16").point(lambda level: level * 257)
    yield "rgb.png", saved(colour, "PNG")
    yield "grey.png", saved(grey, "PNG")
    yield "rgba.png", saved(clear, "PNG")
    yield "la.png", saved(clear.convert("LA"), "PNG")
    yield "deep.png", saved(deep, "PNG")
    yield "bits.png", saved(grey.convert("1"), "PNG")
    for bits in [1, 2, 4, 8]:
        yield f"palette{bits}.png", saved(colour.quantize(2**bits), "PNG", bits=bits)
    yield "exif.png", saved(colour, "PNG", exif=b"Exif\0\0" + tiff_block(rng.randrange(1, 9), 3, True))
    yield "animated.png", saved(colour, "PNG", save_all=True, append_images=[drawn(rng).resize(colour.size)])
    yield "lossy.webp", saved(colour, "WEBP", quality=80)
    yield "lossless.webp", saved(clear, "WEBP", lossless=True)
    yield "rgb.bmp", saved(colour, "BMP")
    yield "grey.bmp", saved(grey, "BMP")
    yield "bits.bmp", saved(grey.convert("1"), "BMP")
    yield "still.gif", saved(colour.quantize(64), "GIF")
    yield "animated.gif", saved(colour.quantize(64), "GIF", save_all=True, append_images=[drawn(rng).resize(colour.size).quantize(64)])
    for compression in [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"]:
        yield f"{compression}.tif", saved(colour, "TIFF", compression=compression)
    yield "grey.tif", saved(grey, "TIFF")
    yield "deep.tif", saved(deep, "TIFF")
    yield "bits.tif", saved(grey.convert("1"), "TIFF")
    yield "rgba.tif", saved(clear, "TIFF")


def damaged(rng, data):
    """A copy of a file with one kind of damage: returns the name of the damage and the bytes."""
    size = len(data)
    at = rng.randrange(min(size - 1, 300), size)
    piece = rng.choice([1, 8, 64, 512])
    return rng.choice(
        [
            lambda: ("cut", data[: max(1, int(size * rng.choice([0.1, 0.3, 0.5, 0.8, 0.9, 0.95, 0.99])))]),
            lambda: ("cut-end", data[: size - rng.randrange(1, 40)]),
            lambda: ("hole", data[:at] + bytes(piece) + data[at + piece :]),
            lambda: ("lost", data[:at] + data[at + piece :]),
            lambda: ("noise", data[:at] + rng.randbytes(piece) + data[at + piece :]),
            lambda: ("twice", data[:at] + data[max(0, at - piece) :]),
            lambda: ("bit", data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]),
            lambda: ("header-before", b"HTTP/1.1 200 OK\r\n\r\n" + data),
        ]
    )()


def refused(path):
    """The reason why a file must be refused, or an empty string; and the upright picture, or None."""
    data = path.read_bytes()
    if data[:2] == b"\xff\xd8":
        strict = subprocess.run(["djpeg", "-strict", "-outfile", "/dev/null", path], capture_output=True, text=True)
        if strict.returncode:
            return strict.stderr.strip() or "djpeg refuses it", None
    try:
        with Image.open(path) as picture:
            picture.load()
            upright = ImageOps.exif_transpose(picture)
    except Exception as error:  # Pillow passes on any exception of its codecs.
        return f"{type(error).__name__}: {error}", None
    if upright.mode.startswith("I"):
        # Pillow's own conversion of 16-bit grey to 8 bits uses the lower bits; the upper ones are needed here.
        upright = Image.frombytes("L", upright.size, upright.tobytes()[1::2])
    elif upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        paper = Image.new("RGBA", upright.size, "white")
        paper.alpha_composite(upright.convert("RGBA"))
        upright = paper.convert("L" if upright.mode == "LA" else "RGB")
    return "", upright.convert("L" if upright.mode in ("1", "L") else "RGB")


def main():
    folder, count, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    (folder / "upright").mkdir(parents=True)
    rng = random.Random(seed)
    random.seed(seed)
    wanted = {}
    whole = []
    for number in range(count):
        if not whole:
            whole = [(f"{kind}.jpg", data) for kind, data in jpegs(rng)] * 2 + list(others(rng))
            rng.shuffle(whole)
        name, data = whole.pop()
        if rng.random() < 0.7:
            how, data = damaged(rng, data)
            name = f"{how}-{name}"
        path = folder / f"{number:04}-{name}"
        path.write_bytes(data)
        why, upright = refused(path)
        if upright is not None:
            upright.save(folder / "upright" / f"{path.name}.png")
        wanted[path.name] = why
    (folder / "wanted.json").write_text(json.dumps(wanted))


if __name__ == "__main__":
    main()
