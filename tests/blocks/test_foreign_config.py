"""A config.json is read key by key, and nothing is passed over."""

from blocks.foreign_config import Config, Finding


def messages(found: list[Finding]) -> list[str]:
    return [f"{finding.code} {'.'.join(finding.path)}: {finding.message}" for finding in found]


def test_what_nobody_read_is_found() -> None:
    config = Config(
        {"hidden_size": 8, "extra": 1, "use_cache": True, "is_decoder": False, "pruned_heads": {}}
    )
    config.size("hidden_size")
    assert messages(list(config.unread())) == [
        "B1002 extra: extra = 1 is not known, and may change the results"
    ]
    assert list(config.unread(["extra"])) == []


def test_a_neutral_key_has_one_value() -> None:
    config = Config({"quantization_config": {"bits": 4}, "is_decoder": True, "pretraining_tp": 1})
    assert [finding.path for finding in config.unread()] == [("quantization_config",), ("is_decoder",)]


def test_values_of_the_wrong_kind_are_findings_and_reading_goes_on() -> None:
    config = Config({"a": "x", "b": 0, "c": True, "d": 1, "e": float("inf"), "f": None})
    assert (config.size("a"), config.size("b"), config.size("c")) == (1, 1, 1)
    assert config.flag("d") is False
    assert config.number("e") == 1.0
    assert config.size("f", None) is None
    assert config.size("g", None) is None
    assert config.size("h", 3) == 3
    assert config.size("i") == 1
    assert [finding.path[0] for finding in config.all_findings()] == ["a", "b", "c", "d", "e", "i"]


def test_one_and_true_are_not_the_same() -> None:
    config = Config({"scale": 1, "flag": True})
    config.only("scale", True)
    config.only("flag", True)
    assert [finding.path for finding in config.all_findings()] == [("scale",)]


def test_a_choice_says_what_is_known() -> None:
    config = Config({"act": "mish", "list": [1]})
    assert config.choice("act", {"relu": "relu", "gelu": "gelu"}) == "relu"
    assert config.choice("list", {"relu": 1}) == 1
    assert config.choice("absent", {"relu": 1, "gelu": 2}, "gelu") == 2
    assert [finding.help for finding in config.all_findings()] == ['known: "relu", "gelu"', 'known: "relu"']


def test_mappings_inside_are_read_like_the_whole() -> None:
    config = Config({"rope": {"type": "linear", "spin": 3}, "other": 4, "none": None})
    inner = config.inner("rope")
    assert inner is not None
    assert inner.get("type") == "linear"
    assert config.inner("none") is None
    assert config.inner("other") is None
    assert messages([*config.all_findings(), *config.unread()]) == [
        "B1003 other: other = 4 is not a mapping",
        "B1002 rope.spin: spin = 3 is not known, and may change the results",
    ]


def test_a_head_of_its_own_wins_over_tying() -> None:
    values = {"tie_word_embeddings": True}
    names = {"lm_head.weight", "embed.weight"}
    differs = Config(values, names=names, equal=lambda one, other: False)
    assert not differs.tied("lm_head.weight", "embed.weight")
    same = Config(values, names=names)
    assert same.tied("lm_head.weight", "embed.weight")
    assert same.copies == {"lm_head.weight"}
    assert Config({}, names={"embed.weight"}).tied("lm_head.weight", "embed.weight")
    assert not Config({"tie_word_embeddings": False}).tied("lm_head.weight", "embed.weight")


def test_an_older_name_of_a_key() -> None:
    config = Config({"d_conv": 4, "n": 2, "old_n": 3, "old_eps": "small"})
    for older, key in (("d_conv", "conv_kernel"), ("old_n", "n"), ("old_eps", "eps")):
        config.renamed(older, key)
        config.renamed(older, key)
    assert (config.size("conv_kernel"), config.size("n"), config.number("eps")) == (4, 3, 1.0)
    assert messages(config.all_findings()) == [
        "B1003 old_n: old_n = 3, but n = 2",
        'B1003 old_eps: old_eps = "small" is not a number',
    ]
    assert list(config.unread()) == []


def test_auto_is_a_number() -> None:
    config = Config({"rank": "auto", "head": 5}, defaults={"tail": "auto"})
    for key in ("rank", "head", "tail"):
        config.auto(key, 7)
    assert (config.size("rank"), config.size("head"), config.size("tail")) == (7, 5, 7)
    assert not config.all_findings()
