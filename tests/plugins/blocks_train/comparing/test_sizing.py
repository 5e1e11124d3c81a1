"""The width at which an architecture has so many parameters."""

import pytest

from blocks_train.comparing.sizing import NEAR, is_near, nearest_width


@pytest.mark.parametrize("target", [5_000, 120_000, 804_096, 3_000_000_000])
@pytest.mark.parametrize("start", [64, 128, 4096])
def test_a_width_near_any_target(target: int, start: int) -> None:
    width, parameters = nearest_width(lambda d: 12 * 4 * d * d + 65 * d, start, target)
    assert parameters == 48 * width * width + 65 * width
    best = min(abs(48 * d * d + 65 * d - target) for d in range(2, 40_000, 2))
    assert abs(parameters - target) <= max(NEAR * target, best)


def test_the_coarsest_grain_that_is_near_enough() -> None:
    assert nearest_width(lambda d: d * d, 100, 256**2 + 1000)[0] == 256
    assert nearest_width(lambda d: d * d, 100, 264**2)[0] == 264


def test_widths_that_are_not_allowed_are_passed_over() -> None:
    tried = []

    def count(width: int) -> int | None:
        tried.append(width)
        return width * width if width % 24 == 0 else None

    width, parameters = nearest_width(count, 24, 240**2)
    assert (width, parameters) == (240, 57_600)
    assert len(tried) == len(set(tried))


def test_a_recipe_that_is_near_already_stays() -> None:
    assert nearest_width(lambda d: d * d + 7, 130, 130**2) == (130, 130**2 + 7)


def test_what_cannot_be_had() -> None:
    assert nearest_width(lambda d: None, 128, 1000) is None
    width, parameters = nearest_width(lambda d: 10_000 if d == 128 else None, 128, 1000)
    assert (width, is_near(parameters, 1000)) == (128, False)
