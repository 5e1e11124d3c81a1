"""What a component declares and what its module holds: told when they differ, with the culprit."""

from __future__ import annotations

from typing import Any

import pytest

import blocks
from blocks import Cost, D, Mixer, Registry, hookimpl
from blocks_compiler import compile_plan
from blocks_compiler.backends.audit import wrong_costs
from blocks_compiler.backends.module import build_module

RECIPE = "recipe: r\nd_model: 16\nvocab_size: 9\ndepth: 4\nmodel: interleaved Liar and FFN, tied embeddings\n"


def plugin(declared: Any) -> Any:
    """A plugin whose mixer is a gated MLP of 3 * 16 * 8 parameters, and declares something."""

    class Liar(Mixer):
        module = "blocks_feedforward.module:GatedMLP"

        def call(self, width: int) -> blocks.Call:
            return blocks.Call(self.module, (width,), {"d_ff": 8})

        def cost(self) -> Cost:
            return Cost(params=declared)

    class Plugin:
        @hookimpl
        def register_mixers(self, register: blocks.Register) -> None:
            register("liar", Liar)

    return Plugin()


@pytest.mark.parametrize(("declared", "said"), [(24 * D, None), (24 * D + 5, "389")])
def test_a_wrong_declaration_names_its_plugin(declared: Any, said: str | None) -> None:
    registry = Registry.installed(plugins=False).with_plugin(plugin(declared))
    graph = compile_plan(blocks.load(RECIPE).plan(registry=registry), registry=registry)
    found = wrong_costs(build_module(graph, device="meta"), graph, registry)
    if said is None:
        assert found == []
        return
    (wrong,) = found  # one for the two places where it stands
    assert wrong.code == "B0610"
    where = "its module at layers.0.mixer has 384"
    assert wrong.message == f"mixer 'liar' of plugin 'Plugin' declares {said} parameters, and {where}"


@pytest.mark.parametrize("name", ["gpt2-tiny", "llama-3.1-tiny", "nemotron-h-tiny", "mamba-tiny"])
def test_the_published_models_are_as_declared(name: str) -> None:
    graph = blocks.compile_graph(name)
    assert wrong_costs(build_module(graph, device="meta"), graph, Registry.installed()) == []
