import io
import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from finetune.data.images import MAX_PIXELS, ImageError, decode, pixel_count, verify
from finetune.data.jpeg import scans

RED, WHITE = (255, 0, 0), (255, 255, 255)


def encoded(image: Image.Image, format_: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def corner_marked() -> Image.Image:
    """8×4, black, red in the upper left corner."""
    image = Image.new("RGB", (8, 4))
    image.paste(RED, (0, 0, 2, 2))
    return image


def with_orientation(image: Image.Image, orientation: int, format_: str) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return encoded(image, format_, exif=exif, **({"quality": 100, "subsampling": 0} if format_ == "JPEG" else {}))


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_exif_orientation_is_turned_upright_once(orientation, format_):
    file = with_orientation(corner_marked(), orientation, format_)
    upright = decode(file)
    ways = [None, None, 0, 3, 1, 5, 4, 6, 2]  # Pillow's Transpose values by orientation
    expected = corner_marked() if orientation == 1 else corner_marked().transpose(ways[orientation])
    assert upright.size == expected.size == (verify(file).width, verify(file).height)
    assert np.abs(np.asarray(upright, int) - np.asarray(expected)).mean() < 20
    assert ImageOps.exif_transpose(upright).tobytes() == upright.tobytes()  # nobody turns it a second time


@pytest.mark.parametrize(
    "format_", ["PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF", "TGA", "PCX"]
)
def test_every_format_gives_rgb_of_the_same_colour(format_):
    lossless = {"lossless": True} if format_ == "WEBP" else {}
    file = encoded(Image.new("RGB", (20, 10), (200, 30, 60)), format_, **lossless)
    image = decode(file)
    assert (image.mode, image.size) == ("RGB", (20, 10))
    assert np.abs(np.asarray(image, int) - (200, 30, 60)).max() <= 3
    assert verify(file)[:2] == (20, 10)
    assert pixel_count(file) == 200


@pytest.mark.parametrize(("mode", "colour", "expected"), [
    ("1", 1, WHITE),
    ("L", 77, (77, 77, 77)),
    ("LA", (77, 0), WHITE),
    ("LA", (77, 255), (77, 77, 77)),
    ("La", (0, 0), WHITE),
    ("RGBA", (255, 0, 0, 0), WHITE),
    ("RGBA", (255, 0, 0, 255), RED),
    ("RGBA", (0, 0, 0, 51), (204, 204, 204)),
    ("RGBa", (0, 0, 0, 0), WHITE),
    ("RGBX", (255, 0, 0, 0), RED),
    ("CMYK", (0, 255, 255, 0), RED),
    ("YCbCr", (76, 85, 255), (254, 0, 0)),
    ("HSV", (0, 255, 255), RED),
    ("I;16", 65535, WHITE),
    ("I;16", 257, (1, 1, 1)),
    ("I", 65535, WHITE),
    ("I", 128, (0, 0, 0)),
    ("I", 129, (1, 1, 1)),
    ("F", 1.0, WHITE),
    ("F", 128.0, (128, 128, 128)),
    ("F", 65535.0, WHITE),
])  # fmt: skip
def test_every_mode_becomes_the_rgb_that_is_seen(mode, colour, expected):
    assert decode(Image.new(mode, (3, 2), colour)).getpixel((1, 1)) == expected


def test_a_float_image_is_scaled_as_a_whole():
    image = Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32))
    assert [decode(image).getpixel((x, 0))[0] for x in range(3)] == [0, 128, 255]


@pytest.mark.parametrize("value", [-1.0, 70000.0, float("nan"), float("inf")])
def test_float_values_of_no_customary_range_are_refused(value):
    with pytest.raises(ImageError, match=r"floating-point values from .* expected within \[0, 1\]"):
        decode(Image.new("F", (2, 2), value))


def test_whole_numbers_beyond_16_bits_are_refused():
    with pytest.raises(ImageError, match="whole numbers from 70000 to 70000, expected 0 to 65535"):
        decode(encoded(Image.new("I", (2, 2), 70000), "TIFF"))


