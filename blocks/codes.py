"""The catalogue of error codes that `blocks why CODE` explains.

B01 reading YAML, B02 keys and structure, B03 values, sizes and expressions, B04 layouts and overrides,
B05 sentences, B06 plugins and names, B07 graph, shapes and capabilities, B08 files, folders and commands,
B10 checkpoints of other libraries, B11 exports, B12 tokenizers, B13 the section that says how to train,
B14 data, B15 runs of training, B16 comparisons, B17 generation, B18 evaluation.

One file in spite of its length: it is a table, read by code.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import indent


@dataclass(frozen=True, slots=True)
class Code:
    """What an error code means: a title, a paragraph, and an example of wrong and of right.

    A line `...` of an example stands for the rest of a recipe between two places.
    """

    title: str
    meaning: str
    wrong: str = ""
    right: str = ""

    @property
    def explanation(self) -> str:
        """The paragraph, then the examples, indented, with a blank line between each."""
        examples = (("Wrong", self.wrong), ("Right", self.right))
        return "\n\n".join(
            (self.meaning, *(f"{name}:\n{indent(text, '    ')}" for name, text in examples if text))
        )


CODES: dict[str, Code] = {
    # B01: reading YAML
    "B0100": Code(
        "more problems than are shown",
        "At most a hundred problems of a file are listed. Mend the first ones; the rest often "
        "follow from them.",
        wrong="a file with 150 mistakes",
        right="blocks check my.yaml    (again, once the first hundred are mended)",
    ),
    "B0101": Code(
        "not UTF-8 text",
        "A recipe is UTF-8 text, with or without a byte order mark. Latin-1 and UTF-16 files have "
        "to be converted.",
        wrong="a file saved as UTF-16",
        right="iconv -f UTF-16 -t UTF-8 old.yaml > new.yaml",
    ),
    "B0102": Code(
        "not valid YAML",
        "The text does not follow YAML's grammar: a colon is missing or one too many, the "
        "indentation jumps, or a value starts with a character that YAML keeps for itself.",
        wrong="model: mixer: mamba2",
        right="model: {mixer: mamba2}",
    ),
    "B0103": Code(
        "a tab indents",
        "YAML is indented with spaces only.",
        wrong="blocks:\n<tab>ffn: {mixer: mlp}",
        right="blocks:\n  ffn: {mixer: mlp}",
    ),
    "B0104": Code(
        "invisible character",
        "Control characters, lone surrogates, byte order marks inside the text and Unicode line "
        "separators are refused: they make a text look different from what it is. Inside double "
        "quotes an escape can stand for one.",
        wrong='note: "<NUL>"',
        right='note: "\\0"',
    ),
    "B0105": Code(
        "not part of the recipe language",
        "A recipe has no tags, anchors, aliases or merge keys: what is written is what is meant, "
        "and reading it runs nothing. A block that is needed twice gets a name under `blocks:`.",
        wrong="layers: [&a {mixer: mamba2}, *a]",
        right="blocks:\n  a: {mixer: mamba2}\n...\nlayers: [a, a]",
    ),
    "B0106": Code(
        "a key is given twice",
        "A mapping has each key once; of two values neither could be meant safely.",
        wrong="d_model: 512\nd_model: 768",
        right="d_model: 768",
    ),
    "B0107": Code(
        "a key is not a string",
        "Keys are strings. A number, `true` or `null` as a key needs quotes.",
        wrong="blocks:\n  1: {mixer: mlp}",
        right='blocks:\n  "1": {mixer: mlp}',
    ),
    "B0108": Code(
        "not one YAML 1.2 document",
        "A recipe file holds one YAML 1.2 document; write several recipes to several files.",
        wrong="recipe: a\n---\nrecipe: b",
        right="recipe: a",
    ),
    "B0109": Code(
        "too large to read",
        "A recipe has at most 1 MiB of text, 64 levels of nesting, 100,000 values and 5,000 keys in "
        "a mapping, so that reading a stranger's recipe is always quick. Repetition belongs in the layout.",
        wrong="layers: [mamba2, ffn, mamba2, ffn, mamba2, ffn]",
        right="layers: [3 x [mamba2, ffn]]",
    ),
    "B0110": Code(
        "not a usable number",
        "Infinity, not-a-number, and numbers beyond 30 digits or the range of a float are refused.",
        wrong="eps: .inf",
        right="eps: 1e-5",
    ),
    "B0111": Code(
        "nothing in the text",
        "The text is empty, or holds comments only.",
        wrong="# my model",
        right=(
            "recipe: my-model\n"
            "d_model: 512\n"
            "depth: 24\n"
            "vocab_size: 32000\n"
            "model: 8% attention, interleaved Mamba-2 and FFN"
        ),
    ),
    "B0112": Code(
        "a bracket or quote does not match",
        "Every `[`, `{` and quote is closed, items are separated by commas.",
        wrong="ffn: {mixer: mlp, d_ff: 2048",
        right="ffn: {mixer: mlp, d_ff: 2048}",
    ),
    "B0113": Code(
        "the base is not there",
        "`extends` names a file beside or below the recipe, with its .yaml, or a published architecture. A recipe "
        "that is given as text has no folder, and extends published ones only.",
        wrong="extends: gpt-2",
        right="extends: gpt2",
    ),
    "B0114": Code(
        "the base is somewhere else",
        "A recipe extends files of its own folder and of those below it, links followed: opening a stranger's recipe "
        "reads nothing else of yours. Copy the base beside the recipe.",
        wrong="extends: ../../base.yaml",
        right="extends: base.yaml",
    ),
    "B0115": Code(
        "recipes extend each other in a circle",
        "A recipe that extends itself, directly or through others, has no beginning. The message shows the circle.",
        wrong="# a.yaml\nextends: b.yaml\n# b.yaml\nextends: a.yaml",
        right="# a.yaml\nextends: b.yaml\n# b.yaml\nextends: gpt2",
    ),
    "B0116": Code(
        "too long a chain of bases",
        "At most 16 recipes extend one another; nobody could say any more where a value comes from.",
        wrong="extends: step-17.yaml",
        right="extends: base.yaml",
    ),
    "B0117": Code(
        "not a setting",
        "A setting is a path, `=` and a value on one line. The value is YAML, read as strictly as a recipe is; `null` "
        "removes a key, and leaves its default.",
        wrong="--set d_model",
        right="--set d_model=512",
    ),
    "B0118": Code(
        "a setting leads nowhere",
        "The path of a setting is keys joined by dots, and numbers that count the items of a list from 0. It may begin "
        "with `stack`, `head` or another stage where the model has exactly one of them.",
        wrong="--set blocks.atention.n_heads=8",
        right="--set blocks.attention.n_heads=8",
    ),
    # B02: keys and structure
    "B0201": Code(
        "unknown key",
        "The key is not one of those that this place knows; unknown keys are never ignored.",
        wrong="d_modle: 512",
        right="d_model: 512",
    ),
    "B0202": Code(
        "missing key",
        "The key has no default and has to be given.",
        wrong="position: {rope: {scaling: linear}}",
        right="position: {rope: {scaling: linear, factor: 2}}",
    ),
    "B0203": Code(
        "wrong type",
        "The value is of another type than the key takes; nothing is converted silently.",
        wrong="tied: 'no'",
        right="tied: false",
    ),
    "B0204": Code(
        "values that do not go together",
        "Two values of one mapping exclude each other, or one needs another; the message says which.",
        wrong="- norm: rmsnorm\n  head: lm",
        right="- norm: rmsnorm\n- head: lm",
    ),
    "B0205": Code(
        "not one of the choices",
        "The value is not among those that the key knows.",
        wrong="residual: prenorm",
        right="residual: pre",
    ),
    "B0206": Code(
        "not a name",
        "A name is letters and digits, joined by `_`, `.`, `+` or `-`. Some are taken: by Python, by nn.Module, and "
        "that of a block's own stack.",
        wrong="recipe: ../other",
        right="recipe: other",
    ),
    "B0207": Code(
        "not a component",
        "A choice is a registered component's name, or one name with its options.",
        wrong="position: {rope: {}, alibi: {}}",
        right="position: {rope: {theta: 500000}}",
    ),
    "B0208": Code(
        "not a recipe",
        "A recipe is a mapping with at least `recipe:`, sizes and `model:`.",
        wrong="- embed: tokens",
        right="recipe: my-model\nd_model: 512\nmodel:\n  - embed: tokens",
    ),
    "B0209": Code(
        "a block does two things, or none",
        "A block has one `mixer`, or runs other blocks side by side with `parallel`.",
        wrong="both: {mixer: mlp, parallel: [attention, ffn]}",
        right="both: {parallel: [attention, ffn]}",
    ),
    "B0210": Code(
        "keys that contradict each other",
        "Two keys of a block cannot both be meant: each of them says what the other one excludes, or "
        "means nothing beside it. Both places are shown.",
        wrong="ffn: {mixer: mlp, join: mean}",
        right="both: {parallel: [attention, ffn], join: mean}",
    ),
    # B03: values, sizes, expressions
    "B0301": Code(
        "not an expression",
        "Sizes are numbers or expressions of numbers, names, `+ - * / // % **`, parentheses and the "
        "functions min, max, round and round_up(x, multiple). Units are decimal: k, M, B, T; the "
        "binary ones are Ki, Mi, Gi.",
        wrong="d_ff: 4 d_model",
        right="d_ff: 4 * d_model",
    ),
    "B0302": Code(
        "value out of range",
        "The value lies outside the range of its key; the message names the bound.",
        wrong="n_heads: 0",
        right="n_heads: 8",
    ),
    "B0303": Code(
        "a size is not whole",
        "An expression of whole numbers has to come out whole. `//` rounds down, `round_up` to a "
        "multiple; divisions inside are exact.",
        wrong="d_ff: 8 * d_model / 3",
        right="d_ff: round_up(8 * d_model / 3, 256)",
    ),
    "B0304": Code(
        "an expression beyond the bounds",
        "Expressions have at most 1000 characters, 200 parts, 32 levels of parentheses and values "
        "up to 10**18.",
        wrong="d_ff: 10 ** 30",
        right="d_ff: 4 * d_model",
    ),
    "B0305": Code(
        "sizes that depend on each other",
        "Sizes may refer to one another in any order, but not in a circle.",
        wrong="d_model: width / 2\n...\nlet: {width: 2 * d_model}",
        right="d_model: 512\n...\nlet: {width: 2 * d_model}",
    ),
    "B0306": Code(
        "key/value heads do not divide the heads",
        "In grouped-query attention each key/value head serves n_heads / n_kv_heads query heads.",
        wrong="n_heads: 32\nn_kv_heads: 12",
        right="n_heads: 32\nn_kv_heads: 8",
    ),
    "B0307": Code(
        "heads do not divide d_model",
        "Without `head_dim`, each head gets d_model / n_heads features, which has to be whole. "
        "Choose another number of heads, or set head_dim, which need not multiply up to d_model.",
        wrong="d_model: 512\n...\nattention: {mixer: multi_head, n_heads: 12}",
        right="d_model: 512\n...\nattention: {mixer: multi_head, n_heads: 8}",
    ),
    "B0308": Code(
        "not a share",
        "A share is a percentage.",
        wrong="scatter: {attention: 0.08}",
        right="scatter: {attention: 8%}",
    ),
    "B0309": Code(
        "share out of range",
        "A share lies from 0% to 100%.",
        wrong="scatter: {attention: 120%}",
        right="scatter: {attention: 12%}",
    ),
    "B0310": Code(
        "vocabulary smaller than the tokenizer's",
        "Every id of the tokenizer needs a row in the embedding, so vocab_size is at least as large.",
        wrong="tokenizer: byte\nvocab_size: 128",
        right="tokenizer: byte\nvocab_size: 256",
    ),
    "B0311": Code(
        "over the parameter budget",
        "The size is worked out in closed form before anything is built; more than 2T parameters "
        "are refused unless `--max-params` allows them.",
        wrong="d_model: 8M",
        right="d_model: 8k",
    ),
    "B0312": Code(
        "options that exclude each other",
        "Two options of a component contradict each other; the message says which to leave out.",
        wrong="position: {rope: {factor: 8}}",
        right="position: {rope: {scaling: linear, factor: 8}}",
    ),
    "B0313": Code(
        "a position in the wrong place",
        "Some positions are added to the stream (learned, sinusoidal) and can be a stage of `model:`; those that "
        "turn queries and keys (rope) or bias scores (alibi, relative) belong to a mixer.",
        wrong="model:\n  - embed: tokens\n  - position: rope",
        right="attention: {mixer: multi_head, position: rope}",
    ),
    "B0314": Code(
        "channels that cannot be paired",
        "RoPE rotates pairs of channels (Su et al. 2021, arXiv:2104.09864), so the number of "
        "rotated channels is even and at most head_dim.",
        wrong="position: {rope: {rotary_dim: 63}}",
        right="position: {rope: {rotary_dim: 64}}",
    ),
    "B0315": Code(
        "unknown name in an expression",
        "An expression refers to a size that is not declared; more names are declared under `let:`.",
        wrong="d_ff: 4 * dim",
        right="d_ff: 4 * d_model",
    ),
    "B0316": Code(
        "a size's name is taken",
        "`let:` declares further sizes; those of every recipe (d_model, depth, vocab_size) stand at the top.",
        wrong="let: {d_model: 256}",
        right="d_model: 256",
    ),
    "B0317": Code(
        "widths that do not meet",
        "A residual sum, and a sum or mean of parallel outputs, need as many channels on both sides. "
        "Only a block without a residual may change the width of the stream.",
        wrong="reader: {mixer: gru, hidden: 1000, direction: bidirectional}",
        right="reader: {mixer: gru, hidden: 1000, direction: bidirectional, residual: none}",
    ),
    "B0318": Code(
        "no number of ids yet",
        "A tokenizer that is trained has as many ids as its training gives it. The embedding has a row for each id, so "
        "the recipe says how many rows there are: `vocab_size`, which a byte-pair encoding is trained up to, and which "
        "has room for the characters or words of the text.",
        wrong="tokenizer: bpe\nd_model: 256",
        right="tokenizer: bpe\nd_model: 256\nvocab_size: 4096",
    ),
    "B0330": Code(
        "global tokens without a window",
        "`global_tokens` are seen from any distance by tokens that otherwise see a window alone (Beltagy et al. "
        "2020, arXiv:2004.05150; Xiao et al. 2023, arXiv:2309.17453). Without `window` all are seen anyway.",
        wrong="attention: {mixer: multi_head, global_tokens: 4}",
        right="attention: {mixer: multi_head, window: 1024, global_tokens: 4}",
    ),
    "B0331": Code(
        "no meaning over a memory",
        "A block with `memory:` sees all real tokens of another stream. Masks, windows and positions relate "
        "tokens of one stream, so they belong to the blocks of that stream.",
        wrong="cross: {mixer: multi_head, memory: encoder, position: rope}",
        right="cross: {mixer: multi_head, memory: encoder}",
    ),
    "B0332": Code(
        "no meaning over borrowed keys",
        "A block with `kv_from:` sees the keys and values that another one keeps: all that are not later. It can "
        "neither look ahead nor see a part of them.",
        wrong="shared: {mixer: multi_head, kv_from: attention, window: 512}",
        right="shared: {mixer: multi_head, kv_from: attention}",
    ),
    "B0333": Code(
        "keys from two places",
        "Keys and values are projected from the memory that `memory:` names, or are those of the block that "
        "`kv_from:` names.",
        wrong="cross: {mixer: multi_head, memory: encoder, kv_from: attention}",
        right="cross: {mixer: multi_head, memory: encoder}",
    ),
    "B0337": Code(
        "bounds of a scaling in the wrong order",
        "llama3 scaling interpolates between wavelengths with low_freq_factor and with high_freq_factor turns in the "
        "original context, YaRN between those with beta_slow and with beta_fast: the first is below the second.",
        wrong="rope: {scaling: yarn, factor: 4, original_max_len: 4096, beta_slow: 32, beta_fast: 1}",
        right="rope: {scaling: yarn, factor: 4, original_max_len: 4096, beta_slow: 1, beta_fast: 32}",
    ),
    "B0338": Code(
        "relative buckets that cannot be shared out",
        "Half of the buckets stand for one distance each, the others for ranges up to max_distance (Raffel et al. "
        "2020, arXiv:1910.10683); bidirectional, half of all are for keys after the query. No part may be empty.",
        wrong="position: {relative: {n_buckets: 32, max_distance: 16}}",
        right="position: {relative: {n_buckets: 32, max_distance: 128}}",
    ),
    "B0339": Code(
        "a factorised table that saves nothing",
        "`dim` factorises a table into one of dim columns and a map between dim and d_model (Lan et al. 2020, "
        "arXiv:1909.11942), so it is smaller than d_model.",
        wrong="d_model: 768\n...\nembed: {tokens: {dim: 768}}",
        right="d_model: 768\n...\nembed: {tokens: {dim: 128}}",
    ),
    "B0340": Code(
        "an option without the one it belongs to",
        "The option describes a part that another option asks for, and that one is not given.",
        wrong="embed: {tokens: {bias: true}}",
        right="embed: {tokens: {dim: 128, bias: true}}",
    ),
    "B0341": Code(
        "a rank that is not low",
        "A low-rank map has two matrices, d_model x rank and rank x d_model (Hu et al. 2021, arXiv:2106.09685). From "
        "d_model on the rank is that of any matrix.",
        wrong="d_model: 512\n...\nadapter: {low_rank: {rank: 512}}",
        right="d_model: 512\n...\nadapter: {low_rank: {rank: 8}}",
    ),
    "B0342": Code(
        "too few channels for dynamic scaling",
        "Dynamic scaling keeps the frequency of the fastest pair of channels and lowers the others' with the length, "
        "so at least two pairs rotate.",
        wrong="rope: {scaling: dynamic, factor: 2, original_max_len: 2048, rotary_dim: 2}",
        right="rope: {scaling: dynamic, factor: 2, original_max_len: 2048, rotary_dim: 32}",
    ),
    "B0343": Code(
        "YaRN cannot tell fast channels from slow ones",
        "YaRN slows down the pairs that turn fewer than beta_slow times in original_max_len tokens. That takes a theta "
        "above 1, and a context in which the fastest pair, which turns once in 2π tokens, turns more often.",
        wrong="rope: {scaling: yarn, factor: 4, original_max_len: 6}",
        right="rope: {scaling: yarn, factor: 4, original_max_len: 4096}",
    ),
    "B0344": Code(
        "an odd width for sinusoids",
        "Sinusoidal positions are pairs of a sine and a cosine (Vaswani et al. 2017, section 3.5), so the stream that "
        "they are added to has an even width.",
        wrong="d_model: 511\n...\n- position: sinusoidal",
        right="d_model: 512\n...\n- position: sinusoidal",
    ),
    "B0345": Code(
        "more experts than there are",
        "A router chooses top_k of n_experts for each token (Shazeer et al. 2017, arXiv:1701.06538).",
        wrong="ffn: {mixer: moe, n_experts: 8, top_k: 16}",
        right="ffn: {mixer: moe, n_experts: 16, top_k: 8}",
    ),
    "B0346": Code(
        "patches that do not fill the image",
        "An image is cut into square patches without rest (Dosovitskiy et al. 2021, section 3.1), so patch_size "
        "divides image_size.",
        wrong="embed: {patches: {image_size: 224, patch_size: 15}}",
        right="embed: {patches: {image_size: 224, patch_size: 16}}",
    ),
    "B0347": Code(
        "too few positions for the input",
        "The size of an image fixes how many vectors it is made into, and learned positions have a row for each: "
        "(image_size / patch_size)^2, and one more for the class token.",
        wrong="- embed: {patches: {image_size: 224, patch_size: 16}}\n...\n- position: {learned: {max_len: 196}}",
        right="- embed: {patches: {image_size: 224, patch_size: 16}}\n...\n- position: {learned: {max_len: 197}}",
    ),
    "B0348": Code(
        "LongRoPE without a factor for each pair",
        "LongRoPE divides the frequency of each pair of channels by a number of its own (Ding et al. 2024, "
        "arXiv:2402.13753), so there are half as many of them as channels turn.",
        wrong="rope: {rotary_dim: 4, scaling: longrope, factor: 4, original_max_len: 4096, short_factor: [1], "
        "long_factor: [2, 3]}",
        right="rope: {rotary_dim: 4, scaling: longrope, factor: 4, original_max_len: 4096, short_factor: [1, 1], "
        "long_factor: [2, 3]}",
    ),
    "B0350": Code(
        "a memory is missing",
        "The mixer works on the annotations of another stream, and `memory:` says which one.",
        wrong="writer: {mixer: bahdanau}",
        right="writer: {mixer: bahdanau, memory: encoder}",
    ),
    "B0351": Code(
        "a memory without two halves",
        "An annotation of Bahdanau et al. 2014 is a forward state beside a backward state, and the decoder starts "
        "from the backward half of the first one: the memory's width is even.",
        wrong="reader: {mixer: gru, hidden: 63}",
        right="reader: {mixer: gru, hidden: 63, direction: bidirectional}",
    ),
    "B0352": Code(
        "a product of unequal widths",
        "The scores dot and scaled_dot multiply a query with a key, channel by channel, so both have the same "
        "width. The score general puts a matrix between them, additive projects both.",
        wrong="writer: {mixer: bahdanau, hidden: 64, score: dot, memory: encoder}       (a memory of 128)",
        right="writer: {mixer: bahdanau, hidden: 64, score: general, memory: encoder}",
    ),
    # B04: layouts and overrides
    "B0401": Code(
        "a layout does not work out",
        "The depth cannot be filled evenly by the blocks that alternate.",
        wrong="depth: 109\ninterleave: [mamba2, ffn]",
        right="depth: 110\ninterleave: [mamba2, ffn]",
    ),
    "B0402": Code(
        "scattered blocks do not fit",
        "There are more scattered blocks than places for them, or nothing but them.",
        wrong="depth: 10\nscatter: {attention: 12}",
        right="depth: 10\nscatter: {attention: 2}",
    ),
    "B0403": Code(
        "scatter names one block",
        "`scatter` takes one block with its share or count, and optionally `before`; it is none of those that are "
        "interleaved.",
        wrong="scatter: {attention: 8%, mamba: 10%}",
        right="scatter: {attention: 8%}",
    ),
    "B0404": Code(
        "`before` names no interleaved block",
        "`before` says which of the interleaved blocks a scattered block precedes.",
        wrong="interleave: [mamba2, ffn]\nscatter: {attention: 8%, before: attention}",
        right="interleave: [mamba2, ffn]\nscatter: {attention: 8%, before: ffn}",
    ),
    "B0405": Code(
        "unknown letter in a pattern",
        "Each letter of a pattern is named under `symbols:`.",
        wrong='pattern: "M-X"\nsymbols: {M: mamba2, "-": ffn}',
        right='pattern: "M-M"\nsymbols: {M: mamba2, "-": ffn}',
    ),
    "B0406": Code(
        "too many blocks",
        "The number of blocks is worked out before any is laid out; more than 100,000 are refused.",
        wrong="layers: [1000000000 x ffn]",
        right="layers: [12 x [attention, ffn]]",
    ),
    "B0407": Code(
        "a layout is not understood",
        "A layout is a list of block names, lists, and repeats such as `3 x [mamba2, ffn]`.",
        wrong="layers: [0 x ffn]",
        right="layers: [3 x ffn]",
    ),
    "B0408": Code(
        "not a selector",
        "A selector is a block's name or `layers`, with an index or a slice if need be.",
        wrong='override: {"attention(-1)": {n_kv_heads: 1}}',
        right='override: {"attention[-1]": {n_kv_heads: 1}}',
    ),
    "B0409": Code(
        "an override selects nothing",
        "The selector matches no layer of this layout.",
        wrong='depth: 4\noverride: {"layers[7]": {d_ff: 1024}}',
        right='depth: 4\noverride: {"layers[3]": {d_ff: 1024}}',
    ),
    "B0410": Code(
        "unknown block",
        "A layout uses a name that `blocks:` does not declare.",
        wrong="blocks:\n  ffn: {mixer: mlp}\n...\nlayers: [fnn]",
        right="blocks:\n  ffn: {mixer: mlp}\n...\nlayers: [ffn]",
    ),
    "B0411": Code(
        "no single layout",
        "A stack has one layout: `layers`, `pattern`, `interleave` or `cycle`.",
        wrong="stack: {depth: 12}",
        right="stack: {depth: 12, cycle: [attention, ffn]}",
    ),
    "B0412": Code(
        "a key of another layout",
        "`scatter` belongs to `interleave`, `symbols` to `pattern`.",
        wrong="cycle: [mamba2, ffn]\nscatter: {attention: 8%}",
        right="interleave: [mamba2, ffn]\nscatter: {attention: 8%}",
    ),
    "B0413": Code(
        "depth and layers disagree",
        "`depth` is given, but the layers written out are more or fewer.",
        wrong="depth: 4\nlayers: [mamba2, ffn]",
        right="layers: [2 x [mamba2, ffn]]",
    ),
    "B0414": Code(
        "a depth is missing",
        "`interleave` and `cycle` repeat until the depth is reached, so they need one.",
        wrong="cycle: [attention, ffn]",
        right="depth: 24\ncycle: [attention, ffn]",
    ),
    "B0415": Code(
        "parallel blocks inside parallel blocks",
        "The branches of a parallel block are blocks with one mixer each; a block cannot run itself, nor "
        "another parallel one.",
        wrong="a: {parallel: [b, ffn]}\nb: {parallel: [attention, ffn]}",
        right="a: {parallel: [attention, ffn]}",
    ),
    "B0416": Code(
        "an adapter that cannot be one",
        "An adapter stands beside a shared mixer and has parameters for each use of its own. It keeps no "
        "state and gives as many channels as it takes.",
        wrong="adapter: mamba2",
        right="adapter: {low_rank: {rank: 8}}",
    ),
    "B0417": Code(
        "kv_from names no earlier block",
        "`kv_from` names a block of the same stack that stands before: by its name (the nearest), as "
        "attention[-2] (the second one back), attention[0] (the first), or layers[3].",
        wrong="kv_from: attention[-9]",
        right="kv_from: attention[-1]",
    ),
    "B0418": Code(
        "keys and values that do not fit",
        "A block can use the keys and values of another one if that is causal attention over all earlier "
        "tokens and both have the same key/value heads, channels a head and position.",
        wrong="late: {mixer: multi_head, n_heads: 8, n_kv_heads: 2, kv_from: attention}",
        right="late: {mixer: multi_head, n_heads: 8, n_kv_heads: 8, kv_from: attention}",
    ),
    "B0419": Code(
        "shared parameters of unlike parts",
        "All members of a group have one set of parameters, so they are alike: the same mixer, sizes and "
        "norms. Adapters may differ.",
        wrong="a: {mixer: mlp, d_ff: 512, share: ffn}\nb: {mixer: mlp, d_ff: 1024, share: ffn}",
        right="a: {mixer: mlp, d_ff: 512, share: ffn}\nb: {mixer: mlp, d_ff: 512, share: ffn}",
    ),
    "B0420": Code(
        "overrides that contradict each other",
        "Two selectors name one block, and give one of its keys different values. The order of overrides means "
        "nothing; selectors that have no block in common say what each of them means.",
        wrong='override: {attention: {n_heads: 4}, "attention[0]": {n_heads: 2}}',
        right='override: {"attention[1:]": {n_heads: 4}, "attention[0]": {n_heads: 2}}',
    ),
    "B0421": Code(
        "an override that changes nothing",
        "An override names blocks, and what is different there.",
        wrong="override: {attention: {}}",
        right="override: {attention: {n_heads: 4}}",
    ),
    # B05: sentences
    "B0501": Code(
        "a clause is not understood",
        "A sentence is clauses between commas: shares, what alternates, the residual, the norm, the "
        "position.",
        wrong="model: lots of attention",
        right="model: 8% attention, interleaved Mamba-2 and FFN, pre-norm, RoPE",
    ),
    "B0502": Code(
        "clauses contradict each other",
        "Two clauses of a sentence settle the same thing differently.",
        wrong="model: interleaved attention and FFN, pre-norm, post-norm",
        right="model: interleaved attention and FFN, pre-norm",
    ),
    "B0503": Code(
        "a sentence is not enough",
        "The sentence needs a size or a clause that is not given.",
        wrong="model: interleaved attention and FFN",
        right="depth: 24\nmodel: interleaved attention and FFN",
    ),
    "B0504": Code(
        "a size is said twice",
        "A sentence may give d_model, the vocabulary and the depth, but not otherwise than the recipe does. `depth` "
        "counts blocks; a layer of a sentence is one round of the blocks that take turns.",
        wrong="depth: 24\nmodel: 24 layers, interleaved attention and FFN",
        right="depth: 48\nmodel: 24 layers, interleaved attention and FFN",
    ),
    "B0505": Code(
        "layers that can be counted in two ways",
        "Among scattered blocks one cannot tell whether they are layers of their own; count blocks there. The layers "
        "of an encoder and of a decoder have different numbers of blocks; count layers there.",
        wrong="model: 52 layers, 8% attention, interleaved Mamba-2 and FFN",
        right="model: 52 blocks, 8% attention, interleaved Mamba-2 and FFN",
    ),
    "B0506": Code(
        "a part of the layers that does not come out",
        "`in 3 of 4 layers` takes the first three of every four; what stands in the fourth is said with `in the "
        "others`, or is the same attention without its window.",
        wrong="model: Mamba-2 in 7 of 8 layers and FFN",
        right="model: Mamba-2 in 7 of 8 layers, attention in the others and FFN",
    ),
    "B0507": Code(
        "a block cannot do what the sentence asks",
        "An encoder looks both ways, which a recurrence does not; a decoder with an encoder needs blocks that can "
        "read another stream.",
        wrong="model: encoder-only, Mamba-2 and FFN",
        right="model: encoder-only, attention and FFN",
    ),
    "B0508": Code(
        "an option that no block takes",
        "An option that stands alone, such as `8 heads`, goes to every block that has it and says nothing else.",
        wrong="model: Mamba-2 and FFN, 8 kv heads",
        right="model: attention and FFN, 8 kv heads",
    ),
    "B0509": Code(
        "layers that are not whole",
        "The depth counts blocks, and every layer of the sentence has the same number of them.",
        wrong="depth: 13\nmodel: sliding-window attention in 3 of 4 layers, FFN",
        right="depth: 16\nmodel: sliding-window attention in 3 of 4 layers, FFN",
    ),
    "B0510": Code(
        "nothing to run in parallel",
        "A parallel block has two branches or more.",
        wrong="model: parallel attention, FFN",
        right="model: parallel attention and FFN",
    ),
    "B0511": Code(
        "one stream, where two are needed",
        "Cross-attention and two numbers of layers belong to an encoder and a decoder.",
        wrong="model: 6 + 6 layers, attention and FFN",
        right="model: encoder-decoder, 6 + 6 layers, attention and FFN",
    ),
    "B0512": Code(
        "a phrase of several components",
        "Two plugins call what they have the same; the registered name tells them apart.",
        wrong="model: multi-scale retention and FFN",
        right="model: retention and FFN",
    ),
    # B06: plugins and names
    "B0601": Code(
        "unknown component",
        "No plugin registers this name; `blocks plugins` lists those that are there.",
        wrong="mixer: mamba3000",
        right="mixer: mamba2",
    ),
    "B0602": Code(
        "a plugin failed",
        "A plugin could not be imported or did not register properly; the others go on without it.",
        wrong="a plugin that imports a package which is not installed",
        right="pip install that package, or use --no-plugins",
    ),
    "B0603": Code(
        "a name is claimed twice",
        "Two distributions register the same name; say which one is meant.",
        wrong="mixer: retention",
        right="mixer: blocks-retention:retention",
    ),
    "B0604": Code(
        "a plugin that the recipe was locked with is missing",
        "A lock file names the distributions of its components; one of them is not installed.",
        wrong="plugins: {blocks-retention: 1.2}   (not installed)",
        right="pip install blocks-retention",
    ),
    "B0605": Code(
        "an environment variable about plugins is wrong",
        "BLOCKS_PLUGINS lists the distributions whose plugins are loaded besides blocks' own, with commas "
        "between; BLOCKS_PLUGIN_TIMEOUT is a number of seconds. `blocks plugins` lists what is installed.",
        wrong="BLOCKS_PLUGINS=blocks-retension blocks show my.yaml",
        right="BLOCKS_PLUGINS=blocks-retention blocks show my.yaml",
    ),
    "B0606": Code(
        "a plugin takes too long to import",
        "A plugin's import was given up, after 5 seconds or 20 when something of it is first used, and the "
        "program goes on without it. Registering a "
        "plugin should take a millisecond: torch and pydantic belong into the modules that it names.",
        wrong="import torch            # in the plugin's __init__.py, on a slow disk",
        right="BLOCKS_PLUGIN_TIMEOUT=30 blocks show my.yaml\nBLOCKS_PLUGINS= blocks show my.yaml",
    ),
    "B0607": Code(
        "a plugin needs another version of the plugin API",
        "A plugin may say which version it is written for: `blocks_api = 1` in the module of its entry point. "
        "One that does not fit is not imported.",
        wrong="blocks_api = 7",
        right="blocks_api = 1",
    ),
    "B0608": Code(
        "a plugin registers wrongly",
        "A hook is a function called register_mixers, register_norms and so on, marked with @hookimpl, that "
        "takes `register`. A misspelt one would never be called, so it is refused.",
        wrong="@hookimpl\ndef register_mixer(register): ...",
        right="@hookimpl\ndef register_mixers(register): ...",
    ),
    "B0609": Code(
        "a plugin registers something of another kind",
        "What a plugin registers as a mixer is a subclass of blocks.Mixer, and so for every kind; its phrases, "
        "adjectives, symbol and ops are of the types that blocks.Component says.",
        wrong='register("retention", "blocks_retention.module:Retention")   # the nn.Module',
        right='register("retention", "blocks_retention.specs:Retention")    # the declaration',
    ),
    "B0610": Code(
        "a component's declared parameters are not those of its module",
        "What `cost` declares is not what was built: the totals that `show` and `cost` print are wrong. The "
        "model itself is as its plugin made it. `blocks.testing.conformance` finds this before a release.",
        wrong="Cost(params=4 * D * D)      # and the module has biases",
        right="Cost(params=4 * D * D + 4 * D)",
    ),
    "B0611": Code(
        "importing a plugin changes the process's settings",
        "Random states, torch's default dtype, device, gradient mode, threads and determinism, and environment "
        "variables belong to the program. What a plugin changes while it is imported is put back.",
        wrong="torch.set_default_dtype(torch.float64)   # at the top level of a plugin",
        right="x = x.double()                           # where it is needed",
    ),
    "B0612": Code(
        "a name that a plugin cannot have",
        "A plugin's name is letters, digits and single hyphens, and starts with a letter: it becomes the name "
        "of a distribution, of a package, of a class and of a component.",
        wrong="blocks new-plugin '2 fast'",
        right="blocks new-plugin two-fast",
    ),
    "B0613": Code(
        "a folder is in the way",
        "`blocks new-plugin` writes a new folder and touches no other.",
        wrong="blocks new-plugin memory      (there is a folder blocks-memory)",
        right="blocks new-plugin memory -o elsewhere/blocks-memory",
    ),
    "B0614": Code(
        "a name is taken",
        "An installed plugin registers a component of this name, or a distribution, package or module is "
        "called so.",
        wrong="blocks new-plugin mamba2",
        right="blocks new-plugin my-mamba",
    ),
    "B0615": Code(
        "a plugin's component fails",
        "A method of a component that a plugin declares raised an error, or returned something else than "
        "blocks.Component says. The message names the method, the component and the distribution; with "
        "BLOCKS_TRACEBACK=1 in the environment the program shows where.",
        wrong="def out_width(self, width): return str(width)",
        right="def out_width(self, width): return width",
    ),
    # B07: graph, shapes, capabilities
    "B0701": Code(
        "a capability is missing",
        "A block is asked for something that it declares itself unable to do.",
        wrong="cross: {mixer: mamba2, memory: encoder}",
        right="cross: {mixer: multi_head, memory: encoder}",
    ),
    "B0702": Code(
        "ports do not meet",
        "The output of one stage has another shape or meaning than the input of the next.",
        wrong="model: [{head: lm}, {embed: tokens}]",
        right="model: [{embed: tokens}, {head: lm}]",
    ),
    "B0703": Code(
        "tied weights differ in size",
        "Weights can be tied only where their sizes agree.",
        wrong="embed: tokens\n...\nhead: {lm: {tied: true, vocab_size: 700}}",
        right="embed: tokens\n...\nhead: {lm: {tied: true}}",
    ),
    "B0704": Code(
        "a kernel does not run here",
        "The implementation named by --kernels does not run on this device or in this dtype.",
        wrong="blocks build r.yaml --kernels triton --device cpu",
        right="blocks build r.yaml --kernels auto --device cpu",
    ),
    "B0705": Code(
        "a model's source cannot stand alone",
        "A generated model imports torch and the standard library alone, so a mixer's module may import those and "
        "its own package.",
        wrong="import numpy in a plugin's module.py",
        right="import torch in a plugin's module.py",
    ),
    "B0706": Code(
        "no such stream",
        "`memory` names one of the streams of `model:`.",
        wrong="memory: encodr",
        right="memory: encoder",
    ),
    "B0707": Code(
        "a stream that comes later",
        "Streams run in the order in which they are written, and a block reads one that stands above its "
        "own; two streams cannot read each other.",
        wrong="model: {decoder: [...], encoder: [...]}",
        right="model: {encoder: [...], decoder: [...]}",
    ),
    "B0708": Code(
        "a stream that nobody reads",
        "The output of the model is that of its last stream; every other one is there to be read by a "
        "block of a later stream.",
        wrong="cross: {mixer: multi_head}",
        right="cross: {mixer: multi_head, memory: encoder}",
    ),
    "B0709": Code(
        "a head on a stream that is read",
        "What a block reads of another stream are its hidden states; a head turns them into something else.",
        wrong="encoder: [{embed: tokens}, {head: lm}]",
        right="encoder: [{embed: tokens}]",
    ),
    # B08: files, build folders, commands
    "B0801": Code(
        "file not found",
        "There is no file of that name.",
        wrong="blocks show hybird.yaml",
        right="blocks show hybrid.yaml",
    ),
    "B0802": Code(
        "file cannot be read",
        "The path is a folder, or the system does not let it be read.",
        wrong="blocks show recipes/",
        right="blocks show recipes/gpt2.yaml",
    ),
    "B0803": Code(
        "output exists",
        "Nothing is overwritten unasked.",
        wrong="blocks build r.yaml -o old",
        right="blocks build r.yaml -o new",
    ),
    "B0804": Code(
        "build folder damaged",
        "A file of a build folder is missing or does not have the hash in its manifest.",
        wrong="model.safetensors edited by hand",
        right="blocks build recipe.lock.yaml -o fresh",
    ),
    "B0805": Code(
        "wrong usage",
        "The command line is wrong; `--help` shows an example.",
        wrong="blocks shwo gpt2",
        right="blocks show gpt2",
    ),
    "B0806": Code(
        "an optional library is missing",
        "This command needs a library that is not installed; the message names it.",
        wrong="blocks draw without pygraphviz",
        right="pip install pygraphviz",
    ),
    "B0807": Code(
        "cannot write",
        "The output could not be written; what was there before is unchanged.",
        wrong="blocks build r.yaml -o /read-only",
        right="blocks build r.yaml -o ~/models/r",
    ),
    "B0808": Code(
        "no such device or dtype",
        "The device is not there, or the dtype is not one that weights can have.",
        wrong="blocks build r.yaml --device cuda   (without a GPU)",
        right="blocks build r.yaml --device cpu",
    ),
    "B0809": Code(
        "the output is a link",
        "Nothing is written through a symbolic link, which may lead anywhere, and no link is replaced by a file. "
        "Name the file or folder that it leads to.",
        wrong="ln -s ~/notes.txt graph.svg; blocks draw gpt2 -o graph.svg",
        right="blocks draw gpt2 -o gpt2.svg",
    ),
    "B0810": Code(
        "not a name to write to",
        "The name of an output is not empty, has no control or direction-changing characters, does not begin with `-`, "
        "which other programs would take for an option, and is at most 255 bytes long.",
        wrong="blocks draw gpt2 -o=-rf.svg",
        right="blocks draw gpt2 -o rf.svg",
    ),
    "B0811": Code(
        "settings that are not rewritten",
        "`blocks schema --install` adds one entry to .vscode/settings.json and keeps the rest. Where the file has "
        "comments, a key twice or no mapping, rewriting it would lose something, so the entry is added by hand.",
        wrong='{\n  // mine\n  "editor.rulers": [110]\n}',
        right='{\n  // mine\n  "editor.rulers": [110],\n'
        '  "yaml.schemas": {"./.blocks/recipe.schema.json": ["recipes/**/*.yaml"]}\n}',
    ),
    "B0812": Code(
        "a result would replace a recipe",
        "`--sarif` and the name after it are one option: a result is never written to a .yaml file. Name the file "
        "of the result, or put the recipes first.",
        wrong="blocks check --sarif a.yaml b.yaml",
        right="blocks check a.yaml b.yaml --sarif",
    ),
    "B0813": Code(
        "not in git",
        "`git:REV:PATH` is the recipe as it stands in a revision of the repository around the current folder: a "
        "branch, a tag or a commit, and a path from the top of the repository, or one that begins with `./`.",
        wrong="blocks diff git:mian:recipes/gpt2.yaml recipes/gpt2.yaml",
        right="blocks diff git:main:recipes/gpt2.yaml recipes/gpt2.yaml",
    ),
    "B0814": Code(
        "GPUs that cannot be shared out so",
        "Tensor parallelism cuts heads, groups and channels into equal parts, inside one node, and hybrid sharding "
        "needs whole nodes: `blocks cost --gpus` says nothing of what cannot be.",
        wrong="blocks cost llama-3.1-8b --gpus 64 --parallel tp=3",
        right="blocks cost llama-3.1-8b --gpus 64 --parallel tp=8",
    ),
    # B09: ours
    "B0900": Code(
        "a mistake in blocks or in a plugin",
        "Something went wrong that is not yours. With BLOCKS_TRACEBACK=1 in the environment the program shows where; "
        "please report it with the recipe.",
        wrong="blocks show r.yaml",
        right="BLOCKS_TRACEBACK=1 blocks show r.yaml",
    ),
    # B10: checkpoints of other libraries
    "B1001": Code(
        "an unknown family",
        "No importer knows the `model_type` of this config.json. An importer is a small plugin: "
        "docs/guide/write-a-plugin.md shows one.",
        wrong='{"model_type": "gpt9"}',
        right='{"model_type": "gpt2"}',
    ),
    "B1002": Code(
        "a key that nobody read",
        "A key of config.json that the importer does not know may change the results, so it is not passed over. Where "
        "you know that it changes nothing, `--ignore KEY` says so.",
        wrong='{"model_type": "gpt2", "frobnicate": 2}',
        right='{"model_type": "gpt2"}',
    ),
    "B1003": Code(
        "a value that a recipe cannot say",
        "A key of config.json is missing, or has a value with which the model would compute something else than what "
        "the recipe language has words for.",
        wrong='{"model_type": "gpt2", "scale_attn_weights": false}',
        right='{"model_type": "gpt2", "scale_attn_weights": true}',
    ),
    "B1004": Code(
        "weights that do not fit",
        "A tensor is missing, left over, or has another shape or dtype than the recipe of config.json wants. Nothing "
        "was read. The two files may belong to different models.",
        wrong="config.json of one model, model.safetensors of another",
        right="both of one checkpoint",
    ),
    "B1005": Code(
        "a damaged checkpoint",
        "A file of the checkpoint cannot be what it says: it is cut short, its header is wrong, or its parts do not "
        "belong together.",
        wrong="a download that broke off",
        right="fetch the file again",
    ),
    "B1006": Code(
        "pickled weights",
        "Files such as pytorch_model.bin can run code when they are read, so they are not. Convert them where you "
        "trust them: transformers' save_pretrained writes safetensors.",
        wrong="pytorch_model.bin",
        right="model.safetensors",
    ),
    "B1007": Code(
        "not fetched from the hub",
        "The repository is not there, or not for you, or the network is not.",
        wrong="blocks import opneai/gpt2 -o gpt2.yaml",
        right="blocks import openai-community/gpt2 -o gpt2.yaml",
    ),
    # B11: exports
    "B1101": Code(
        "a model that the format has no words for",
        "The format, or the way in which its programs call a model, cannot say what this one reads or gives.",
        wrong="blocks export three-streams.yaml --to hf -o out",
        right="blocks export three-streams.yaml --to pt2 -o out",
    ),
    "B1102": Code(
        "an export that computes something else",
        "What was written was run and compared with the model, and the numbers differ by more than rounding. Nothing "
        "is left of it. Please report it with the recipe.",
        wrong="a program that reads an operator in another way than torch does",
        right="a newer version of the program, or another format",
    ),
    "B1103": Code(
        "a graph that cannot be written",
        "torch.export could not trace the model with sizes left open, the format has no such operator, or the weights "
        "are larger than one file of it may be.",
        wrong="blocks export llama-3.1-8b --to onnx -o model.onnx",
        right="blocks export llama-3.1-8b --to onnx -o model",
    ),
    # B12: tokenizers
    "B1201": Code(
        "no tokenizer there",
        "A tokenizer is read from a build folder whose recipe names one, from a tokenizer.json, or from a "
        "sentencepiece *.model. None of these was found.",
        wrong="blocks tokenizer encode builds/without-tokenizer",
        right="blocks tokenizer encode builds/hybrid-tiny",
    ),
    "B1202": Code(
        "not a tokenizer's file",
        "A tokenizer is read from a tokenizer.json, as the tokenizers library and transformers write it, or from a "
        "sentencepiece *.model. This file is neither, or it is damaged.",
        wrong="tokenizer: {file: {path: vocabulary.json}}",
        right="tokenizer: {file: {path: tokenizer.json}}",
    ),
    "B1203": Code(
        "a tokenizer that is not trained yet",
        "The recipe says which kind of tokenizer it is, and its vocabulary comes from a text. `blocks train` trains it "
        "before the model, and puts it into every checkpoint.",
        wrong="blocks tokenizer encode bpe.yaml",
        right="blocks tokenizer train bpe.yaml --data text.txt -o tokenizer",
    ),
    "B1204": Code(
        "too few ids",
        "Special tokens and the letters that everything is made of come first: the 256 bytes of byte-pair encoding, "
        "the characters of the text for others. What is left of the number of ids is for words and pieces.",
        wrong="tokenizer: bpe\nvocab_size: 200",
        right="tokenizer: bpe\nvocab_size: 4096",
    ),
    "B1205": Code(
        "an id that no token has",
        "Ids are 0 up to the number of tokens less one. A larger one comes from another tokenizer, or from a model "
        "with more rows than its tokenizer has tokens.",
        wrong="decode([256])",
        right="decode([255])",
    ),
    "B1206": Code(
        "a character without an id",
        "The text has a character, or a word, that the text that the tokenizer was trained on did not have, and the "
        "tokenizer has no token for the unknown.",
        wrong="tokenizer: char",
        right="tokenizer: {char: {unk: <unk>}}",
    ),
    "B1207": Code(
        "not a text",
        "Text is UTF-8. Bytes that are something else, and halves of surrogate pairs, stand for no character.",
        wrong="a file saved as UTF-16",
        right="the same file saved as UTF-8",
    ),
    "B1208": Code(
        "nothing to learn from",
        "The text is empty, or nothing in it occurs as often as `min_count` asks.",
        wrong="tokenizer: {word: {min_count: 1000}}",
        right="tokenizer: {word: {min_count: 2}}",
    ),
    "B1209": Code(
        "no such token",
        "A role is given to a token that the file's vocabulary does not have.",
        wrong="tokenizer: {file: {path: tokenizer.json, eos: <end>}}",
        right="tokenizer: {file: {path: tokenizer.json, eos: </s>}}",
    ),
    "B1210": Code(
        "a token that is there already",
        "Tokens that are added are new: none of them is in the vocabulary, none is given twice, and a role that has a "
        "token keeps it.",
        wrong="blocks tokenizer extend model --add Kyiv Kyiv -o larger",
        right="blocks tokenizer extend model --add Kyiv -o larger",
    ),
    "B1211": Code(
        "a model without rows for tokens",
        "Tokens are added to a model by adding rows to its embedding and its head. This one reads something else than "
        "tokens.",
        wrong="blocks tokenizer extend a-vision-transformer --add Kyiv -o larger",
        right="blocks tokenizer extend a-language-model --add Kyiv -o larger",
    ),
    # B13: training
    "B1301": Code(
        "training without something that it needs",
        "An objective says what is learnt, an optimizer how, a schedule at which rate: none of them can be `none`. A "
        "rate that stays as it is is the schedule `constant`.",
        wrong="train: {schedule: none}",
        right="train: {schedule: constant}",
    ),
    "B1302": Code(
        "rows that cannot be divided",
        "`batch` counts the rows of an optimizer step, all processes and accumulated parts together, and `accumulate` "
        "says in how many equal parts they are computed.",
        wrong="train: {batch: 12, accumulate: 5}",
        right="train: {batch: 12, accumulate: 4}",
    ),
    "B1303": Code(
        "rows that cannot go on",
        "With `carry` each row goes on where it stopped in the step before, so it is a piece of a stream.",
        wrong="train: {carry: true, packing: documents}",
        right="train: {carry: true, packing: stream}",
    ),
    "B1304": Code(
        "rows longer than the positions",
        "Learned positions have a row of their table for each token, and `context` is the number of tokens that the "
        "model reads at once.",
        wrong="- position: {learned: {max_len: 1024}}\n...\ntrain: {context: 2048}",
        right="- position: {learned: {max_len: 1024}}\n...\ntrain: {context: 1024}",
    ),
    "B1305": Code(
        "rows that a block cannot read",
        "Packed documents touch each other in nothing only where every block keeps them apart, and padding changes "
        "nothing only where every block takes a mask.",
        wrong="writer: {mixer: bahdanau, memory: encoder}\n...\ntrain: {packing: documents}",
        right="writer: {mixer: bahdanau, memory: encoder}\n...\ntrain: {packing: padded}",
    ),
    "B1306": Code(
        "a state that cannot be carried",
        "With `carry` a state goes on from batch to batch, for as long as training lasts. That of attention grows with "
        "every token, and learned positions come to their end; recurrent states and windows stay as they are.",
        wrong="attention: {mixer: multi_head}\n...\ntrain: {carry: true}",
        right="memory: {mixer: gru}\n...\ntrain: {carry: true}",
    ),
    "B1307": Code(
        "a schedule that does not fit its steps",
        "Warm-up, decay and milestones are steps of one training, and have to fit into it. A number below 1 is a share "
        "of the steps, and fits any number of them.",
        wrong="train: {steps: 100, schedule: {cosine: {warmup: 2000}}}",
        right="train: {steps: 100, schedule: {cosine: {warmup: 0.01}}}",
    ),
    "B1308": Code(
        "a model that cannot be trained for this",
        "An objective asks something of the model: next_token needs a head over the vocabulary and blocks that see the "
        "past alone, load_balance a mixture of experts.",
        wrong="ffn: {mixer: mlp}\n...\ntrain: {auxiliary: {load_balance: 0.01}}",
        right="ffn: {mixer: moe}\n...\ntrain: {auxiliary: {load_balance: 0.01}}",
    ),
    "B1309": Code(
        "a tokenizer without a token that training needs",
        "masked_lm hides tokens behind one that stands for them all: the tokenizer has to have a token of the role "
        "mask, as BERT's has.",
        wrong="tokenizer: byte\n...\ntrain: {objective: masked_lm}",
        right="tokenizer: {byte: {mask: <mask>}}\n...\ntrain: {objective: masked_lm}",
    ),
    # B14: data
    "B1401": Code(
        "no data there",
        "Data are files, folders, globs and datasets. The folder has no file of a known suffix, nothing matches the "
        "glob, or the name of a dataset is not one.",
        wrong="blocks train gpt2-tiny --data empty/",
        right="blocks train gpt2-tiny --data 'texts/**/*.txt'",
    ),
    "B1402": Code(
        "data that is not UTF-8",
        "Text is read as UTF-8, with or without a byte order mark. The message names the byte, counted from 0, and the "
        "line that it stands in.",
        wrong="a file saved as Latin-1",
        right="iconv -f LATIN1 -t UTF-8 old.txt > new.txt",
    ),
    "B1403": Code(
        "a line that is no JSON record",
        "JSONL has one JSON object a line. A list, a number, or an object that goes on over several lines is none.",
        wrong='{"text": "To be,\n or not"',
        right='{"text": "To be,\\n or not"}',
    ),
    "B1404": Code(
        "no such field",
        "A record has no field of that name. Text is looked for in `text`, and in what the columns are called where "
        "there are several.",
        wrong='{"txt": "To be"}',
        right='{"text": "To be"}',
    ),
    "B1405": Code(
        "a value of another kind",
        "A field holds a number where a text is read, or the other way round, or numbers of another shape than in the "
        "first record, or too large for their type.",
        wrong='{"text": 7}',
        right='{"text": "7"}',
    ),
    "B1406": Code(
        "data that its library cannot read",
        "A parquet file or a gzip archive is damaged or cut short, or a dataset is not found; the library's own words "
        "follow.",
        wrong="a download that was interrupted",
        right="the whole file",
    ),
    "B1407": Code(
        "no share to keep",
        "Of several documents the last ones are kept to measure by, of a single one its last tokens. So little data "
        "cannot be shared like that.",
        wrong="corpus of one token, train.validation=0.1",
        right="train.validation=0",
    ),
    "B1408": Code(
        "files that are not side by side",
        "Where columns have files of their own, line n of one belongs to line n of the others, so all have as many.",
        wrong="source=train.de target=valid.en",
        right="source=train.de target=train.en",
    ),
    "B1409": Code(
        "an id beyond the vocabulary",
        "A tokenizer gave an id that is not below its own vocab_size. The mistake is the tokenizer's.",
        wrong="vocab_size = 256, and the id 256",
        right="vocab_size = 257",
    ),
    "B1410": Code(
        "no documents",
        "The data were read, and there is nothing in them but blanks.",
        wrong="an empty file",
        right="a file with text",
    ),
    "B1411": Code(
        "a batch that cannot be shared out",
        "Every process takes as many rows of a batch as the others.",
        wrong="train.batch=10 with 4 processes",
        right="train.batch=12 with 4 processes",
    ),
    "B1412": Code(
        "rows that cannot go on",
        "With `carry` each row goes on where it stopped. Rows of whole documents end with them, so they do not.",
        wrong="train: {packing: documents, carry: true}",
        right="train: {packing: stream, carry: true}",
    ),
    "B1413": Code(
        "too little data",
        "A row takes its context and the token after it; rows that are carried take as many side by side, and packed "
        "ones a document of two tokens.",
        wrong="100 tokens, train.context=256",
        right="100 tokens, train.context=64",
    ),
    # B15: runs of training
    "B1501": Code(
        "a folder that is in use",
        "A run of training has a folder of its own. This one holds a run already, which `--resume` goes on with, or "
        "another process trains in it at this moment.",
        wrong="blocks train r.yaml --data d.txt -o run --steps 1\n"
        "blocks train r.yaml --data d.txt -o run --steps 1",
        right="blocks train r.yaml --data d.txt -o run --steps 1\n"
        "blocks train r.yaml --data d.txt -o another --steps 1",
    ),
    "B1502": Code(
        "another run",
        "A run goes on with the model, the data, the tokenizer and the seed that it began with; the message says what "
        "differs. Of the section `train`, steps, save_every, eval_every, clip, compile, checkpoint, the schedule and "
        "the optimizer's options may change on the way.",
        wrong="blocks train r.yaml --data d.txt -o run --steps 1\n"
        "blocks train r.yaml --data d.txt -o run --steps 2 --resume --seed 7",
        right="blocks train r.yaml --data d.txt -o run --steps 1\n"
        "blocks train r.yaml --data d.txt -o run --steps 2 --resume",
    ),
    "B1503": Code(
        "nothing to resume",
        "`--resume` goes on with the run in a folder, and there is none in this one.",
        wrong="blocks train r.yaml --data d.txt -o run --steps 1 --resume",
        right="blocks train r.yaml --data d.txt -o run --steps 1",
    ),
    "B1504": Code(
        "a run that is done",
        "The newest checkpoint is at the step that was asked for, or past it. More steps go on from there.",
        wrong="blocks train r.yaml --data d.txt -o run --steps 2\n"
        "blocks train r.yaml --data d.txt -o run --steps 2 --resume",
        right="blocks train r.yaml --data d.txt -o run --steps 2\n"
        "blocks train r.yaml --data d.txt -o run --steps 3 --resume",
    ),
    "B1505": Code(
        "a run that diverged",
        "The loss or a gradient is not finite, or the loss has been far worse than before for ten steps. The message "
        "names the step, the first block whose output is not finite, and the last good checkpoint, which holds no such "
        "weights. A lower learning rate, a longer warm-up or clipping of gradients helps in most cases.",
        wrong="blocks train r.yaml --data d.txt -o run --steps 4 --set train.optimizer.adamw.lr=1e30",
        right="blocks train r.yaml --data d.txt -o run --steps 4",
    ),
    "B1506": Code(
        "a checkpoint that could not be written",
        "The disk is full, or the system refused for another reason. Earlier checkpoints are as they were. A run goes "
        "on when one fails in its middle, and says so; it ends with this error where the first or the last one fails.",
        wrong="blocks train r.yaml --data d.txt -o run   (on a full disk)",
        right="blocks train r.yaml --data d.txt -o run --resume   (once there is space)",
    ),
    "B1507": Code(
        "nothing that turns text into ids",
        "A recipe that is trained on text names a tokenizer. One without is read as bytes, which takes 256 ids.",
        wrong="vocab_size: 100",
        right="vocab_size: 256",
    ),
    "B1508": Code(
        "a model that torch.compile refuses",
        "torch.compile has no way to compile this model with its gradients: loops over the tokens of a sequence, as "
        "Mamba-2 has, are beyond it; or there is no C++ compiler. Without compilation the model is trained as it is.",
        wrong="train: {compile: true}",
        right="train: {compile: false}",
    ),
    "B1509": Code(
        "processes that do not fit together",
        "torchrun starts the processes of a run and tells each how many there are. `--shard` says how many of them "
        "share one copy of the weights, and has to divide that number; on CUDA each has a device of its own.",
        wrong="torchrun --nproc-per-node 4 --no-python blocks train r.yaml --data d.txt --shard 3",
        right="torchrun --nproc-per-node 4 --no-python blocks train r.yaml --data d.txt --shard 2",
    ),
    "B1510": Code(
        "a parameter that cannot be dealt",
        "Several processes each hold a part of every parameter, cut along its first dimension. A parameter that is a "
        "single number has none.",
        wrong="self.scale = nn.Parameter(torch.ones(()))",
        right="self.scale = nn.Parameter(torch.ones(1))",
    ),
    # B16: comparisons
    "B1601": Code(
        "recipes that would not learn from the same",
        "What is compared is trained on the same tokens in the same order, as often: steps, rows, context, packing, "
        "carried rows, the share kept for validation, the seed and the objective are those of all recipes. Optimizer, "
        "schedule and the rest may be each one's own. --set changes every recipe.",
        wrong="blocks compare gpt.yaml lstm.yaml --data book.txt -o compared",
        right="blocks compare gpt.yaml lstm.yaml --data book.txt -o compared --set train.batch=12",
    ),
    "B1602": Code(
        "recipes of the same name",
        "The name of a recipe is the folder of its run and its row in the table.",
        wrong="recipe: gpt",
        right="recipe: gpt-wide",
    ),
    "B1603": Code(
        "recipes that read a text as other tokens",
        "Losses are in nats a token, so that all recipes have to read the text as the same tokens.",
        wrong="blocks compare gpt.yaml lstm.yaml --data book.txt -o compared",
        right="blocks compare gpt.yaml lstm.yaml --data book.txt -o compared --set tokenizer=char",
    ),
    "B1604": Code(
        "a number of parameters that cannot be had",
        "Recipes are scaled by d_model, and by `depth` where they have one and the width is not enough, to the nearest "
        "number of parameters; within 2% it counts as equal. Heads and groups that do not divide a width leave it out, "
        "and sizes that do not follow d_model stay as they are.",
        wrong="attention: {mixer: multi_head, n_heads: 4, head_dim: 32}",
        right="attention: {mixer: multi_head, n_heads: 4}",
    ),
    "B1605": Code(
        "nothing to compare by",
        "Models are compared by their loss on data that none of them has seen: a share at the end, which "
        "`train.validation` says.",
        wrong="train: {validation: 0}",
        right="train: {validation: 0.1}",
    ),
    # B17: generation
    "B1701": Code(
        "an impossible way of choosing tokens",
        "A number is out of the range in which it means something, or two options contradict each other: beams search "
        "for the likeliest text and draw nothing, samples at temperature 0 are all the same.",
        wrong="blocks generate model --prompt Once --beams 4 --temperature 0.8",
        right="blocks generate model --prompt Once --beams 4",
    ),
    "B1702": Code(
        "a model that writes no tokens",
        "Text comes from a model that reads tokens and ends in a language-model head; of two streams the second one "
        "writes. Classifiers, encoders alone and models of images have no next token.",
        wrong="blocks build vit-tiny -o model --set tokenizer=byte --set vocab_size=256\n"
        "blocks generate model --prompt Once",
        right="blocks build gpt2-tiny -o model --set tokenizer=byte\nblocks generate model --prompt Once",
    ),
    "B1703": Code(
        "an empty prompt",
        "A model continues what it is given, so there has to be a token; where the tokenizer has one that begins every "
        "text (bos), an empty prompt is that.",
        wrong="blocks generate model --prompt ''",
        right="blocks generate model --prompt Once",
    ),
    "B1704": Code(
        "more tokens than learned positions",
        "A table of learned positions ends, and the model knows nothing of what is beyond. --slide goes on with the "
        "last half of the context, read anew from position 0, each time that the table is full.",
        wrong="blocks generate model --prompt Once --max-new-tokens 300    (256 positions)",
        right="blocks generate model --prompt Once --max-new-tokens 300 --slide",
    ),
    "B1705": Code(
        "a token that the model does not know",
        "The tokenizer gives an id that is beyond the model's vocabulary: they do not belong together.",
        wrong="a model of 256 ids, and a tokenizer of 32,000",
        right="the tokenizer that the model was trained with",
    ),
    "B1706": Code(
        "text without a tokenizer",
        "Prompts and stop strings are text, which a tokenizer turns into ids. Without one, give ids, in Python.",
        wrong='generate(model, None, "Once")',
        right='generate(model, blocks.open_tokenizer("model"), "Once")',
    ),
    "B1707": Code(
        "an encoder-decoder that is not told how to begin",
        "What a decoder writes begins with a token of its training, which is not written: `decoder_start_token_id` in "
        "the config.json of a checkpoint, otherwise the tokenizer's bos or pad.",
        wrong="blocks generate translator --prompt Hello",
        right="blocks generate translator --prompt Hello --start 0",
    ),
    "B1708": Code(
        "prompts that cannot be read",
        "A file of prompts is text in UTF-8: one prompt, one a line with --lines, or a .jsonl file with the key "
        "`prompt` on each line.",
        wrong='{"text": "Once"}',
        right='{"prompt": "Once"}',
    ),
    "B1709": Code(
        "a state that cannot be compiled",
        "One graph serves every step where a state keeps its size: recurrences and convolutions do, and attention "
        "reserves room for all tokens of a text. A plugin's mixer whose state grows needs a `reserve` for that "
        "(docs/plugins.md).",
        wrong="blocks generate model --prompt Once --compile    (a mixer without `reserve`)",
        right="blocks generate model --prompt Once",
    ),
    # B18: evaluation
    "B1801": Code(
        "a model that predicts no next token",
        "A text is scored token by token, each given those before it. That takes one stream of tokens, blocks that see "
        "the past alone, and a head over the vocabulary.",
        wrong="blocks eval builds/bert-like --data texts/*.txt",
        right="blocks eval builds/gpt2-tiny --data texts/*.txt",
    ),
    "B1802": Code(
        "texts that are too short to score",
        "A token is scored by the tokens before it, so a text needs two of them.",
        wrong="blocks eval model --data one-letter.txt",
        right="blocks eval model --data book.txt",
    ),
    "B1803": Code(
        "a loss that is no number",
        "The model gave logits that are infinite or not a number: its training diverged, or its weights do not fit the "
        "dtype that they were read in.",
        wrong="blocks eval run/checkpoints/step-00000300 --data book.txt",
        right="blocks eval run/checkpoints/step-00000200 --data book.txt",
    ),
}
