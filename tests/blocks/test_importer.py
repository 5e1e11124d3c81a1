"""Rules pair names in both directions: what a rule shows are views, so filling them fills ours."""

import pytest
import torch

from blocks import Importer, Rule
from blocks.foreign_config import Config
from blocks.importer import by_head, halves, rows, stacked, tap, thirds, transposed


def test_names_of_a_module_of_a_parameter_and_of_experts() -> None:
    assert Rule("a", "b").names("weight", 1) == ("b.weight",)
    assert Rule("a.bias", "b").names("", 1) == ("b",)
    assert Rule("a", ("q", "k")).names("bias", 2) == ("q.bias", "k.bias")
    pair = Rule("a", ("e.{e}.w1", "e.{e}.w3")).names("weight", 4)
    assert pair == ("e.0.w1.weight", "e.0.w3.weight", "e.1.w1.weight", "e.1.w3.weight")


@pytest.mark.parametrize(
    ("parts", "shape"),
    [
        (rows(2, 4), (6, 5)), (halves, (6, 5)), (thirds, (6,)), (transposed, (6, 5)), (transposed, (6,)),
        (by_head(2), (12, 5)), (by_head(2), (12,)), (tap, (6, 4)), (tap, (6,)), (stacked, (3, 6, 5)),
    ],
)  # fmt: skip
def test_parts_are_views_that_cover_a_tensor_once(parts: object, shape: tuple[int, ...]) -> None:
    assert callable(parts)
    tensor = torch.zeros(shape)
    for view in parts(tensor):
        view += 1
    assert torch.equal(tensor, torch.ones(shape))


def test_rows_by_head_are_those_of_each_head_together() -> None:
    ours = torch.arange(12)  # q of head 0, q of head 1, k of head 0, …, two channels each
    (theirs,) = by_head(2)(ours)
    assert theirs.flatten().tolist() == [0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11]


class Family(Importer):
    """A family with two heads."""

    model_type = "family"
    architectures = {"FamilyForSomething": "something", "FamilyModel": ""}  # noqa: RUF012
    prefix = "base."
    renamed = {"gamma": "weight"}  # noqa: RUF012


def test_names_with_and_without_the_prefix() -> None:
    family = Family()
    assert family.today("layer.gamma") == "base.layer.weight"
    assert family.today("base.layer.weight") == "base.layer.weight"
    assert family.today("lm_head.weight") == "lm_head.weight"
    whole, alone = (Config({"architectures": [name]}) for name in family.architectures)
    assert family.written("base.layer.weight", whole) == "base.layer.weight"
    assert family.written("base.layer.weight", alone) == "layer.weight"


def test_an_architecture_that_is_not_read_is_a_finding() -> None:
    config = Config({"architectures": ["FamilyForNothing"]})
    assert Family().head(config) == ""
    (finding,) = config.all_findings()
    assert finding.help == "of family: FamilyForSomething, FamilyModel"
    assert Family().head(Config({})) == "something"
