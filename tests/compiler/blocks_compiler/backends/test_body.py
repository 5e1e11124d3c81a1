"""A body and its heads: what the heads would read comes out, the parameters are the model's own, and back."""

import pytest
import torch

import blocks

ONE, TWO, SEVERAL = "gpt2-tiny", "transformer-tiny", "zoo/bert-like"


@pytest.fixture(params=[ONE, TWO, SEVERAL])
def parts(request):
    model = blocks.build(f"recipes/{request.param}.yaml").eval()
    plan = blocks.load(model.recipe).plan()
    return model, plan, *blocks.split_heads(model, plan)


def arguments(plan):
    torch.manual_seed(0)
    return [torch.randint(0, plan.sizes.vocab_size, (2, 7)) for _ in plan.streams]


def test_heads_of_what_the_body_gives_are_the_model(parts):
    model, plan, body, heads = parts
    read, _ = body(*arguments(plan))
    wanted, _ = model(*arguments(plan))
    assert heads.keys() == plan.head_paths.keys()
    for path, head in heads.items():
        name = plan.head_paths[path].name
        x, y = (read[name], wanted[name]) if name else (read, wanted)
        assert x.shape == (2, 7, plan.sizes.d_model)
        assert torch.equal(head(x), y)


def test_the_model_stays_whole_and_nothing_is_copied(parts):
    model, plan, body, heads = parts
    own = {id(parameter) for parameter in model.parameters()}
    split = [*body.parameters(), *(each for head in heads.values() for each in head.parameters())]
    assert {id(parameter) for parameter in split} == own
    before = "".join(f"{stream.name}." for stream in plan.streams[-1:] if stream.name)
    for path, head in heads.items():
        assert model.get_submodule(before + path) is head
        assert body.get_submodule(before + path) is not head
    assert type(body) is type(model)


def test_the_way_back(parts):
    model, plan, body, heads = parts
    again = blocks.join_heads(body, heads, plan)
    assert again.state_dict().keys() == model.state_dict().keys()
    got, wanted = again(*arguments(plan))[0], model(*arguments(plan))[0]
    assert (
        all(map(torch.equal, got.values(), wanted.values()))
        if isinstance(got, dict)
        else torch.equal(got, wanted)
    )
    missing = next(iter(heads))
    with pytest.raises(ValueError, match=f"not whole without {missing}"):
        blocks.join_heads(body, {path: head for path, head in heads.items() if path != missing}, plan)
