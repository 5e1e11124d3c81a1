"""The process's settings that importing a plugin must not change, and how they are put back.

Random numbers, torch's dtype, device, gradients, threads and determinism, the environment. Neither numpy nor
torch is imported for it: what is not loaded has no settings yet.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a loaded module. `fresh` brings it to where it stands right after the module's import.

    None for `fresh`: that is not known, and a plugin that is the first to import the module goes unseen.
    """

    what: str
    module: str
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], object]
    fresh: Callable[[Any], object] | None = None


def _numpy_state(numpy: Any) -> tuple[Any, ...]:
    kind, keys, *rest = numpy.get_state()
    return (kind, keys.tobytes(), *rest)


def _set_numpy_state(numpy: Any, state: tuple[Any, ...]) -> None:
    kind, keys, *rest = state
    numpy.set_state((kind, memoryview(keys).cast("I").tolist(), *rest))


def _torch_state(torch: Any) -> list[int]:
    state: list[int] = torch.get_rng_state().tolist()
    return state


def _set_torch_state(torch: Any, state: list[int]) -> None:
    torch.set_rng_state(torch.tensor(state, dtype=torch.uint8))


SETTINGS = (
    Setting(
        "the random state of `random`", "random",
        lambda m: m.getstate(), lambda m, v: m.setstate(v), lambda m: m.seed(),
    ),
    Setting("numpy's random state", "numpy.random", _numpy_state, _set_numpy_state, lambda m: m.seed()),
    Setting("torch's random state", "torch", _torch_state, _set_torch_state, lambda m: m.seed()),
    Setting(
        "torch's default dtype", "torch",
        lambda m: m.get_default_dtype(), lambda m, v: m.set_default_dtype(v),
        lambda m: m.set_default_dtype(m.float32),
    ),
    Setting(
        "torch's default device", "torch",
        lambda m: str(m.get_default_device()), lambda m, v: m.set_default_device(None if v == "cpu" else v),
        lambda m: m.set_default_device(None),
    ),
    Setting(
        "torch's gradient mode", "torch",
        lambda m: m.is_grad_enabled(), lambda m, v: m.set_grad_enabled(v), lambda m: m.set_grad_enabled(True),
    ),
    Setting(
        "torch's number of threads", "torch", lambda m: m.get_num_threads(), lambda m, v: m.set_num_threads(v)
    ),
    Setting(
        "torch's deterministic algorithms", "torch",
        lambda m: m.are_deterministic_algorithms_enabled(), lambda m, v: m.use_deterministic_algorithms(v),
        lambda m: m.are_deterministic_algorithms_enabled() and m.use_deterministic_algorithms(False),
    ),
    Setting(
        "torch's precision of matrix products", "torch",
        lambda m: m.get_float32_matmul_precision(), lambda m, v: m.set_float32_matmul_precision(v),
        lambda m: m.set_float32_matmul_precision("highest"),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The settings at one moment, seen from one thread."""

    values: Mapping[str, Any]
    environment: Mapping[str, str]

    @staticmethod
    def take() -> Snapshot:
        """The settings now."""
        values = {s.what: s.read(module) for s in SETTINGS if (module := _loaded(s)) is not None}
        return Snapshot(values, dict(os.environ))

    def restore(self) -> tuple[str, ...]:
        """Put back what has changed since; returns what that was, in words.

        A module that was imported since is brought to where its import leaves it; random states are not told
        of it, since they start at random anyway.
        """
        return (*self._restore_modules(), *self._restore_environment())

    def _restore_modules(self) -> Iterator[str]:
        for setting in SETTINGS:
            module = _loaded(setting)
            if module is None:
                continue
            found = setting.read(module)
            if setting.what in self.values:
                if self.values[setting.what] != found:
                    setting.write(module, self.values[setting.what])
                    yield setting.what
            elif setting.fresh is not None:
                setting.fresh(module)
                if "random" not in setting.what and setting.read(module) != found:
                    yield setting.what

    def _restore_environment(self) -> Iterator[str]:
        now = dict(os.environ)
        for name in sorted(now.keys() | self.environment.keys()):
            value = self.environment.get(name)
            if value == now.get(name):
                continue
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
            yield f"the environment variable {name}"


def _loaded(setting: Setting) -> Any:
    """The module of a setting if it is there to be asked: imported, and not only begun."""
    module = sys.modules.get(setting.module)
    spec = getattr(module, "__spec__", None)
    return None if getattr(spec, "_initializing", False) else module
