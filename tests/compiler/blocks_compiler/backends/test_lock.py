"""Lock files: they load to the same model and name what every component came from."""

import blocks
from blocks import Mixer, Position, Registry, hookimpl
from blocks_compiler.backends.lock import lock


class Turn(Position):
    where = "heads"
    module = "torch.nn:Identity"


class Mix(Mixer):
    module = "torch.nn:Identity"
    position: Position | None = None


class Plugin:
    @hookimpl
    def register_mixers(self, register):
        register("mix", Mix)

    @hookimpl
    def register_positions(self, register):
        register("turn", Turn)


TEXT = """
recipe: r
d_model: 8
vocab_size: 9
blocks: {m: {mixer: %s}}
model: [{embed: tokens}, {stack: {layers: m}}, {head: lm}]
"""


def test_a_lock_loads_to_the_same_model(planned):
    plan = planned()
    text = lock(plan, Registry.installed())
    again = blocks.load(text).plan()
    assert [(layer.path, layer.type.mixer, layer.type.norm) for layer in again.layers] == [
        (layer.path, layer.type.mixer, layer.type.norm) for layer in plan.layers
    ]
    assert [stage.component for stage in again.stages] == [stage.component for stage in plan.stages]
    assert lock(again, Registry.installed()) == text


def test_a_lock_names_the_versions(planned):
    recipe = blocks.load(lock(planned(), Registry.installed()))
    assert recipe.plugins == {"blocks-dsl": blocks.__version__}


def test_what_is_in_a_slot_is_named_too():
    base = Registry.installed(plugins=False)
    registry = base.with_plugin(Plugin())
    stranger = lock(blocks.load(TEXT % "mix").plan(registry=registry), registry)
    assert set(blocks.load(stranger).plugins) == {"(given)", "blocks-dsl"}
    slot = blocks.load(TEXT % "multi_head, n_heads: 2, position: turn").plan(registry=registry)
    assert set(blocks.load(lock(slot, registry)).plugins) == {"(given)", "blocks-dsl"}
