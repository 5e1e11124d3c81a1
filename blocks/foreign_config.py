"""A config.json as an importer reads it: every key is asked for, and what nobody asked for is an error.

A key that is passed over may change the numbers, so nothing is passed over: each is read, is known to change
nothing, has the one value that changes nothing, or is refused. Findings are collected, so that all come at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from blocks.layout import MAX_LAYERS

Value = TypeVar("Value")
_MISSING: Any = object()

_HARMLESS = """
    architectures model_type transformers_version torch_dtype dtype name_or_path _name_or_path auto_map
    _commit_hash _attn_implementation attn_implementation _attn_implementation_autoset torchscript
    language

    use_cache return_dict output_attentions output_hidden_states output_past chunk_size_feed_forward
    gradient_checkpointing use_return_dict use_mamba_kernels use_mambapy use_associative_scan

    bos_token_id eos_token_id pad_token_id sep_token_id cls_token_id mask_token_id unk_token_id
    decoder_start_token_id forced_bos_token_id forced_eos_token_id id2label label2id num_labels
    problem_type finetuning_task tokenizer_class prefix

    initializer_range initializer_factor init_std rescale_prenorm_residual dropout attention_dropout
    hidden_dropout hidden_dropout_prob attention_probs_dropout_prob activation_dropout classifier_dropout
    classifier_dropout_prob attn_pdrop resid_pdrop embd_pdrop summary_first_dropout layerdrop
    encoder_layerdrop decoder_layerdrop qa_dropout seq_classif_dropout dropout_rate resid_dropout
    embd_dropout router_aux_loss_coef router_jitter_noise output_router_logits

    max_length min_length do_sample early_stopping num_beams num_beam_groups diversity_penalty temperature
    top_k top_p typical_p repetition_penalty length_penalty no_repeat_ngram_size
    encoder_no_repeat_ngram_size bad_words_ids num_return_sequences remove_invalid_values
    exponential_decay_length_penalty suppress_tokens begin_suppress_tokens task_specific_params
    return_dict_in_generate output_scores tf_legacy_loss max_new_tokens
