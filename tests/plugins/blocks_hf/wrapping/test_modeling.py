"""The usual calls and the usual outputs, held against the model that is wrapped."""

import pytest
import torch
import torch.nn.functional as F
from transformers.modeling_outputs import (
    BaseModelOutputWithPast,
    CausalLMOutputWithPast,
    ImageClassifierOutput,
    MaskedLMOutput,
    Seq2SeqLMOutput,
    SequenceClassifierOutput,
)

import blocks
import blocks_hf

BERT = """\
recipe: bert
d_model: 32
vocab_size: 256
blocks:
  attention: {mixer: multi_head, n_heads: 2, mask: bidirectional, position: none}
  ffn: {mixer: mlp}
model:
  - embed: {tokens: {n_types: 2}}
  - position: {learned: {max_len: 64}}
  - stack: {depth: 4, cycle: [attention, ffn], norm: layernorm, residual: post}
"""
HEADS = {
    "BlocksModel": "  - heads: {states: hidden, pooled: pooler}\n",
    "BlocksForMaskedLM": "  - heads: {next: {classifier: {n_classes: 3}}, words: masked_lm}\n",
    "BlocksForSequenceClassification": "  - head: {classifier: {n_classes: 3}}\n",
}


def bert(kind: str, **config):
    model = blocks.build(BERT + HEADS[kind], seed=1).eval()
    return model, blocks_hf.to_transformers(model, **config)


class TestCausal:
    def test_logits_are_those_of_the_model(self, model, hf, causal, ids, left):
        out = hf(causal)(input_ids=ids, attention_mask=left)
        assert isinstance(out, CausalLMOutputWithPast)
        assert torch.equal(out.logits, model(causal)(ids, None, left.bool())[0])
        assert torch.equal(hf(causal)(ids).logits, model(causal)(ids)[0])
        assert torch.equal(hf(causal)(ids, torch.ones_like(ids)).logits, model(causal)(ids)[0])

    def test_a_cache_goes_on(self, model, hf, causal, ids, left):
        whole = model(causal)(ids, None, left.bool())[0]
        first = hf(causal)(ids[:, :5], left[:, :5], use_cache=True)
        for mask in (left, left[:, 5:]):  # with the past, or without
            cache = hf(causal)(ids[:, :5], left[:, :5], use_cache=True)[1]
            rest = hf(causal)(ids[:, 5:], mask, past_key_values=cache)
            real = left[:, 5:].bool()
            assert (rest.logits - whole[:, 5:])[real].abs().max() < 1e-4
            assert rest[1].get_seq_length() == 9
        assert first[1].get_seq_length() == 5

    def test_nothing_is_kept_where_nothing_is_to_be(self, hf, ids):
        assert len(hf("gpt2-tiny")(ids, use_cache=False)) == 1
        assert len(hf("gpt2-tiny")(ids)) == 2

    def test_loss_and_tuples(self, model, hf, ids):
        labels = ids.clone()
        labels[:, :4] = -100
        out = hf("gpt2-tiny")(ids, labels=labels, use_cache=False)
        logits = model("gpt2-tiny")(ids)[0]
        wanted = F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        assert torch.allclose(out.loss, wanted)
        loss, again = hf("gpt2-tiny")(ids, labels=labels, use_cache=False, return_dict=False)
        assert torch.equal(loss, out.loss)
        assert torch.equal(again, out.logits)

    @pytest.mark.parametrize("name", ["gpt2-tiny", "nemotron-h-tiny"])
    def test_some_logits_alone(self, hf, name, ids):
        whole = hf(name)(ids).logits
        assert torch.allclose(hf(name)(ids, logits_to_keep=2).logits, whole[:, -2:], atol=1e-4)
        picked = torch.tensor([0, 8])
        assert torch.allclose(hf(name)(ids, logits_to_keep=picked).logits, whole[:, picked], atol=1e-4)

    def test_hidden_states_end_in_what_the_head_reads(self, model, hf, ids):
        run, out = model("gpt2-tiny"), hf("gpt2-tiny")(ids, output_hidden_states=True)
        assert len(out.hidden_states) == 1 + len(run.layers)
        assert torch.equal(run.head(out.hidden_states[-1]), out.logits)
        assert torch.equal(out.hidden_states[0], run.position(run.embed(ids))[0])
        assert hf("gpt2-tiny")(ids).hidden_states is None

    def test_hidden_states_of_blocks_that_leave_sums_to_norms(self, ids):
        plain = blocks.build("llama-3.1-tiny", kernels="reference")
        fused = blocks.build("llama-3.1-tiny", kernels="triton")
        assert type(fused.layers[0]).__name__ == "FusedBlock"
        wanted, got = (blocks_hf.to_transformers(m)(ids, output_hidden_states=True) for m in (plain, fused))
        assert torch.allclose(got.logits, wanted.logits, atol=1e-5)
        for a, b in zip(got.hidden_states, wanted.hidden_states, strict=True):
            assert torch.allclose(a, b, atol=1e-5)

    def test_its_parameters_are_those_of_the_model(self, model, hf, causal):
        own = {id(parameter) for parameter in model(causal).parameters()}
        assert {id(parameter) for parameter in hf(causal).parameters()} == own

    def test_what_is_refused(self, hf, ids):
        run = hf("gpt2-tiny")
        for wrong in (
            {"inputs_embeds": torch.zeros(3, 9, 64)},
            {"output_attentions": True},
            {"attention_mask": torch.ones(3, 1, 9, 9)},
            {"attention_mask": torch.ones(3, 8)},
            {"token_type_ids": torch.ones_like(ids)},
            {"past_key_values": ((ids, ids),)},
        ):
            with pytest.raises(ValueError, match=r"blocks|attention_mask|token types"):
                run(input_ids=ids, **wrong)
        assert torch.equal(run(ids, token_type_ids=torch.zeros_like(ids)).logits, run(ids).logits)
        with pytest.raises(TypeError):
            run(ids, attention_maks=ids)
        with pytest.raises(ValueError, match="reads input_ids"):
            run()
        with pytest.raises(ValueError, match="vocab_size 256, not 300"):
            run.resize_token_embeddings(300)
        assert run.resize_token_embeddings(256) is run.get_input_embeddings()


