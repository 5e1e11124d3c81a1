"""Wu et al. 2016, equation 14."""

import pytest

from blocks_generate.length_penalty import length_penalty


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, -0.5])
def test_the_formula(alpha):
    for length in (1, 2, 10, 1000):
        assert length_penalty(length, alpha) == pytest.approx((5 + length) ** alpha / (5 + 1) ** alpha)
    assert length_penalty(1, alpha) == 1
