"""The masked language-model head on transformers' weights: BERT's and ALBERT's."""

import pytest
import torch
from torch import nn
from transformers import AlbertConfig, BertConfig
from transformers.models.albert.modeling_albert import AlbertMLMHead
from transformers.models.bert.modeling_bert import BertOnlyMLMHead

from blocks_heads.module import MaskedLMHead


def filled(module: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    return module.eval()


@pytest.mark.parametrize("tokens", [1, 7])
@pytest.mark.parametrize(
    ("activation", "theirs"),
    [("gelu", "gelu"), ("gelu_tanh", "gelu_new"), ("relu", "relu"), ("silu", "silu")],
)
def test_it_is_berts(activation: str, theirs: str, tokens: int) -> None:
    config = BertConfig(vocab_size=12, hidden_size=8, num_attention_heads=2, hidden_act=theirs)
    bert = filled(BertOnlyMLMHead(config))
    ours = MaskedLMHead(8, 12, activation=activation)
    inner = bert.predictions
    ours.in_proj, ours.norm = inner.transform.dense, inner.transform.LayerNorm
    ours.weight, ours.bias = inner.decoder.weight, inner.decoder.bias
    x = torch.randn(2, tokens, 8)
    torch.testing.assert_close(ours(x), bert(x), rtol=1e-6, atol=1e-5)


def test_it_is_alberts_with_a_factorised_table() -> None:
    config = AlbertConfig(vocab_size=12, embedding_size=4, hidden_size=8, num_attention_heads=2)
    albert = filled(AlbertMLMHead(config))
    ours = MaskedLMHead(8, 12, dim=4, activation="gelu_tanh")
    ours.in_proj, ours.norm = albert.dense, albert.LayerNorm
    ours.weight, ours.bias = albert.decoder.weight, albert.decoder.bias
    x = torch.randn(2, 7, 8)
    torch.testing.assert_close(ours(x), albert(x), rtol=1e-6, atol=1e-5)


def test_its_norm_has_berts_epsilon_and_the_table_may_lack_a_bias() -> None:
    assert MaskedLMHead(8, 12).norm.eps == 1e-12
    assert MaskedLMHead(8, 12, bias=False).bias is None
