"""Records with several columns: pairs of texts, images and their labels."""

import gzip
import json

import numpy as np
import pytest

from blocks import BuildError
from blocks_train.data import IGNORED, Numbers, TableLoader, Text, labelled, padded, pairs, prepare_table


@pytest.fixture
def columns(letters):
    return {"source": Text(letters, "de"), "target": Text(letters, "en")}


def words(row, name, letters):
    return letters.decode(row[name].tolist())


def test_files_side_by_side(tmp_path, cache, columns, letters):
    (tmp_path / "a.de.gz").write_bytes(gzip.compress(b"eins\n\nzwei drei\n"))
    (tmp_path / "a.en").write_text("one\nnothing\ntwo three")
    table = prepare_table({"source": [tmp_path / "a.de.gz"], "target": [tmp_path / "a.en"]}, columns, cache)
    assert [(words(row, "source", letters), words(row, "target", letters)) for row in table] == [
        ("eins", "one"), ("", "nothing"), ("zwei drei", "two three"),
    ]  # fmt: skip


def test_files_that_are_not_side_by_side(tmp_path, cache, columns):
    (tmp_path / "a.de").write_text("eins\nzwei\n")
    (tmp_path / "a.en").write_text("one\n")
    with pytest.raises(BuildError) as caught:
        prepare_table({"source": [tmp_path / "a.de"], "target": [tmp_path / "a.en"]}, columns, cache)
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("B1408", "not as many lines: de has 2, en has 1")


def test_fields_of_jsonl(tmp_path, cache, columns, letters):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"en": f"e{n}", "de": f"d{n}", "id": n}) + "\n" for n in range(10)))
    table = prepare_table([path], columns, cache)
    train, validation = table.split(0.25)
    assert (len(train), len(validation)) == (7, 3)
    assert words(validation[0], "source", letters) == "d7"
    assert words(validation[-1], "target", letters) == "e9"
    again, rest = validation.split(0.5)
    assert (len(again), len(rest)) == (1, 2)
    assert words(rest[0], "target", letters) == "e8"
    with pytest.raises(IndexError):
        train[7]
    with pytest.raises(BuildError, match="leaves nothing to train on"):
        again.split(0.1)
    assert table.split(0) == (table, None)


def test_both_fields_that_are_missing_are_said(tmp_path, cache, columns):
    path = tmp_path / "a.jsonl"
    path.write_text('{"De": "x"}\n')
    with pytest.raises(BuildError) as caught:
        prepare_table([path], columns, cache)
    assert [(d.code, d.message, d.help) for d in caught.value.diagnostics] == [
        ("B1404", "no field 'de'", "did you mean 'De'?"),
        ("B1404", "no field 'en'", "it has 'De'"),
    ]


def test_images_and_labels(tmp_path, cache):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    images = np.arange(5 * 12).reshape(5, 1, 3, 4)
    parquet.write_table(
        arrow.table({"image": images.tolist(), "label": [0, 1, 2, 1, 0]}), tmp_path / "a.parquet"
    )
    columns = {"image": Numbers("uint8"), "label": Numbers()}
    table = prepare_table([tmp_path / "a.parquet"], columns, cache)
    assert table[3]["image"].dtype == np.uint8
    assert np.array_equal(table[3]["image"], images[3])
    loader = TableLoader(table, batch=5, collate=labelled("pixels", scale=1 / 255))
    batch = loader.batch(0)
    assert batch.inputs["pixels"].shape == (5, 1, 3, 4)
    assert batch.inputs["pixels"].dtype == np.float32
    first = np.rint(batch.inputs["pixels"][:, 0, 0, 0] * 255).astype(int)
    assert sorted(first.tolist()) == [0, 12, 24, 36, 48]
    assert batch.targets.tolist() == [[0, 1, 2, 1, 0][value // 12] for value in first]


def test_numbers_that_are_none(tmp_path, cache):
    values = [[1, 2], [1], [300, 1], [1.5, 1], "x", [1, [2]], None, [True, False]]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"image": value}) + "\n" for value in values))
    with pytest.raises(BuildError) as caught:
        prepare_table([path], {"image": Numbers("uint8")}, cache)
    assert [(d.code, d.span.line, d.message) for d in caught.value.diagnostics] == [
        ("B1405", 2, "'image': a shape of [1], where the first has [2]"),
        ("B1405", 3, "'image': [300, 1] is beyond uint8"),
        ("B1405", 4, "'image': [1.5, 1] is not of uint8"),
        ("B1405", 5, "'image': \"x\" is not of uint8"),
        ("B1405", 6, "'image': its lists are not of one length"),
        ("B1405", 7, "'image': null is not of uint8"),
    ]


