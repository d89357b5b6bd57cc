"""Converts a PNG file to a raw YUYV frame, as a camera sends it, or to a BMP file in another light. Reads PNG itself, as Python's
library does not."""

import pathlib
import struct
import zlib

DESK = (96, 96, 96)  # RGB colour around the picture


def frame(png, width, height):
    """A frame of width x height pixels with the picture in the middle; BT.601 limited range, as vivid declares it."""
    rows = pixels(pathlib.Path(png).read_bytes())
    left, top = (width - len(rows[0])) // 2, (height - len(rows)) // 2
    if left < 0 or top < 0:
        raise ValueError(f"{png} is larger than a frame of {width} x {height}")
    canvas = [[DESK] * width for _ in range(height)]
    for canvas_row, row in zip(canvas[top:], rows):
        canvas_row[left : left + len(row)] = row
    sent = bytearray()
    for row in canvas:
        for (r1, g1, b1), (r2, g2, b2) in zip(row[::2], row[1::2]):
            r, g, b = (r1 + r2) / 2, (g1 + g2) / 2, (b1 + b2) / 2
            sent += bytes((luma(r1, g1, b1), chroma(-0.148, -0.291, 0.439, r, g, b), luma(r2, g2, b2), chroma(0.439, -0.368, -0.071, r, g, b)))
    return bytes(sent)


def place(png, width, height):
    """The area of the picture in such a frame: [x, y, width, height] in fractions of the frame."""
    rows = pixels(pathlib.Path(png).read_bytes())
    wide, high = len(rows[0]), len(rows)
    return [(width - wide) // 2 / width, (height - high) // 2 / height, wide / width, high / height]


def lit(png, light):
    """The picture as a BMP file, in this share of the red, green and blue light."""
    rows = pixels(pathlib.Path(png).read_bytes())
    red, green, blue = light
    padding = bytes(-3 * len(rows[0]) % 4)
    shares = lambda row: bytes(int(level) for r, g, b in row for level in (b * blue, g * green, r * red))  # noqa: E731
    data = b"".join(shares(row) + padding for row in reversed(rows))
    header = struct.pack("<IiiHHIIiiII", 40, len(rows[0]), len(rows), 1, 24, 0, len(data), 2835, 2835, 0, 0)
    return struct.pack("<2sIHHI", b"BM", 54 + len(data), 0, 0, 54) + header + data


def luma(r, g, b):
    return round(16 + 0.257 * r + 0.504 * g + 0.098 * b)


def chroma(kr, kg, kb, r, g, b):
    return round(128 + kr * r + kg * g + kb * b)


def pixels(png):
    """Rows of (r, g, b) of an 8-bit RGB PNG without interlacing, as for specimen notes (PNG 3rd edition, chapter 9)."""
    header, data, at = None, b"", 8
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        if kind == b"IHDR":
            header = struct.unpack_from(">IIBBBBB", png, at + 8)
        elif kind == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += 12 + length
    width, height, *form = header
    if form != [8, 2, 0, 0, 0]:
        raise ValueError("not an 8-bit RGB PNG without interlacing")
    data, stride, rows, above = zlib.decompress(data), 3 * width, [], bytearray(3 * width)
    for y in range(height):
        filtering, row = data[y * (stride + 1)], bytearray(data[y * (stride + 1) + 1 : (y + 1) * (stride + 1)])
        for i in range(stride):
            before, corner = (row[i - 3], above[i - 3]) if i >= 3 else (0, 0)
            row[i] = (row[i] + predicted(filtering, before, above[i], corner)) & 255
        rows.append(list(zip(row[::3], row[1::3], row[2::3])))
        above = row
    return rows


def predicted(filtering, left, above, corner):
    if filtering == 4:  # Paeth
        estimate = left + above - corner
        return min((left, above, corner), key=lambda value: abs(estimate - value))
    return (0, left, above, (left + above) // 2)[filtering]
