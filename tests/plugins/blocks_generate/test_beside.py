"""What files beside a model say: transformers' own ways of saying it."""

import json

import pytest

import blocks
from blocks import BuildError
from blocks_generate import complete, generate, options_beside

ROLES = {"bos": 1, "eos": 2, "pad": 0}


def write(folder, **files):
    for name, content in files.items():
        path = folder / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))


def template(single):
    special = {
        "<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]},
        "</s>": {"id": "</s>", "ids": [2], "tokens": []},
    }
    pieces = [
        {"Sequence": {"id": "A"}} if s == "A" else {"SpecialToken": {"id": s, "type_id": 0}} for s in single
    ]
    return {"type": "TemplateProcessing", "single": pieces, "pair": [], "special_tokens": special}


@pytest.mark.parametrize("inner", [True, False])
def test_start_and_ends(tmp_path, inner):
    folder = tmp_path / "tokenizer" if inner else tmp_path
    write(folder, config={"decoder_start_token_id": 7, "eos_token_id": 9})
    assert options_beside(tmp_path, ROLES) == {"start": 7, "eos": (9, 2)}
    write(folder, generation_config={"eos_token_id": [2, 11]})
    assert options_beside(tmp_path, ROLES) == {"start": 7, "eos": (2, 11)}


@pytest.mark.parametrize(
    ("processor", "around"),
    [
        (template(["<s>", "A"]), {"before": (1,)}),
        (template(["A", "</s>"]), {"after": (2,)}),
        (template(["<s>", "A", "</s>"]), {"before": (1,), "after": (2,)}),
        (
            {"type": "RobertaProcessing", "cls": ["<s>", 1], "sep": ["</s>", 2]},
            {"before": (1,), "after": (2,)},
        ),
        (
            {"type": "Sequence", "processors": [{"type": "ByteLevel"}, template(["<s>", "A"])]},
            {"before": (1,)},
        ),
        ({"type": "ByteLevel"}, {}),
    ],
)
def test_what_the_tokenizer_puts_around_a_text(tmp_path, processor, around):
    write(tmp_path, tokenizer={"post_processor": processor}, tokenizer_config={"add_bos_token": True})
    assert options_beside(tmp_path, ROLES) == around


@pytest.mark.parametrize(
    ("config", "around"),
    [
        ({"tokenizer_class": "LlamaTokenizer"}, {"before": (1,)}),
        ({"tokenizer_class": "LlamaTokenizer", "add_bos_token": False}, {}),
        ({"tokenizer_class": "T5TokenizerFast"}, {"after": (2,)}),
        ({"tokenizer_class": "GPT2Tokenizer"}, {}),
        ({"tokenizer_class": "GPT2Tokenizer", "add_bos_token": True, "add_eos_token": True},
         {"before": (1,), "after": (2,)}),
    ],
)  # fmt: skip
def test_without_a_processor_the_class_and_its_switches_say(tmp_path, config, around):
    write(tmp_path, tokenizer={"post_processor": None}, tokenizer_config=config)
    assert options_beside(tmp_path, ROLES) == around
    assert options_beside(tmp_path, {}) == {}


def test_nothing_beside(tmp_path):
    assert options_beside(tmp_path, ROLES) == {}


@pytest.mark.parametrize("content", ["{", {"post_processor": {"type": "TemplateProcessing"}}])
def test_damaged_files_are_named(tmp_path, content):
    write(tmp_path, tokenizer=content)
    with pytest.raises(BuildError, match=r"tokenizer\.json") as caught:
        options_beside(tmp_path, ROLES)
    assert caught.value.diagnostics[0].code == "B1005"


def test_a_checkpoint_of_t5_says_how_to_begin_and_end(make, tmp_path):
    """Read back, it writes what transformers' own T5 does, greedy and by beams."""
    import torch
    from transformers import AutoModelForSeq2SeqLM, logging

    model = make("recipes/zoo/t5-like.yaml", by=0.05)
    keep = {"decoder_start_token_id": 3, "eos_token_id": 2780, "pad_token_id": 0}
    assert blocks.save_checkpoint(model, tmp_path, keep=keep) == "t5"
    said = options_beside(tmp_path, {})
    assert said == {"start": 3, "eos": (2780,)}
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    theirs = AutoModelForSeq2SeqLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    source = torch.tensor([[5, 9, 20, 31, 7]])
    given = {"attention_mask": torch.ones_like(source), "max_new_tokens": 9, "do_sample": False}
    for beams in (None, 3):
        search = (
            {} if beams is None else {"num_beams": beams, "length_penalty": 0.0, "early_stopping": "never"}
        )
        own = {"temperature": 0} if beams is None else {"beams": beams, "length_penalty": 0.0}
        row = theirs.generate(source, **given, **search)[0].tolist()
        (text,) = complete(
            generate(blocks.from_pretrained(tmp_path), None, source.tolist(), max_new_tokens=9, **said, **own)
        )
        ended = [2780] if text.reason == "eos" else []
        assert row == [3, *text.tokens, *ended]


def test_it_is_what_transformers_adds(tmp_path):
    """A tokenizer of the tokenizers library: its ids with special tokens are ours around those without."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(
        models.WordLevel({"<pad>": 0, "<s>": 1, "</s>": 2, "a": 3, "b": 4}, unk_token="<pad>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    found = options_beside(tmp_path, ROLES)
    alone = tokenizer.encode("a b", add_special_tokens=False).ids
    assert [*found["before"], *alone, *found["after"]] == tokenizer.encode("a b").ids