def test_numbers_that_are_not_finite(tmp_path, cache):
    path = tmp_path / "a.jsonl"
    path.write_text('{"x": 1.5}\n{"x": NaN}\n{"x": 1e300}\n{"x": 2}')
    with pytest.raises(BuildError) as caught:
        prepare_table([path], {"x": Numbers("float32")}, cache)
    assert [(d.span.line, d.message) for d in caught.value.diagnostics] == [
        (2, "'x': NaN is beyond float32"),
        (3, "'x': 1e+300 is beyond float32"),
    ]


def test_pairs_are_shifted_padded_and_cut():
    rows = [
        {"source": np.array([1, 2, 3]), "target": np.array([7, 8], np.uint16)},
        {"source": np.array([4]), "target": np.array([5, 6, 7, 8], np.uint16)},
    ]
    batch = pairs(pad=0, begin=9, context=3)(rows)
    assert {name: value.tolist() for name, value in batch.inputs.items()} == {
        "source": [[1, 2, 3], [4, 0, 0]],
        "target": [[9, 7, 0], [9, 5, 6]],
        "source_mask": [[True] * 3, [True, False, False]],
        "target_mask": [[True, True, False], [True] * 3],
    }
    assert batch.targets.tolist() == [[7, 8, IGNORED], [5, 6, 7]]
    assert batch.count == 5
    assert list(batch.inputs) == ["source", "target", "source_mask", "target_mask"]


def test_an_encoder_decoder_takes_a_batch_of_pairs():
    torch = pytest.importorskip("torch")
    import blocks

    model = blocks.build("transformer-tiny")
    rows = [
        {"source": np.array([1, 2, 3]), "target": np.array([7, 8])},
        {"source": np.array([4]), "target": np.array([5])},
    ]
    batch = pairs(pad=0, begin=9)(rows)
    logits, _ = model(**{name: torch.from_numpy(value) for name, value in batch.inputs.items()})
    assert logits.shape[:2] == batch.targets.shape


def test_records_come_once_an_epoch_for_any_number_of_ranks(tmp_path, cache):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"image": [n], "label": n}) + "\n" for n in range(11)))
    table = prepare_table([path], {"image": Numbers("int32"), "label": Numbers()}, cache)
    options = {"batch": 4, "collate": labelled("pixels"), "seed": 3}
    whole = [TableLoader(table, **options).batch(step) for step in range(11)]
    labels = np.concatenate([batch.targets for batch in whole])
    for epoch in range(4):
        assert sorted(labels[epoch * 11 : (epoch + 1) * 11].tolist()) == list(range(11))
    assert labels[:11].tolist() != labels[11:22].tolist()
    for ranks in (2, 4):
        shared = [
            np.concatenate(
                [TableLoader(table, **options, rank=r, ranks=ranks).batch(step).targets for r in range(ranks)]
            )
            for step in range(11)
        ]
        assert np.array_equal(np.concatenate(shared), labels)


def test_padded_rows_of_no_length():
    values, real = padded([np.array([], np.int64), np.array([1])], 0)
    assert (values.tolist(), real.tolist()) == ([[0], [1]], [[False], [True]])