def test_16_bit_grey_files_keep_their_full_range():
    ramp = Image.fromarray(np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(2, 0))
    for format_ in ("PNG", "TIFF"):
        assert np.array_equal(np.asarray(decode(encoded(ramp, format_)))[0, :, 0], np.arange(256))


@pytest.mark.parametrize("transparency", [0, bytes([0, 255])])
def test_a_palette_with_transparency_is_shown_on_white(transparency):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    seen = decode(encoded(image, "PNG", transparency=transparency))
    assert [seen.getpixel((x, 0)) for x in (0, 1)] == [WHITE, (0, 0, 255)]


@pytest.mark.parametrize(("mode", "colour"), [("L", 9), ("RGB", (9, 9, 9))])
def test_a_colour_that_a_png_declares_transparent_is_shown_on_white(mode, colour):
    assert decode(encoded(Image.new(mode, (2, 2), colour), "PNG", transparency=colour)).getpixel((0, 0)) == WHITE


@pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_of_several_is_taken(format_):
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, (0, 255, 0), (0, 0, 255))]
    lossless = {"lossless": True} if format_ == "WEBP" else {}
    file = encoded(frames[0], format_, save_all=True, append_images=frames[1:], **lossless)
    assert Image.open(io.BytesIO(file)).n_frames == 3
    assert decode(file).getpixel((2, 2)) == RED
    assert verify(file).format == format_


def test_paths_bytes_rows_and_images_are_decoded_alike(tmp_path):
    path = tmp_path / "a.png"
    corner_marked().save(path)
    sources = [path, str(path), path.read_bytes(), {"bytes": None, "path": str(path)}, corner_marked()]
    sources.append({"bytes": path.read_bytes(), "path": "elsewhere.png"})
    assert {decode(source).tobytes() for source in sources} == {corner_marked().tobytes()}


def test_an_image_of_the_callers_is_neither_changed_nor_closed():
    image = corner_marked()
    decode(image).paste(WHITE, (0, 0, 8, 4))
    assert image.getpixel((0, 0)) == RED


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("missing", [1, 2, 50, 500])
def test_a_jpeg_that_lacks_its_end_is_truncated(missing, progressive):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    file = encoded(noise, "JPEG", progressive=progressive)[:-missing]
    for check in (decode, verify):
        with pytest.raises(ImageError, match="truncated") as caught:
            check(file)
        assert caught.value.kind == "truncated"


@pytest.mark.parametrize("kept", [10, 30, 45, 60, 200, -30])
def test_a_png_that_lacks_its_end_is_truncated(kept):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8))
    for check in (decode, verify):
        with pytest.raises(ImageError, match="truncated"):
            check(encoded(noise, "PNG")[:kept])


def test_a_png_that_lacks_only_its_end_mark_holds_all_its_pixels():
    assert decode(encoded(corner_marked(), "PNG")[:-12]).tobytes() == corner_marked().tobytes()


