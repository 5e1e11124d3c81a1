"""Batches by step: each window and document once an epoch, the same for any number of ranks, isolated where packed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks import BuildError, UsageError
from blocks_train.data import IGNORED, Loader

MODES = [("stream", False), ("stream", True), ("documents", False), ("padded", False)]


def rows(batch):
    """All that a batch holds, as one array."""
    return np.concatenate([*batch.inputs.values(), batch.targets], axis=1)


# The order ------------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=80)
@given(
    lengths=st.lists(st.integers(2, 30), min_size=1, max_size=30),
    context=st.integers(1, 6),
    mode=st.sampled_from(MODES),
    seed=st.integers(0, 9),
    step=st.integers(0, 1000),
)
def test_ranks_share_out_the_batch_of_one(numbered, lengths, context, mode, seed, step):
    corpus = numbered(24, *lengths)
    packing, carry = mode
    options = {"batch": 4, "context": context, "packing": packing, "carry": carry, "seed": seed}
    whole = Loader(corpus, **options).batch(step)
    for ranks in (2, 4):
        parts = [Loader(corpus, **options, rank=rank, ranks=ranks).batch(step) for rank in range(ranks)]
        assert np.array_equal(np.concatenate([rows(part) for part in parts]), rows(whole))
        assert {part.fresh for part in parts} == {whole.fresh}
        assert sum(part.count for part in parts) == whole.count


@pytest.mark.parametrize(("packing", "carry"), MODES)
def test_a_batch_depends_on_seed_and_step_alone(numbered, packing, carry):
    corpus = numbered(*range(2, 40))
    options = {"batch": 4, "context": 8, "packing": packing, "carry": carry}
    there = Loader(corpus, **options, seed=1)
    forth = [rows(there.batch(step)) for step in range(60)]
    back = [rows(Loader(corpus, **options, seed=1).batch(step)) for step in reversed(range(60))]
    assert all(np.array_equal(a, b) for a, b in zip(forth, reversed(back), strict=True))
    other = Loader(corpus, **options, seed=2)
    assert any(not np.array_equal(a, rows(other.batch(step))) for step, a in enumerate(forth))


def epochs(loader, batch, count):
    """The rows of some epochs, from batches that do not end with them."""
    steps = -(-loader.rows * count // batch)
    found = [loader.batch(step) for step in range(steps)]
    tokens = np.concatenate([batch.inputs["tokens"] for batch in found])
    targets = np.concatenate([batch.targets for batch in found])
    return [
        (tokens[start : start + loader.rows], targets[start : start + loader.rows])
        for start in range(0, count * loader.rows, loader.rows)
    ]


# Stream ---------------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=100)
@given(
    tokens=st.integers(2, 300),
    context=st.integers(1, 20),
    batch=st.integers(1, 9),
    shift=st.integers(0, 1),
    seed=st.integers(0, 99),
)
def test_windows_tile_the_corpus_once_an_epoch(numbered, tokens, context, batch, shift, seed):
    corpus = numbered(tokens)
    if tokens < context + shift:
        with pytest.raises(BuildError):
            Loader(corpus, batch=batch, context=context, shift=shift)
        return
    loader = Loader(corpus, batch=batch, context=context, shift=shift, seed=seed)
    for read, predicted in epochs(loader, batch, 3):
        starts = np.sort(read[:, 0])
        assert (np.diff(starts) == context).all()
        assert (read == read[:, :1] + np.arange(context)).all()
        assert (predicted == read + shift).all()
        assert starts[0] < context
        assert tokens - shift - (starts[-1] + context) < 2 * context


def test_windows_begin_anywhere_and_come_in_any_order(numbered):
    loader = Loader(numbered(1000), batch=98, context=10)
    firsts = [epoch[0][:, 0] for epoch in epochs(loader, 98, 200)]
    assert {int(first.min()) for first in firsts} == set(range(10))
    orders = {tuple((first // 10).tolist()) for first in firsts}
    assert len(orders) == 200


def test_a_stream_has_no_mask_and_stands_alone(numbered):
    batch = Loader(numbered(50, 50), batch=3, context=8).batch(5)
    assert list(batch.inputs) == ["tokens"]
    assert batch.inputs["tokens"].shape == batch.targets.shape == (3, 8)
    assert batch.inputs["tokens"].dtype == batch.targets.dtype == np.int64
    assert batch.fresh
    assert batch.count == 24


# Carried --------------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=100)
@given(tokens=st.integers(2, 300), context=st.integers(1, 9), batch=st.integers(1, 5), seed=st.integers(0, 9))
def test_carried_rows_go_on_where_they_stopped(numbered, tokens, context, batch, seed):
    corpus = numbered(tokens)
    if tokens < batch * context + 1:
        with pytest.raises(BuildError, match="side by side"):
            Loader(corpus, batch=batch, context=context, carry=True)
        return
    loader = Loader(corpus, batch=batch, context=context, carry=True, seed=seed)
    steps = loader.rows // batch
    before = None
    for step in range(3 * steps):
        found = loader.batch(step)
        read = found.inputs["tokens"]
        assert found.fresh == (step % steps == 0)
        if not found.fresh:
            assert (read[:, 0] == before[:, -1] + 1).all()
        assert (found.targets == read + 1).all()
        before = read
    for read, _ in epochs(loader, batch, 3):
        assert len(np.unique(read)) == read.size == loader.rows * context
        assert tokens - 1 - read.size < batch * context
        assert read.max() - read.min() == read.size - 1


# Documents ------------------------------------------------------------------------------------------------------------

DOCUMENTS = st.lists(st.integers(1, 40), min_size=1, max_size=25)


@settings(deadline=None, max_examples=120)
@given(
    lengths=DOCUMENTS,
    context=st.integers(1, 15),
    packing=st.sampled_from(["documents", "padded"]),
    shift=st.integers(0, 1),
    seed=st.integers(0, 9),
)
def test_every_position_of_every_document_once_an_epoch(numbered, lengths, context, packing, shift, seed):
    corpus = numbered(*lengths)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    if max(lengths) <= shift:
        with pytest.raises(BuildError):
            Loader(corpus, batch=3, context=context, packing=packing, shift=shift)
        return
    pad = 10**6
    loader = Loader(corpus, batch=3, context=context, packing=packing, shift=shift, seed=seed, pad=pad)
    for read, predicted in epochs(loader, 3, 2):
        real = read != pad
        assert sorted(read[real].tolist()) == [
            token for token in range(len(owner) - shift) if owner[token] == owner[token + shift]
        ]
        assert ((predicted != IGNORED) == real).all()
        assert (predicted[real] == read[real] + shift).all()
        assert real.mean() == pytest.approx(loader.efficiency)
    batch = loader.batch(0)
    read, mask = batch.inputs["tokens"], batch.inputs["mask"]
    assert mask.dtype == (np.int64 if packing == "documents" else np.bool_)
    assert ((mask > 0) == (read != pad)).all()
    for row, numbers in zip(read, mask.astype(np.int64), strict=True):
        assert sorted(set(numbers[numbers > 0].tolist())) == list(range(1, numbers.max() + 1))
        for number in range(1, numbers.max() + 1):
            piece = row[numbers == number]
            assert (np.diff(piece) == 1).all()
            assert len(set(owner[piece].tolist())) == 1
            assert len(set(owner[piece + shift].tolist())) == 1


def test_packing_leaves_little_padding(numbered):
    generator = np.random.default_rng(0)
    corpus = numbered(*generator.integers(2, 100, 2000).tolist())
    packed = Loader(corpus, batch=4, context=128, packing="documents")
    padded = Loader(corpus, batch=4, context=128, packing="padded")
    assert packed.efficiency > 0.99
    assert padded.efficiency < 0.5
    assert packed.epoch(packed.rows) == 4.0


def test_padding_is_the_tokenizers_own(numbered, bytewise):
    corpus = numbered(3, 2)
    batch = Loader(corpus, batch=1, context=8, packing="padded").batch(0)
    assert batch.inputs["tokens"][0, -1] == 0
    assert bytewise.roles["pad"] == 0


def test_a_model_learns_of_packed_documents_what_it_learns_of_each_alone(bytewise, tmp_path, cache):
    torch = pytest.importorskip("torch")
    import blocks
    from blocks_train.data import prepare

    (tmp_path / "a.txt").write_text(
        "a small bird\n\nsang\n\nto be or not to be, that is the\n\nq\n\nand so on"
    )
    corpus = prepare([tmp_path / "a.txt"], bytewise, cache, split="paragraphs")
    model = blocks.build("gpt2-tiny")

    def loss(batch):
        logits, _ = model(
            torch.from_numpy(batch.inputs["tokens"]), mask=torch.from_numpy(batch.inputs["mask"])
        )
        total = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1),
            torch.from_numpy(batch.targets).flatten(),
            ignore_index=IGNORED,
            reduction="sum",
        )
        return total.item(), batch.count

    def epoch(packing):
        loader = Loader(corpus, batch=1, context=32, packing=packing)
        found = [loss(loader.batch(step)) for step in range(loader.rows)]
        return sum(total for total, _ in found), sum(count for _, count in found), loader.rows

    packed, alone = epoch("documents"), epoch("padded")
    assert packed[2] < alone[2] == 5
    assert packed[1] == alone[1] == len(corpus.tokens) - len(corpus)
    assert packed[0] == pytest.approx(alone[0], rel=1e-5)


# Mistakes -------------------------------------------------------------------------------------------------------------


def test_what_cannot_be(numbered):
    corpus = numbered(10, 10)
    with pytest.raises(UsageError) as caught:
        Loader(corpus, batch=10, context=4, ranks=4)
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("B1411", "4 processes do not divide a batch of 10 rows")
    assert found.help == "train.batch=12, or another number of processes"
    with pytest.raises(UsageError) as caught:
        Loader(corpus, batch=1, context=4, packing="documents", carry=True)
    assert caught.value.diagnostics[0].code == "B1412"
    with pytest.raises(BuildError) as caught:
        Loader(corpus, batch=1, context=20)
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("B1413", "20 tokens are too few for a row of 20, which takes 21")
    with pytest.raises(BuildError, match="none of 2 documents has more than 1 tokens"):
        Loader(numbered(1, 1), batch=1, context=20, packing="padded")
