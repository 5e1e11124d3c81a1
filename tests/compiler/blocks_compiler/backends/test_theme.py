"""Colours: every family has its own, in light and dark, and text can be read on all of them."""

import re

import pytest

from blocks_compiler.backends.theme import DARK, LIGHT, THEMES
from blocks_compiler.families import FAMILIES


def luminance(color):
    """Relative luminance, 0 to 1 (WCAG 2.2, section 1.4.3)."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_text_can_be_read_on_every_fill(theme):
    fills = [theme.paper, theme.stage, theme.card]
    fills += [fill for shades in theme.families.values() for fill, _ in shades]
    for fill in fills:
        assert re.fullmatch("#[0-9a-f]{6}", fill)
        assert contrast(theme.ink, fill) >= 4.5, fill


def test_both_themes_have_the_same_shades_of_every_family():
    assert set(LIGHT.families) == set(DARK.families) == set(FAMILIES)
    assert all(len(LIGHT.families[name]) == len(DARK.families[name]) for name in FAMILIES)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_no_two_kinds_of_block_look_alike_until_the_shades_run_out(theme):
    shades = [theme.shade(name, i) for name in FAMILIES for i in range(len(theme.families[name]))]
    assert len(set(shades)) == len(shades)
    assert theme.shade("attention", 3) == theme.shade("attention", 0)


def test_a_family_that_is_not_there():
    with pytest.raises(KeyError, match="quantum"):
        LIGHT.shade("quantum", 0)
