import io

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageFilter

from finetune.data.images import verify_and_show
from finetune.data.sight.glance import GLANCE, glance, glances


def seen(*pictures):
    return glances([glance(picture) for picture in pictures])


def test_a_glance_is_220_bytes_and_its_hash_is_imagehashs(scene):
    picture = scene(0, (224, 224))
    item = glance(picture)
    assert len(item) == GLANCE.itemsize == 220
    assert f"{int(glances([item])['hash'][0]):016x}" == str(imagehash.phash(picture.convert("L")))


def test_brightness_contrast_and_colour_are_what_the_picture_has():
    assert seen(Image.linear_gradient("L").convert("RGB"))["contrast"] == pytest.approx(np.arange(256).std(), rel=0.02)
    left_black_right_red = Image.new("RGB", (100, 100))
    left_black_right_red.paste((255, 0, 0), (50, 0, 100, 100))
    found = seen(left_black_right_red)[0]
    luma_of_red = 76  # 0.299 * 255
    assert (found["shadows"], found["highlights"]) == (0, luma_of_red)
    assert found["contrast"] == pytest.approx(255 / 2, rel=0.05)
    assert found["chroma"] == pytest.approx(255 * 16 / 32, rel=0.05)
    assert found["thumbnail"][3, 0].tolist() == [0, 0, 0]
    assert found["thumbnail"][3, 7].tolist() == [255, 0, 0]


def test_a_blurred_copy_has_less_detail_and_a_darker_one_as_much(scene):
    picture = scene(1)
    sharp, blurred, dark = seen(picture, picture.filter(ImageFilter.GaussianBlur(4)), picture.point(lambda v: v // 3))
    assert blurred["detail"] < sharp["detail"] - np.log(10)
    assert dark["detail"] == pytest.approx(sharp["detail"], abs=0.2)


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (2, 2), (9, 3)])
def test_the_smallest_pictures_have_a_glance(size):
    assert seen(Image.new("RGB", size, "navy"))["contrast"][0] == 0


def test_a_jpeg_that_is_decoded_at_a_half_gives_nearly_the_same_glance_as_the_whole(scene):
    file = io.BytesIO()
    scene(2, (1024, 768)).save(file, "JPEG", quality=95)
    header, reduced = verify_and_show(file.getvalue(), 224)
    assert (header.width, header.height) == (1024, 768)
    assert reduced.size == (512, 384)
    one, other = seen(reduced, Image.open(file).convert("RGB"))
    assert np.bitwise_count(one["hash"] ^ other["hash"]) <= 2
    assert np.abs(one["thumbnail"].astype(int) - other["thumbnail"]).max() <= 1


def test_a_picture_that_is_verified_and_shown_is_upright_and_on_white():
    turned = Image.new("RGB", (40, 20), "blue")
    exif = turned.getexif()
    exif[0x0112] = 6
    file = io.BytesIO()
    turned.save(file, "JPEG", exif=exif)
    header, picture = verify_and_show(file.getvalue(), 224)
    assert (header.width, header.height) == picture.size == (20, 40)
    file = io.BytesIO()
    Image.new("RGBA", (3, 3)).save(file, "PNG")
    assert verify_and_show(file.getvalue(), 224)[1].getpixel((1, 1)) == (255, 255, 255)