"""
"""Of the file; how it is run; ids and labels; initialisation, dropout and training; generation."""

HARMLESS = frozenset(_HARMLESS.split())
"""Keys that change no result of a trained model that is evaluated, in any family."""

NEUTRAL: Mapping[str, Any] = {
    "is_decoder": False,
    "is_encoder_decoder": False,
    "add_cross_attention": False,
    "cross_attention_hidden_size": None,
    "tie_encoder_decoder": False,
    "pruned_heads": {},
    "sparsity_config": None,
    "quantization_config": None,
    "use_bfloat16": False,
    "pretraining_tp": 1,
}
"""Keys that change nothing with one value, in any family: that one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a config, at the path of a key."""

    code: str
    message: str
    path: tuple[str, ...]
    help: str | None = None


class Config:
    """The values of a config.json, or of a mapping inside it.

    `defaults` are the values of keys that are not there. `names` are those of the checkpoint's tensors, empty where
    there is none; `equal` says whether two of its tensors hold the same bits. Reading never raises: what is wrong
    becomes a finding, and a stand-in is returned.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        *,
        defaults: Mapping[str, Any] = MappingProxyType({}),
        names: Collection[str] = (),
        equal: Callable[[str, str], bool] = lambda one, other: True,
        path: tuple[str, ...] = (),
    ) -> None:
        self.values, self.defaults, self.names, self.path = values, defaults, frozenset(names), path
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        """What is to be known of results that differ from the other library's somewhere."""
        self.copies: set[str] = set()
        """Names of tensors that repeat another one, to which they are tied."""
        self._equal = equal
        self._read: set[str] = set()
        self._inner: dict[str, Config] = {}
        self._older: dict[str, str] = {}

    @property
    def asked(self) -> frozenset[str]:
        """Keys that were asked for."""
        return frozenset(self._read)

    # Reading

    def renamed(self, older: str, key: str) -> None:
        """Read `key` under the name that it had in older files; where both are there they must say the same."""
        if older not in self.values:
            return
        value = self.values[older]
        if self.values.get(key, value) != value:
            message = f"{older} = {_shown(value)}, but {key} = {_shown(self.values[key])}"
            self._add("B1003", message, older, "they are two names of one number: fetch it again")
        rest = {name: said for name, said in self.values.items() if name not in (older, key)}
        self.values = rest | {key: value}
        self._older[key] = older

    def auto(self, key: str, value: Any) -> None:
        """Read `auto` as this value."""
        if self.get(key) == "auto":
            self.values = {**self.values, key: value}

    def get(self, key: str, default: Any = _MISSING) -> Any:
        """The value as it stands; where there is none the family's default, or this one. A finding without any."""
        self._read.add(key)
        if key in self.values:
            return self.values[key]
        if key in self.defaults:
            return self.defaults[key]
        if default is _MISSING:
            self._add("B1003", f"{key} is missing", key, "every checkpoint of this family says it")
            return None
        return default

    def size(self, key: str, default: Any = _MISSING) -> int:
        """A whole number above 0; where null is the default, what the caller makes of None."""
        found: int = self._typed(
            key, default, lambda v: isinstance(v, int) and v > 0, "a whole number above 0", 1
        )
        return found

    def depth(self, key: str, default: Any = _MISSING) -> int:
        """A number of layers, at most as many as a recipe may have."""
        found = self.size(key, default)
        if found is not None and found > MAX_LAYERS:
            self._add(
                "B1003",
                f"{key} = {found} is more than the {MAX_LAYERS:,} allowed",
                key,
                "look for a zero too many",
            )
            return 1
        return found

    def number(self, key: str, default: Any = _MISSING) -> float:
        """A finite number."""
        found: float = self._typed(key, default, _is_number, "a number", 1.0)
        return found

    def flag(self, key: str, default: Any = _MISSING) -> bool:
        """True or false."""
        found: bool = self._typed(
            key, default, lambda v: isinstance(v, bool), "true or false", False, flag=True
        )
        return found

    def choice(self, key: str, meanings: Mapping[Any, Value], default: Any = _MISSING) -> Value:
        """What a value means to us; a finding for one that means nothing."""
        value = self.get(key, default)
        if isinstance(value, str | int | float | bool | None) and value in meanings:
            return meanings[value]
        if key in self.values:
            known = ", ".join(map(_shown, meanings))
            self._add("B1003", f"{key} = {_shown(value)} cannot be said in a recipe", key, f"known: {known}")
        return next(iter(meanings.values()))

    def only(self, key: str, *values: Any) -> None:
        """A key that, where it stands, has one of these values: with any other the mathematics would differ."""
        value = self.get(key, values[0])
        if not any(type(value) is type(v) and value == v for v in values):
            known = " or ".join(map(_shown, values))
            self._add(
                "B1003", f"{key} = {_shown(value)} cannot be said in a recipe", key, f"read with {known}"
            )

    def inner(self, key: str) -> Config | None:
        """A mapping inside this one, whose keys are asked for too; None where it is null or not there."""
        value = self.get(key, None)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self._add(
                "B1003", f"{key} = {_shown(value)} is not a mapping", key, "compare the published config.json"
            )
            return None
        if key not in self._inner:
            self._inner[key] = Config(value, path=(*self.path, key))
        return self._inner[key]

    def all_read(self) -> None:
        """Pass over what is left: nothing more is to be said of it."""
        self._read.update(self.values)

    def tied(self, head: str, table: str, default: bool = True) -> bool:
        """Whether a head reads the embedding's table. A head of its own in the checkpoint counts more.

        `head` and `table` are names of tensors. `tie_word_embeddings` with a head that differs from the table
        means what transformers makes of it: the head stands for itself.
        """
        return self.flag("tie_word_embeddings", default) and not self.stands_apart(head, table)

    def stands_apart(self, name: str, original: str) -> bool:
        """Whether the checkpoint has a tensor that differs from another one; an equal one is a copy of it."""
        if name not in self.names or original not in self.names:
            return name in self.names
        if not self._equal(name, original):
            return True
        self.copies.add(name)
        return False

    def same(self, name: str, original: str) -> None:
        """A tensor that, where it stands, repeats another one; a finding where it differs."""
        if self.stands_apart(name, original):
            message = f"the tensor {name} differs from {original}, to which it is tied"
            self.findings.append(Finding("B1003", message, (), "a recipe has one of the two"))

    # Findings

    def refuse(self, key: str, message: str, help: str | None = None) -> None:
        """Report a value that a recipe cannot say."""
        self._add("B1003", message, key, help)

    def note(self, text: str) -> None:
        """Say where results differ from the other library's, and why."""
        if text not in self.notes:
            self.notes.append(text)

    def unread(self, harmless: Collection[str] = ()) -> Iterator[Finding]:
        """A finding for each key that nobody asked for and that may change results."""
        for key, value in self.values.items():
            if key in self._read or key in HARMLESS or key in harmless:
                continue
            if key in NEUTRAL:
                if value != NEUTRAL[key] and value is not None:
                    shown = _shown(NEUTRAL[key])
                    message = f"{key} = {_shown(value)} cannot be said in a recipe"
                    yield Finding("B1003", message, (*self.path, key), f"read with {shown}")
                continue
            message = f"{key} = {_shown(value)} is not known, and may change the results"
            yield Finding("B1002", message, (*self.path, key), f"if it changes nothing: --ignore {key}")
        for inner in self._inner.values():
            yield from inner.unread(harmless)

    def all_findings(self) -> list[Finding]:
        """What was found while reading, here and inside."""
        found = list(dict.fromkeys(self.findings))
        return found + [finding for inner in self._inner.values() for finding in inner.all_findings()]

    def _typed(
        self,
        key: str,
        default: Any,
        fits: Callable[[Any], bool],
        what: str,
        stand_in: Any,
        flag: bool = False,
    ) -> Any:
        value = self.get(key, default)
        if key not in self.values or (value is None and default is None):
            return value if value is not None or default is None else stand_in
        if (isinstance(value, bool) and not flag) or not fits(value):
            self._add(
                "B1003", f"{key} = {_shown(value)} is not {what}", key, "compare the published config.json"
            )
            return stand_in
        return value

    def _add(self, code: str, message: str, key: str, help: str | None = None) -> None:
        written = self._older.get(key, key)
        self.findings.append(Finding(code, message.replace(key, written, 1), (*self.path, written), help))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and value == value and abs(value) != float("inf")


def _shown(value: Any) -> str:
    """A value as JSON has it, cut where it is long."""
    import json

    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
