"""What counts as a divergence, and what as noise."""

import json
import random

from blocks_train.loop.spikes import PATIENCE, Watch


def seen(losses, watch=None):
    """The number of the first loss at which a divergence is told; None where there is none."""
    watch = watch or Watch()
    return next((number for number, loss in enumerate(losses) if watch.see(loss)), None)


def falling(steps, noise=0.3):
    generator = random.Random(0)
    return [1.5 + 2.7 * 0.99**step + generator.gauss(0, noise) for step in range(steps)]


def test_noise_is_none() -> None:
    assert seen(falling(2000)) is None
    assert (
        seen([0.01 * (1 + step % 7) for step in range(500)]) is None
    )  # an overfitted model, noisy in proportion


def test_single_spikes_are_none() -> None:
    losses = falling(500)
    for at in range(100, 500, 12):
        losses[at : at + PATIENCE - 1] = [40.0] * (PATIENCE - 1)
    assert seen(losses) is None


def test_a_loss_that_stays_high_is_one() -> None:
    assert seen(falling(300) + [9.0] * 50) == 300 + PATIENCE - 1
    assert seen([4.2, *(4.2 * 1.4**step for step in range(100))]) is not None


def test_worse_than_it_was_but_better_than_guessing_is_none() -> None:
    assert seen([4.2, *[0.5] * 200, *[4.0] * 100]) is None


def test_what_a_checkpoint_holds_goes_on_the_same() -> None:
    losses = falling(250) + [9.0] * 50
    for cut in (1, 100, 255):
        first = Watch()
        assert seen(losses[:cut], first) is None
        again = Watch(**json.loads(json.dumps(first.state())))
        assert seen(losses[cut:], again) == 250 + PATIENCE - 1 - cut
