"""The language-model head: a linear map, in every shape and precision, whichever way it multiplies, and shaped."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import Gemma2Config, Gemma2ForCausalLM, T5Config, T5ForConditionalGeneration

from blocks_heads.module import LMHead, ShapedLMHead


def head(bias: bool = False, dtype: torch.dtype = torch.float64) -> LMHead:
    torch.manual_seed(0)
    return LMHead(8, 12, bias=bias, dtype=dtype)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(3, 1), (1, 1), (0, 1), (0, 4), (2, 0), (2, 5), (64, 1)])
def test_logits_and_gradients_are_those_of_a_linear_map(shape: tuple[int, int], bias: bool) -> None:
    made = head(bias)
    x = torch.randn(*shape, 8, dtype=torch.float64, requires_grad=True)
    ours, theirs = made(x), F.linear(x, made.weight, made.bias)
    assert ours.shape == (*shape, 12)
    assert ours.is_contiguous()
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    g = torch.randn_like(theirs)
    leaves = [x, *made.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad(ours, leaves, g), torch.autograd.grad(theirs, leaves, g), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_stays_near_double(dtype: torch.dtype, bias: bool) -> None:
    made = head(bias, dtype)
    x = torch.randn(3, 1, 8).to(dtype)
    expected = F.linear(x.double(), made.weight.double(), None if made.bias is None else made.bias.double())
    assert made(x).dtype == dtype
    tolerance = 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(made(x).double(), expected, rtol=tolerance, atol=tolerance)


def test_one_token_of_a_slice_is_the_same() -> None:
    x = torch.randn(3, 5, 8, dtype=torch.float64)
    made = head(bias=True)
    torch.testing.assert_close(made(x[:, 2:3]), made(x)[:, 2:3], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bias", [False, True])
def test_its_parameters_are_those_of_a_linear(bias: bool) -> None:
    linear = nn.Linear(8, 12, bias=bias, dtype=torch.float64)
    made = head(bias)
    made.load_state_dict(linear.state_dict())
    assert {n: p.shape for n, p in made.named_parameters()} == {
        n: p.shape for n, p in linear.named_parameters()
    }
    x = torch.randn(2, 3, 8, dtype=torch.float64)
    assert torch.equal(made(x), linear(x))


def test_a_table_can_be_shared_with_an_embedding() -> None:
    embedding, made = nn.Embedding(12, 8, dtype=torch.float64), head()
    made.weight = embedding.weight
    made(embedding(torch.tensor([[3]]))).sum().backward()
    assert embedding.weight.grad is not None
    assert embedding.weight.grad.abs().sum(1).gt(0).all()


def test_a_soft_cap_is_gemma_2s() -> None:
    config = Gemma2Config(
        vocab_size=12, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=4, final_logit_softcapping=2.0, initializer_range=3.0,
    )  # fmt: skip
    theirs = Gemma2ForCausalLM(config).eval()
    ours = ShapedLMHead(8, 12, logit_cap=2.0)
    ours.weight = theirs.lm_head.weight
    ids = torch.tensor([[1, 5, 7]])
    hidden = theirs.model(ids).last_hidden_state
    logits = theirs(ids).logits
    assert logits.abs().max() > 1.5
    torch.testing.assert_close(ours(hidden), logits, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(ours(hidden[:, -1:]), logits[:, -1:], rtol=1e-6, atol=1e-6)


def test_a_scale_before_the_tied_table_is_t5s() -> None:
    config = T5Config(
        vocab_size=12, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, decoder_start_token_id=0,
        tie_word_embeddings=True,
    )  # fmt: skip
    theirs = T5ForConditionalGeneration(config).eval()
    ours = ShapedLMHead(8, 12, scale=8**-0.5)
    ours.weight = theirs.shared.weight
    ids = torch.tensor([[1, 5, 7]])
    found = theirs(input_ids=ids, decoder_input_ids=ids, output_hidden_states=True)
    torch.testing.assert_close(ours(found.decoder_hidden_states[-1]), found.logits, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("tokens", [1, 5])
@pytest.mark.parametrize("bias", [False, True])
def test_a_factorised_head_maps_to_the_columns_of_the_table(bias: bool, tokens: int) -> None:
    made = ShapedLMHead(8, 12, dim=3, bias=bias, scale=0.5, logit_cap=1.5)
    assert made.weight.shape == (12, 3)
    assert made.in_proj is not None
    x = torch.randn(2, tokens, 8)
    narrow = x @ made.in_proj.weight.T * 0.5
    expected = 1.5 * torch.tanh(F.linear(narrow, made.weight, made.bias) / 1.5)
    torch.testing.assert_close(made(x), expected, rtol=1e-6, atol=1e-6)
    assert made(x).abs().max() < 1.5
