"""Rays meet bands and panels where geometry says."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.data.bundled.fridge.camera import FRAME, HEIGHT_PX, PER_PX, WIDTH_PX, Camera, Gaze
from finetune.data.bundled.fridge.frames import Frame, turn
from finetune.data.bundled.fridge.solids import Band, Panel
from finetune.data.bundled.fridge.surface import plain

GREY = plain((128, 128, 128))
MIDDLE = HEIGHT_PX * PER_PX // 2, WIDTH_PX * PER_PX // 2


@pytest.fixture
def gaze() -> Gaze:
    """From 10 cm before the origin, 1 cm up, along y."""
    camera = Camera.aimed(np.array([0.0, -10.0, 1.0]), np.array([0.0, 0.0, 1.0]), roll=0.0, focal_px=500)
    return Gaze(camera, Frame(), FRAME, camera.rays(FRAME, PER_PX))


def test_a_ray_goes_through_the_pixel_that_its_points_are_seen_in(gaze: Gaze):
    row, column = 101, 300
    point = gaze.camera.position + 7 * gaze.rays[:, row, column]
    x, y = gaze.camera.project(point[None])[0]
    assert (x, y) == pytest.approx(((column + 0.5) / PER_PX, (row + 0.5) / PER_PX), abs=1e-3)


def test_a_cylinder_is_met_on_its_near_side_and_faces_the_viewer(gaze: Gaze):
    band = Band(np.array([(2.0, 0.0), (2.0, 2.0)]), GREY)
    depth, along = band.meet(gaze)
    assert depth[MIDDLE] == pytest.approx(8, abs=1e-3)
    assert along[MIDDLE] == pytest.approx(0.5, abs=1e-2)
    spot = band.describe(np.array([[0.0], [-2.0], [0.5]]), np.array([0.25]))
    assert spot.normal[:, 0] == pytest.approx([0, -1, 0], abs=1e-6)
    assert (spot.u[0], spot.v[0]) == pytest.approx((0.5, 0.75))


def test_a_profile_walked_downwards_shows_its_inside(gaze: Gaze):
    depth, _ = Band(np.array([(2.0, 2.0), (2.0, 0.0)]), GREY).meet(gaze)
    assert depth[MIDDLE] == pytest.approx(12, abs=1e-3)


def test_rays_beside_a_cylinder_miss_it(gaze: Gaze):
    depth, _ = Band(np.array([(2.0, 0.0), (2.0, 2.0)]), GREY).meet(gaze)
    assert np.isinf(depth[MIDDLE[0], 0])
    # Tangent rays: sin = radius / distance.
    columns = np.flatnonzero(np.isfinite(depth[MIDDLE[0]]))
    half_width = 500 * 0.2 / np.sqrt(1 - 0.2**2)
    assert (columns[-1] - columns[0]) / PER_PX == pytest.approx(2 * half_width, abs=1.5)


def test_a_panel_is_met_on_its_front_and_not_from_behind(gaze: Gaze):
    corners = np.array([(-1.0, -3.0, 0.0), (1.0, -3.0, 0.0), (1.0, -3.0, 2.0), (-1.0, -3.0, 2.0)])
    depth, _ = Panel(corners, GREY, 2.0).meet(gaze)
    assert depth[MIDDLE] == pytest.approx(7, abs=1e-3)
    assert np.isinf(Panel(corners[::-1], GREY, 2.0).meet(gaze)[0]).all()
    spot = Panel(corners, GREY, 2.0).describe(np.array([[0.5], [-3.0], [1.5]]), np.array([0.0]))
    assert (spot.u[0], spot.v[0]) == pytest.approx((0.75, 0.25))


def test_frames_nest():
    inner, outer = Frame(turn(2, np.pi / 2), np.array([1.0, 0, 0])), Frame(turn(0, np.pi / 2), np.array([0, 0, 5.0]))
    nested = inner.inside(outer)
    point = np.array([[0.3, -0.2, 0.7]])
    assert nested.to_world(point)[0] == pytest.approx(outer.to_world(inner.to_world(point))[0])
    assert nested.to_local(nested.to_world(point)[0]) == pytest.approx(point[0])
