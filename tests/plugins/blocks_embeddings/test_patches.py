"""Patch embeddings: transformers' of ViT, their declaration, and images that do not fit."""

import pytest
import torch
from pydantic import ValidationError
from transformers import ViTConfig
from transformers.models.vit.modeling_vit import ViTEmbeddings

import blocks
from blocks import Sizes
from blocks_compiler.backends.module import build_component
from blocks_compiler.conformance.cost import count_flops
from blocks_embeddings.patches import PatchEmbedding
from blocks_embeddings.specs import Patches


@torch.no_grad()
@pytest.mark.parametrize(("image", "patch", "channels"), [(32, 8, 3), (12, 4, 1), (6, 6, 2)])
def test_they_are_vits(image: int, patch: int, channels: int) -> None:
    torch.manual_seed(0)
    config = ViTConfig(hidden_size=16, image_size=image, patch_size=patch, num_channels=channels)
    theirs = ViTEmbeddings(config).eval()
    for parameter in theirs.parameters():
        parameter.normal_()
    ours = PatchEmbedding(16, image_size=image, patch_size=patch, channels=channels)
    ours.weight, ours.bias = (
        theirs.patch_embeddings.projection.weight,
        theirs.patch_embeddings.projection.bias,
    )
    assert ours.class_token is not None
    ours.class_token.copy_(theirs.cls_token[0, 0])
    pixels = torch.randn(3, channels, image, image)
    expected = theirs(pixels) - theirs.position_embeddings
    torch.testing.assert_close(ours(pixels), expected, rtol=1e-5, atol=1e-5)
    assert ours(pixels).shape == (3, (image // patch) ** 2 + 1, 16)


def test_patches_are_read_row_by_row_and_mapped_linearly() -> None:
    made = PatchEmbedding(5, image_size=6, patch_size=2, channels=3, class_token=False).double()
    pixels = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    rows = [pixels[:, :, y : y + 2, x : x + 2].flatten(1) for y in (0, 2, 4) for x in (0, 2, 4)]
    expected = torch.stack([row @ made.weight.flatten(1).T + made.bias for row in rows], dim=1)
    torch.testing.assert_close(made(pixels), expected, rtol=1e-12, atol=1e-12)


OPTIONS = [
    {}, {"image_size": 32, "patch_size": 8}, {"image_size": 12, "patch_size": 4, "channels": 1, "bias": False},
    {"image_size": 8, "patch_size": 8, "class_token": False},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS)
def test_built_as_declared(options: dict[str, int]) -> None:
    bound = Patches(**options).bind(Sizes(24))
    assert not list(bound.check(Sizes(24)))
    module = build_component(bound, 24, device="meta")
    assert sum(p.numel() for p in module.parameters()) == bound.cost().parameters(24)
    (pixels,) = bound.inputs()
    assert (pixels.name, pixels.dtype) == ("pixels", "float")
    shape = [1 if size == "B" else size for size in pixels.shape]
    counted, x = count_flops(module, torch.empty(shape, device="meta"))
    assert x.shape == (1, bound.length(), 24)
    for context in (1, 197, 4096):
        assert bound.cost().forward(context, 24) == counted
        assert bound.cost().decode(context, 24) == 0


@pytest.mark.parametrize(
    "shape", [(2, 3, 30, 32), (2, 3, 64, 64), (2, 1, 32, 32), (3, 32, 32), (2, 5, 3, 32, 32)]
)
def test_an_image_of_another_size(shape: tuple[int, ...]) -> None:
    made = PatchEmbedding(8, image_size=32, patch_size=8)
    with pytest.raises(ValueError, match=r"pixels are \[B, 3, 32, 32\], not \["):
        made(torch.zeros(shape))


def test_whole_numbers_are_no_pixels_and_other_precisions_are() -> None:
    made = build_component(Patches(image_size=8, patch_size=4), 8)
    with pytest.raises(ValueError, match="floating-point numbers, normalised as in training, not torch"):
        made(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    pixels = torch.randn(1, 3, 8, 8)
    torch.testing.assert_close(made(pixels.double()), made(pixels))
    assert made.bfloat16()(pixels).dtype == torch.bfloat16


def test_every_parameter_learns() -> None:
    made = build_component(Patches(image_size=8, patch_size=4), 8)
    made(torch.randn(2, 3, 8, 8)).square().sum().backward()
    assert all(
        parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in made.parameters()
    )
    assert made(torch.zeros(0, 3, 8, 8)).shape == (0, 5, 8)


@pytest.mark.parametrize("option", ["image_size", "patch_size", "channels"])
def test_nothing_is_empty(option: str) -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        Patches(**{option: 0})  # type: ignore[arg-type]


@pytest.mark.parametrize(("image", "patch", "near"), [(224, 15, "210 or 225"), (8, 9, "9 or 18")])
def test_patches_that_do_not_fill_the_image(image: int, patch: int, near: str) -> None:
    (found,) = Patches(image_size=image, patch_size=patch).check(Sizes(8))
    assert (found.code, found.field) == ("B0346", "patch_size")
    assert found.help is not None
    assert near in found.help


@pytest.mark.parametrize(("rows", "code"), [(16, "B0347"), (17, None), (40, None)])
def test_positions_are_enough_for_the_patches(rows: int, code: str | None) -> None:
    recipe = blocks.load("vit-tiny", set={"position.learned.max_len": rows})
    if code is None:
        assert recipe.plan().streams[0].length == 17
        return
    with pytest.raises(blocks.RecipeError, match="16 positions are fewer than the 17 vectors") as caught:
        recipe.plan()
    assert [found.code for found in caught.value.diagnostics] == [code]