@pytest.mark.parametrize("format_", ["JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_a_file_that_stops_in_its_header_is_refused(format_):
    with pytest.raises(ImageError, match=r"truncated|cannot be read"):
        decode(encoded(corner_marked(), format_)[:24])


def test_damaged_pixels_in_a_png_are_noticed():
    file = bytearray(encoded(corner_marked(), "PNG"))
    file[file.index(b"IDAT") + 6] ^= 0xFF
    with pytest.raises(ImageError, match=r"cannot be read|truncated"):
        decode(bytes(file))


@pytest.mark.parametrize(("content", "words"), [
    (b"", "not an image .the file is empty"),
    (b"hello, I am a text", "not an image .it begins with b'hello, I am a te'"),
    (b"\0\0\0\x18ftypheic\0\0\0\0", "not an image .HEIC, which is not supported; convert it to JPEG"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image .it begins with b'%!PS"),
])  # fmt: skip
def test_a_file_that_is_no_image_is_described(tmp_path, content, words):
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(ImageError, match=f"x.jpg: {words}"):
        decode(tmp_path / "x.jpg")


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(ImageError, match=r"1.jpg: missing .there is no such file"):
        decode(tmp_path / "1.jpg")
    with pytest.raises(ImageError, match=r"cannot be read .it is a folder"):
        decode(tmp_path)


@pytest.mark.parametrize("side", [9460, 20000, 2**31 - 1])
@pytest.mark.parametrize("check", [decode, verify, pixel_count])
def test_a_decompression_bomb_is_refused_by_its_header(check, side, png_that_claims):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in a program that does not turn warnings into errors
        with pytest.raises(ImageError, match=r"too many pixels .*the limit is 89,478,485 pixels"):
            check(png_that_claims(side, side))
    with pytest.raises(ImageError, match="too many pixels"):
        check(png_that_claims(side, side))


def test_the_limit_on_pixels_can_be_lowered():
    assert decode(corner_marked(), max_pixels=32).size == (8, 4)
    with pytest.raises(ImageError, match="8×4; the limit is 31 pixels"):
        decode(corner_marked(), max_pixels=31)
    assert MAX_PIXELS == 89_478_485


@pytest.fixture(scope="module")
def many_scans() -> Callable[[int], bytes]:
    """``many_scans(100)``: a progressive JPEG whose last scan stands there so many times more."""
    ordinary = encoded(corner_marked(), "JPEG", progressive=True)
    last = ordinary[ordinary.rindex(b"\xff\xda") : -2]
    return lambda more: ordinary[:-2] + last * more + ordinary[-2:]


@pytest.mark.parametrize("check", [decode, verify])
def test_a_jpeg_of_many_scans_is_refused_before_it_is_decompressed(check, many_scans, tmp_path):
    assert scans(many_scans(0)) == 10
    check(many_scans(54))
    (tmp_path / "photo.jpg").write_bytes(many_scans(55))
    with Image.open(tmp_path / "photo.jpg") as unread:
        for source in (many_scans(55), tmp_path / "photo.jpg", unread):
            with pytest.raises(ImageError, match=r"too many scans \(a JPEG of 65 scans; the limit is 64\)") as caught:
                check(source)
            assert caught.value.kind == "too many scans"


def test_what_looks_like_a_scan_beside_the_image_is_none(many_scans):
    looks_like_scans = b"\xff\xda" * 100
    segment = b"\xff\xe5" + (len(looks_like_scans) + 2).to_bytes(2, "big") + looks_like_scans
    ordinary = many_scans(0)
    with_video = ordinary[:2] + segment + ordinary[2:] + looks_like_scans  # phones put a film behind the image's end
    assert scans(with_video) == scans(ordinary) == 10
    assert decode(with_video).tobytes() == decode(ordinary).tobytes()


def test_markers_without_a_length_hide_no_scans(many_scans):
    """libjpeg steps over two bytes of such a marker, where a length would be read out of what follows it."""
    whole = many_scans(100)
    second = whole.index(b"\xff\xda", whole.index(b"\xff\xda") + 2)
    assert scans(whole[:second] + b"\xff\x05\x7f\xff" + whole[second:]) >= 100


def test_broken_metadata_do_not_keep_an_image_from_being_read():
    file = encoded(corner_marked(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff broken")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert decode(file).size == (8, 4)


def test_the_error_survives_the_way_out_of_a_loader_process():
    with pytest.raises(ImageError) as caught:
        decode(b"no")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.kind) == (str(caught.value), "not an image")


@pytest.mark.skipif("DEIT_FINETUNE_PHOTOS" not in os.environ, reason="DEIT_FINETUNE_PHOTOS is not set")
def test_real_photographs_decode_as_pillow_shows_them():
    photos = sorted(Path(os.environ["DEIT_FINETUNE_PHOTOS"]).rglob("*.jpg"))
    assert photos
    for photo in photos:
        shown = ImageOps.exif_transpose(Image.open(photo)).convert("RGB")
        assert decode(photo).tobytes() == shown.tobytes()
        assert verify(photo)[:2] == shown.size