class TestEncoders:
    def test_states_and_pooled_vectors(self, ids, left):
        model, run = bert("BlocksModel")
        out = run(ids, attention_mask=left, token_type_ids=ids % 2)
        wanted, _ = model(ids, None, left.bool(), types=ids % 2)
        assert torch.equal(out.last_hidden_state, wanted["states"])
        assert torch.equal(out.pooler_output, wanted["pooled"])

    def test_masked_words(self, ids, left):
        model, run = bert("BlocksForMaskedLM")
        labels = torch.where(ids % 3 == 0, ids, -100)
        out = run(ids, attention_mask=left, labels=labels)
        assert isinstance(out, MaskedLMOutput)
        wanted = model(ids, None, left.bool())[0]["words"]
        assert torch.equal(out.logits, wanted)
        assert torch.allclose(out.loss, F.cross_entropy(wanted.flatten(0, 1), labels.flatten()))

    def test_classes(self, ids, left):
        model, run = bert("BlocksForSequenceClassification")
        out = run(ids, attention_mask=left, labels=torch.tensor([0, 2, 1]))
        assert isinstance(out, SequenceClassifierOutput)
        wanted = model(ids, None, left.bool())[0]
        assert torch.equal(out.logits, wanted)
        assert torch.allclose(out.loss, F.cross_entropy(wanted, torch.tensor([0, 2, 1])))
        assert run.config.num_labels == 3

    def test_any_model_gives_hidden_states(self, model, ids):
        made = blocks_hf.to_transformers(model("nemotron-h-tiny")).config
        run = blocks_hf.BlocksModel(made, model("nemotron-h-tiny"))
        out = run(ids)
        assert isinstance(out, BaseModelOutputWithPast)
        assert torch.equal(
            model("nemotron-h-tiny").head(out.last_hidden_state), model("nemotron-h-tiny")(ids)[0]
        )
        assert not [name for name in run.state_dict() if name.startswith("head")]


