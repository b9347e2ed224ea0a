"""Bodies that nobody should send, the same ones every time."""

from __future__ import annotations

import base64
import io
import json
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

from PIL import Image

ADDRESSES = (
    "http://127.0.0.1/", "http://127.0.0.1:22/", "http://localhost/", "http://[::1]/", "http://[::]/",
    "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://0.0.0.0/", "http://2130706433/",
    "http://0177.0.0.1/", "http://0x7f.1/", "http://127.1/", "http://[::ffff:127.0.0.1]/", "http://10.0.0.1/",
    "http://user:word@127.0.0.1/", "http://127.0.0.1#@example.org/", "http:///", "http://", "https://[::1",
    "HTTP://LOCALHOST", "javascript:1", "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:6379/_x",
    "http://example.invalid/\r\nHost: x",
    "http://\u2488:99999/",
    "data:text/html,<script>", "data:;base64", "data:image/png;base64,", "/etc/passwd", "../../etc/passwd",
)  # fmt: skip


def hostile_bodies(count: int, seed: int = 0) -> list[tuple[str, bytes]]:
    """(kind, body) of so many bodies, all kinds in turn."""
    luck = random.Random(seed)
    kinds: list[Callable[[random.Random], bytes]] = [
        not_json, cut_json, nested, wrong_shape, huge_number, odd_text, address, bomb, cut_image, flipped_image,
        polyglot, header_only, many_scans, too_many, bad_base64, table,
    ]  # fmt: skip
    return [(kind.__name__, kind(luck)) for kind in (kinds[i % len(kinds)] for i in range(count))]


def not_json(luck: random.Random) -> bytes:
    return luck.randbytes(luck.choice([0, 1, 10, 1000, 50_000]))


def cut_json(luck: random.Random) -> bytes:
    whole = json.dumps({"input_data": [_text(_image(luck))]}).encode()
    return whole[: luck.randrange(len(whole))]


def nested(luck: random.Random) -> bytes:
    depth = luck.choice([100, 10_000, 150_000])
    return b'{"input_data": ' + luck.choice([b"[", b'{"data":', b'{"input_data":[']) * depth


def wrong_shape(luck: random.Random) -> bytes:
    return json.dumps(
        luck.choice(
            [
                None, 1, "x", [], {}, [[]], {"input_data": None}, {"input_data": "x"}, {"input_data": {}},
                {"input_data": [1, 2]}, {"input_data": [None]}, {"input_data": [[]]}, {"input_data": [["a", "b"]]},
                {"input_data": [[["a"]]]}, {"input_data": {"data": "x"}}, {"input_data": {"data": {}}},
                {"input_data": [{}]},
                {"input_data": {"columns": "image", "data": ["a"]}}, {"input_data": {"columns": [], "data": ["a"]}},
                {"input_data": {"columns": ["image", "image"], "data": [["a", "b"]]}}, {"input_data": [True]},
                {"input_data": {"columns": [["image"]], "data": ["a"]}}, {"input_data": {"columns": [1], "data": [1]}},
                {"input_data": {"index": 7, "data": ["a"]}}, {"input_data": ["a"], "more": 1}, {"INPUT_DATA": ["a"]},
            ]
        )
    ).encode()  # fmt: skip


def huge_number(luck: random.Random) -> bytes:
    number = luck.choice(["1e999", "-1e999", "NaN", "Infinity", "9" * 10_000, "1" + "0" * 400, "-0", "1E+2147483648"])
    return luck.choice(['{"input_data": [%s]}', '{"input_data": {"index": [%s], "data": ["a"]}}', "%s"]).replace(
        "%s", number
    ).encode()  # fmt: skip


def odd_text(luck: random.Random) -> bytes:
    text = luck.choice(
        [r"\ud800", r"\u0000", r"\udfff\ud800", "\u202e", "💥" * 1000, r"\n\r\t", " " * 100_000, "=" * 1000]
    )
    return luck.choice(
        [f'{{"input_data": ["{text}"]}}', f'{{"{text}": 1}}', f'{{"input_data": ["a"], "{text}": 1}}']
    ).encode()


def address(luck: random.Random) -> bytes:
    return _request(luck.choice(ADDRESSES))


def bomb(luck: random.Random) -> bytes:
    """Few bytes that claim many pixels."""
    side = luck.choice([9_000, 20_000, 65_535])
    header = struct.pack(">IIBBBBB", side, side, 8, luck.choice([0, 2, 6]), 0, 0, 0)
    data = zlib.compress(bytes(1_000_000))
    png = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    gif = b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0)
    bmp = b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 65535, 65535, 1, 24, 0, 0, 0, 0, 0, 0)
    return _request(_text(luck.choice([png, gif, bmp])))


def cut_image(luck: random.Random) -> bytes:
    whole = _image(luck)
    return _request(_text(whole[: luck.randrange(1, len(whole))]))


def flipped_image(luck: random.Random) -> bytes:
    content = bytearray(_image(luck))
    for _ in range(luck.randrange(1, 30)):
        content[luck.randrange(len(content))] = luck.randrange(256)
    return _request(_text(bytes(content)))


def polyglot(luck: random.Random) -> bytes:
    other = luck.choice(
        [b"PK\x03\x04" + bytes(26), b"<html><script>alert(1)</script>", b"%PDF-1.4\n", b"#!/bin/sh\nexit\n"]
    )
    whole = _image(luck)
    return _request(_text(luck.choice([other + whole, whole + other, whole[:30] + other + whole[30:], other])))


def header_only(luck: random.Random) -> bytes:
    starts = [
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\0\0\0\0WEBP",
        b"BM",
        b"II*\0",
        b"MM\0*",
        b"P6 1 1",
    ]
    starts += [
        b"%!PS-Adobe",
        b"\x00\x00\x00\x0cjP  ",
        b"\x00\x00\x00\x20ftypavif",
        b"\x00\x00\x01\x00",
        b"\x80\x04cos\nsystem\n",
    ]
    return _request(_text(luck.choice(starts) + luck.randbytes(luck.randrange(200))))


def many_scans(luck: random.Random) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "JPEG", progressive=True)
    content = file.getvalue()
    scan = content[content.rindex(b"\xff\xda") : -2]
    return _request(_text(content[:-2] + scan * luck.choice([70, 500]) + content[-2:]))


def too_many(luck: random.Random) -> bytes:
    return _request(*["a"] * luck.choice([1, 65, 1000, 20_000]))


def bad_base64(luck: random.Random) -> bytes:
    return _request(luck.choice(["", " ", "a", "abc", "====", "%%%%", "a" * 99_999, "ÄÖÜ", "b'AAAA'", "AAAA", "\n"]))


def table(luck: random.Random) -> bytes:
    rows = [luck.choice(["a", ["a"], ["a", "b"], [], None, 3]) for _ in range(luck.randrange(1, 6))]
    columns = luck.choice([["image"], ["image", "other"], ["other"], "image", None, [None]])
    return json.dumps({"input_data": {"columns": columns, "index": list(range(3)), "data": rows}}).encode()


def _image(luck: random.Random) -> bytes:
    file = io.BytesIO()
    picture = Image.effect_noise((luck.randrange(8, 60), luck.randrange(8, 60)), 50).convert("RGB")
    picture.save(file, luck.choice(["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "ICO", "TGA", "PCX"]))
    return file.getvalue()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _request(*images: Any) -> bytes:
    return json.dumps({"input_data": list(images)}).encode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
