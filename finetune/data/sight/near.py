"""Copies among many pictures: resized, re-encoded, brightened. By hash first, then by thumbnail."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

FARTHEST_BITS = 7  # of 64. Hashes that differ in 7 bits have one of their 8 bytes in common, which finds them fast
MOST_DIFFERENCE = 0.075  # of the thumbnails, as a share of their contrast
NEAREST = 10  # copies of a picture that are told, where there are millions of pairs: frames of one film
LEAST_CONTRAST = 3.0  # grey levels; what is plainer than this has no picture that could be compared
_BLOCK = 2048  # glances that are compared with as many at once: 32 MB
_DENSE = 50  # where more than one in so many is nominated, all thumbnails of the blocks are multiplied at once
_MANY = 2_000_000  # pairs, 40 MB
_CROWD, _STARS = 8, 64  # pictures of one hash that are worth gathering, and around how many of them at most
_LEAST_CORRELATION = np.sqrt(1 - MOST_DIFFERENCE**2)
_BYTES = 8


def near_pairs(glances: np.ndarray) -> np.ndarray:
    """Pairs of pictures of which one is a copy of the other, or both of a third.

    Two hashes within `FARTHEST_BITS` only nominate a pair: among 1,797 handwritten digits 401 pairs are so near. What
    decides is how much of the thumbnail is left when the other one, with the best gain and an offset for each channel,
    is taken away. Measured on 18 photographs, 262 drawn ones and 2,517 images of digits, as a share of the contrast: of
    copies at most 0.034 after JPEG of quality 20, 0.062 after halving crops of 60 pixels and JPEG of quality 50, 0.075
    at 1.15 times the brightness; of different images at least 0.101 (sheets of digits) and 0.136 (digits). A crop by
    5 % leaves 0.12 and is not found, nor is a mirrored, turned or grey copy.

    Args:
        glances: (images,) of `GLANCE`.
    Returns:
        (pairs, 2) int64, the smaller index first, sorted. Equal pictures are among them, plain ones are not. Where many
        pictures are copies of each other, not all their pairs, but each picture has one with one of them.
    """
    kept = np.flatnonzero(glances["contrast"] > LEAST_CONTRAST)
    hashes, thumbnails = glances["hash"][kept], glances["thumbnail"][kept].reshape(len(kept), 64, 3)
    stars = _stars(hashes, thumbnails)
    single = np.ones(len(kept), dtype=bool)
    single[stars[:, 1]] = False
    left = np.flatnonzero(single)
    pairs = np.concatenate([stars, left[_all_pairs(hashes[left], thumbnails[left])]])
    pairs = np.sort(kept[pairs], axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _stars(hashes: np.ndarray, thumbnails: np.ndarray) -> np.ndarray:
    """Pairs (pairs, 2) of a picture and another of its very hash, which then needs no search of its own.

    Of a camera that does not move there may be thousands of nearly the same picture: all their pairs would be millions.
    """
    order = np.argsort(hashes, kind="stable")
    bounds = 1 + np.flatnonzero(np.diff(hashes[order]))
    stars = [np.empty((0, 2), dtype=np.int64)]
    for members in np.split(order, bounds):
        for _ in range(_STARS):
            if len(members) < _CROWD:
                break
            unit = _unit(thumbnails[members])
            alike = unit @ unit[0] >= _LEAST_CORRELATION
            others = members[alike][1:]
            stars.append(np.stack([np.full(len(others), members[0]), others], axis=1))
            members = members[~alike]
    return np.concatenate(stars)


def _all_pairs(hashes: np.ndarray, thumbnails: np.ndarray) -> np.ndarray:
    pairs, correlation = np.empty((0, 2), dtype=np.int64), np.empty(0, dtype=np.float32)
    more: list[tuple[np.ndarray, np.ndarray]] = []
    for byte, members in _of_one_byte(hashes):
        more += ((members[found], how) for found, how in _alike(hashes[members], thumbnails[members], byte))
        if sum(len(found) for found, _ in more) > _MANY:
            pairs, correlation = _nearest(*_joined(pairs, correlation, more))
            more = []
    return _joined(pairs, correlation, more)[0]


def _joined(
    pairs: np.ndarray, correlation: np.ndarray, more: list[tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    all_pairs = np.concatenate([pairs, *(found for found, _ in more)])
    return all_pairs, np.concatenate([correlation, *(how for _, how in more)])


def _nearest(pairs: np.ndarray, correlation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those that are among the `NEAREST` of one of the two pictures."""
    kept = np.zeros(len(pairs), dtype=bool)
    for side in (0, 1):
        order = np.lexsort((-correlation, pairs[:, side]))
        picture = pairs[order, side]
        first = np.searchsorted(picture, picture)
        kept[order[np.arange(len(order)) - first < NEAREST]] = True
    return pairs[kept], correlation[kept]


def _of_one_byte(hashes: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each byte, and which hashes have the same value of it, where at least two do.

    Multi-index hashing: Norouzi, Punjani, Fleet, "Fast search in Hamming space with multi-index hashing", CVPR 2012.
    """
    for byte in range(_BYTES):
        values = (hashes >> np.uint64(8 * byte)) & np.uint64(255)
        order = np.argsort(values, kind="stable")
        bounds = np.searchsorted(values[order], np.arange(257))
        yield from ((byte, order[start:end]) for start, end in itertools.pairwise(bounds) if end - start > 1)


def _alike(hashes: np.ndarray, thumbnails: np.ndarray, byte: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs (pairs, 2) of the same picture among those that have a byte in common, and how well they correlate."""
    unit = _unit(thumbnails)
    for rows, columns, one, other in _nominated(hashes, byte):
        if len(one) * _DENSE > len(unit[rows]) * len(unit[columns]):
            correlation = (unit[rows] @ unit[columns].T)[one, other]
        else:
            correlation = np.einsum("ij,ij->i", unit[rows][one], unit[columns][other])
        same = correlation >= _LEAST_CORRELATION
        pairs = np.stack([rows.start + one[same], columns.start + other[same]], axis=1)
        yield pairs, correlation[same]


def _nominated(hashes: np.ndarray, byte: int) -> Iterator[tuple[slice, slice, np.ndarray, np.ndarray]]:
    """Two blocks, and in each which hashes are within `FARTHEST_BITS` of each other. A pair that has an earlier byte in
    common was met there and is left out.
    """
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(hashes), _BLOCK)]
    for rows, columns in itertools.combinations_with_replacement(blocks, 2):
        different = hashes[rows][:, None] ^ hashes[columns][None, :]
        near = np.bitwise_count(different) <= FARTHEST_BITS
        one, other = np.nonzero(np.triu(near, 1) if rows == columns else near)
        fresh = ~_common_before(different[one, other], byte)
        if fresh.any():
            yield rows, columns, one[fresh], other[fresh]


def _common_before(different: np.ndarray, byte: int) -> np.ndarray:
    found = np.zeros(len(different), dtype=bool)
    for earlier in range(byte):
        found |= (different >> np.uint64(8 * earlier)) & np.uint64(255) == 0
    return found


def _unit(thumbnails: np.ndarray) -> np.ndarray:
    """(images, 192) of length 1, each channel's mean taken away: pictures are not alike because all are pink.

    Args:
        thumbnails: (images, 64, 3).
    """
    values = thumbnails.astype(np.float32)
    values = (values - values.mean(1, keepdims=True)).reshape(len(values), -1)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    unit: np.ndarray = values / np.maximum(lengths, 1e-6)
    return unit