class TestTwoStreams:
    @pytest.mark.parametrize("name", ["transformer-tiny", "rnnsearch-tiny"])
    def test_logits_are_those_of_the_model(self, model, hf, name, ids, left):
        target = ids.flip(1)[:, :6]
        out = hf(name)(input_ids=ids, attention_mask=left, decoder_input_ids=target)
        assert isinstance(out, Seq2SeqLMOutput)
        assert torch.equal(out.logits, model(name)(ids, target, None, left.bool())[0])
        encoded = hf(name).get_encoder()(input_ids=ids, attention_mask=left)
        assert torch.equal(encoded.last_hidden_state, out.encoder_last_hidden_state)
        again = hf(name)(attention_mask=left, decoder_input_ids=target, encoder_outputs=encoded)
        assert torch.equal(again.logits, out.logits)

    def test_labels_are_what_the_decoder_reads_a_token_later(self, model, hf, ids):
        labels = ids[:, :5].clone()
        labels[0, 3:] = -100
        run = hf("transformer-tiny", decoder_start_token_id=7, pad_token_id=9)
        out = run(ids, labels=labels)
        read = torch.cat([torch.full((3, 1), 7), labels[:, :-1]], 1)
        read[read == -100] = 9
        logits = model("transformer-tiny")(ids, read)[0]
        assert torch.equal(out.logits, logits)
        assert torch.allclose(out.loss, F.cross_entropy(logits.flatten(0, 1), labels.flatten()))
        with pytest.raises(ValueError, match="decoder_start_token_id"):
            hf("transformer-tiny")(ids, labels=labels)

    def test_what_is_missing(self, hf, ids):
        with pytest.raises(ValueError, match="decoder_input_ids"):
            hf("transformer-tiny")(ids)
        with pytest.raises(ValueError, match="input_ids, or encoder_outputs"):
            hf("transformer-tiny")(decoder_input_ids=ids)


def test_a_recipe_of_another_kind_is_refused(hf):
    with pytest.raises(
        ValueError, match="gpt2-tiny is no model for BlocksForMaskedLM: it makes a BlocksForCausalLM"
    ):
        blocks_hf.BlocksForMaskedLM(hf("gpt2-tiny").config)


def test_only_what_blocks_built_is_wrapped():
    with pytest.raises(ValueError, match="Linear does not say what recipe"):
        blocks_hf.to_transformers(torch.nn.Linear(2, 2))


def test_three_streams_have_no_words():
    text = """\
recipe: three
d_model: 8
vocab_size: 8
blocks:
  ffn: {mixer: mlp}
  a: {mixer: multi_head, n_heads: 1, memory: first}
  b: {mixer: multi_head, n_heads: 1, memory: second}
model:
  first: [{embed: tokens}, {stack: {layers: [ffn]}}]
  second: [{embed: tokens}, {stack: {layers: [a]}}]
  third: [{embed: tokens}, {stack: {layers: [b]}}, {head: lm}]
"""
    with pytest.raises(ValueError, match="streams first, second, third"):
        blocks_hf.to_transformers(blocks.build(text))


class TestPictures:
    def test_classes_of_pixels(self, model, hf):
        pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        out = hf("vit-tiny")(pixel_values=pixels, labels=torch.tensor([3, 9]))
        assert isinstance(out, ImageClassifierOutput)
        wanted = model("vit-tiny")(pixels)[0]
        assert torch.equal(out.logits, wanted)
        assert torch.allclose(out.loss, F.cross_entropy(wanted, torch.tensor([3, 9])))
        config = hf("vit-tiny").config
        assert (config.image_size, config.patch_size, config.num_channels, config.num_labels) == (
            32,
            8,
            3,
            10,
        )
        with pytest.raises(ValueError, match="reads pixel_values, and that alone"):
            hf("vit-tiny")()

    def test_hidden_states_of_pixels(self, model, hf):
        run = blocks_hf.BlocksModel(hf("vit-tiny").config, model("vit-tiny"))
        pixels = torch.randn(2, 3, 32, 32)
        states = run(pixel_values=pixels).last_hidden_state
        assert torch.equal(model("vit-tiny").head(states, None), model("vit-tiny")(pixels)[0])
        with pytest.raises(ValueError, match="reads pixel_values"):
            run(input_ids=torch.ones(2, 3, dtype=torch.int64))


@pytest.mark.parametrize("name", ["gpt2-tiny", "transformer-tiny", "zoo/bert-like"])
def test_the_way_back(model, hf, name, ids):
    again = blocks_hf.from_transformers(hf(name))
    assert type(again) is type(model(name))
    assert again.recipe == model(name).recipe
    own, theirs = again.state_dict(keep_vars=True), model(name).state_dict(keep_vars=True)
    assert own.keys() == theirs.keys()
    assert all(own[key] is theirs[key] for key in own)
    arguments = (ids, ids) if name == "transformer-tiny" else (ids,)
    got, wanted = again(*arguments)[0], model(name)(*arguments)[0]
    assert torch.equal(got["words"], wanted["words"]) if isinstance(got, dict) else torch.equal(got, wanted)
    with pytest.raises(ValueError, match=r"heads of .* were left out"):
        blocks_hf.from_transformers(blocks_hf.BlocksModel(hf(name).config, model(name)))
    with pytest.raises(ValueError, match="a Linear is not one that blocks made"):
        blocks_hf.from_transformers(torch.nn.Linear(2, 2))
