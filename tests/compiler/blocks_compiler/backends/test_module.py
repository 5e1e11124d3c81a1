"""The module backend: every tiny recipe as a model that runs, compiles, exports, and starts from its seed."""

import hashlib
import inspect
import random
import time
from itertools import pairwise

import pytest
import torch

import blocks
from blocks import BuildError
from blocks_compiler.backends.module import allocate, build_module

VOCABULARY = 256


def tokens(batch: int, length: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(seed))


def sources(batch: int) -> torch.Tensor:
    """What an encoder reads: the same for every row, so that a row alone reads it too."""
    return tokens(1, 5, seed=2).expand(batch, -1).contiguous()


def call(run, ids, state=None, mask=None):
    """A model of one stream, or of two with a source of its own."""
    if not hasattr(run, "encoder"):
        return run(ids, state, mask)
    return run(sources(len(ids)) if state is None else None, ids, state, None, mask)


def rms(got: torch.Tensor, wanted: torch.Tensor) -> float:
    return float(
        (got.double() - wanted.double()).square().mean().sqrt() / wanted.double().square().mean().sqrt()
    )


def digest(model: torch.nn.Module) -> str:
    found = hashlib.sha256()
    for name, value in model.state_dict().items():
        found.update(name.encode() + value.contiguous().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def test_a_model_carries_its_recipe(model, tiny):
    text = model(tiny).recipe
    again = blocks.build(text)
    assert again.recipe == text
    assert digest(again) == digest(model(tiny))


class TestForward:
    @torch.no_grad()
    def test_logits_have_the_declared_shape(self, model, of_tokens):
        for batch, length in ((2, 9), (1, 1), (3, 0), (0, 4)):
            logits, state = call(model(of_tokens), tokens(batch, length))
            assert logits.shape == (batch, length, VOCABULARY)
            assert logits.dtype == torch.float32
            assert "layers" in state

    @torch.no_grad()
    def test_any_split_agrees(self, model, of_tokens):
        run, ids = model(of_tokens), tokens(2, 41)
        whole, _ = call(run, ids)
        source = random.Random(1)
        for marks in (range(42), sorted(source.sample(range(42), 4)), [0, 40]):
            state, parts = None, []
            for start, end in pairwise([0, *marks, 41]):
                logits, state = call(run, ids[:, start:end], state)
                parts.append(logits)
            assert rms(torch.cat(parts, dim=1), whole) < 1e-5

    @torch.no_grad()
    def test_a_left_padded_batch_is_its_rows(self, model, of_tokens):
        run, ids = model(of_tokens), tokens(3, 21)
        real = torch.tensor([21, 13, 2])
        mask = torch.arange(21) >= 21 - real[:, None]
        logits, state = call(run, ids, mask=mask)
        later, _ = call(run, tokens(3, 1, seed=1), state)
        for row, count in enumerate(real.tolist()):
            alone, own = call(run, ids[row : row + 1, 21 - count :])
            assert rms(logits[row, 21 - count :], alone[0]) < 1e-5
            step, _ = call(run, tokens(3, 1, seed=1)[row : row + 1], own)
            assert rms(later[row], step[0]) < 1e-5

    @torch.no_grad()
    def test_bfloat16_is_close(self, model, of_tokens):
        ids = tokens(2, 19)
        logits, _ = call(model(of_tokens, "bfloat16"), ids)
        assert logits.dtype == torch.bfloat16
        assert logits.isfinite().all()
        assert rms(logits, call(model(of_tokens), ids)[0]) < 0.05

    def test_gradient_flows_to_every_parameter(self, model, of_tokens):
        run, ids = model(of_tokens), tokens(2, 33)
        logits, _ = call(run, ids)
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        names = dict(run.named_parameters())
        gradients = torch.autograd.grad(loss, list(names.values()))
        for name, gradient in zip(names, gradients, strict=True):
            assert gradient.isfinite().all(), name
            assert gradient.any(), name


class TestCompile:
    @torch.no_grad()
    def test_fullgraph_with_dynamic_sizes(self, model, of_tokens):
        torch._dynamo.reset()
        run = model(of_tokens)
        fast = torch.compile(run, fullgraph=True, backend="eager", dynamic=True)
        for batch, length in ((2, 12), (3, 29)):
            ids = tokens(batch, length)
            assert rms(call(fast, ids)[0], call(run, ids)[0]) < 1e-5

    @torch.no_grad()
    def test_export_with_dynamic_batch_and_length(self, model, of_tokens):
        run = model(of_tokens)
        sizes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
        inputs = (sources(2), tokens(2, 12)) if hasattr(run, "encoder") else (tokens(2, 12),)
        program = torch.export.export(run, inputs, dynamic_shapes=(sizes,) * len(inputs))
        for batch, length in ((2, 12), (1, 40), (5, 7)):
            ids = tokens(batch, length)
            inputs = (sources(batch), ids) if hasattr(run, "encoder") else (ids,)
            assert rms(program.module()(*inputs)[0], call(run, ids)[0]) < 1e-5


class TestWeights:
    def test_parameters_are_what_the_graph_counts(self, graph, recipe):
        compiled = graph(recipe)
        model = build_module(compiled, device="meta")
        counted = sum(node.cost.parameters(node.width) for node in compiled.walk())
        assert sum(parameter.numel() for parameter in model.parameters()) == counted

    def test_56_billion_on_the_meta_device(self, graph):
        start = time.perf_counter()
        model = build_module(graph("nemotron-h-56b"), device="meta", dtype="bfloat16")
        assert time.perf_counter() - start < 10
        assert sum(parameter.numel() for parameter in model.parameters()) == 56_324_350_464
        assert all(parameter.is_meta for parameter in model.parameters())

    def test_the_seed_decides_every_bit(self, graph, tiny):
        first = build_module(graph(tiny), seed=3)
        torch.manual_seed(5)
        build_module(graph("gpt2-tiny"), seed=9)
        assert digest(build_module(graph(tiny), seed=3)) == digest(first)
        assert digest(build_module(graph(tiny), seed=4)) != digest(first)

    def test_by_way_of_the_meta_device(self, graph, tiny):
        straight = build_module(graph(tiny), seed=3)
        late = build_module(graph(tiny), device="meta")
        allocate(late, torch.device("cpu"), torch.float32)
        inspect.getmodule(type(late)).init_weights(late, 3)
        assert digest(late) == digest(straight)

    def test_bfloat16_weights_are_those_of_float32_rounded(self, model, tiny):
        half = model(tiny, "bfloat16").state_dict()
        assert all(torch.equal(half[k], v.bfloat16()) for k, v in model(tiny).state_dict().items())

    @pytest.mark.parametrize("name", ["gpt2-tiny", "mamba-tiny", "mamba2-tiny"])
    def test_tied_weights_are_one_tensor(self, graph, model, name):
        run = model(name)
        assert run.head.weight is run.embed.weight
        assert "head.weight" not in dict(run.named_parameters())
        assert graph(name).node("head").ties == (("weight", "embed.weight"),)

    def test_untied_weights_are_two(self, model):
        run = model("llama-3.1-tiny")
        assert run.head.weight is not run.embed.weight


class TestDevelopers:
    def test_source_of_a_built_model_can_be_read(self, model, tiny):
        run = model(tiny)
        assert "def forward(" in inspect.getsource(type(run))
        mixer = next(module for path, module in run.named_modules() if path.endswith(".mixer"))
        assert inspect.getsource(type(mixer)).startswith("class ")

    def test_paths_of_the_graph_are_paths_of_the_model(self, graph, model, tiny):
        modules = dict(model(tiny).named_modules(remove_duplicate=False))
        paths = [n.path for n in graph(tiny).walk() if n.component is not None]
        assert not set(paths) - modules.keys()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"device": "abacus"}, "the device 'abacus' cannot be had"),
            ({"dtype": "int8"}, "'int8' is not a dtype"),
        ],
    )
    def test_what_cannot_be_had(self, graph, options, message):
        with pytest.raises(BuildError, match=message):
            build_module(graph("gpt2-tiny"), **options)

    def test_build_takes_a_path(self, model):
        from pathlib import Path

        path = Path(__file__).parents[4] / "recipes" / "gpt2-tiny.yaml"
        assert digest(blocks.build(path)) == digest(model("gpt2-tiny"))
