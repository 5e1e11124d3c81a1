"""Training: checkpointed gradients, adapters."""

import pytest
import torch

import blocks
import blocks_hf


class Held:
    """Bytes of the activations that autograd holds, each storage once."""

    def __init__(self):
        self.seen = {}

    def __call__(self, tensor):
        if not isinstance(tensor, torch.nn.Parameter):
            storage = tensor.untyped_storage()
            self.seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    @property
    def bytes(self):
        return sum(self.seen.values())


def enable(model, options=None):
    if hasattr(model, "activation_checkpointing_enable"):  # since 5.24
        model.activation_checkpointing_enable(options)
    else:
        model.gradient_checkpointing_enable(options)


@pytest.mark.parametrize("name", ["gpt2-tiny", "nemotron-h-tiny", "transformer-tiny", "zoo/kv-sharing"])
def test_checkpointing_saves_memory_and_changes_no_gradient(name):
    run = blocks_hf.to_transformers(blocks.build(name), decoder_start_token_id=0).train()
    ids = torch.randint(run.config.vocab_size, (2, 96), generator=torch.Generator().manual_seed(0))
    found = {}
    for on in (False, True, None):
        if on:
            enable(run)
        if on is None:
            run._set_gradient_checkpointing(False)
        held = Held()
        run.zero_grad()
        with torch.autograd.graph.saved_tensors_hooks(held, lambda tensor: tensor):
            loss = run(ids, labels=ids).loss
        loss.backward()
        found[on] = held.bytes, {key: p.grad.clone() for key, p in run.named_parameters()}
    assert found[True][0] * 3 < found[False][0]
    assert found[None][0] == found[False][0]
    for key, gradient in found[False][1].items():
        assert torch.equal(gradient, found[True][1][key]), key
        assert gradient.any(), key


def test_reentrant_checkpoints_are_refused():
    run = blocks_hf.to_transformers(blocks.build("gpt2-tiny"))
    with pytest.raises(ValueError, match="use_reentrant=False"):
        enable(run, {"use_reentrant": True})


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks for the old name
def test_lora_trains_and_merges(ids):
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    run = blocks_hf.to_transformers(blocks.build("nemotron-h-tiny"))
    config = peft.LoraConfig(
        r=4,
        target_modules=["qkv_proj", "in_proj", "out_proj"],
        task_type="CAUSAL_LM",
        init_lora_weights=False,
    )
    adapted = peft.get_peft_model(run, config)
    kinds = {name.split(".")[-4] for name, p in adapted.named_parameters() if p.requires_grad}
    assert kinds == {"qkv_proj", "in_proj", "out_proj"}
    frozen = {name: p.clone() for name, p in adapted.named_parameters() if not p.requires_grad}
    optimizer = torch.optim.AdamW([p for p in adapted.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(5):
        loss = adapted(input_ids=ids, labels=ids).loss
        losses.append(float(loss.detach()))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < losses[0] - 0.1
    assert all(torch.equal(p, frozen[name]) for name, p in adapted.named_parameters() if name in frozen)
    with torch.no_grad():
        wanted = adapted.eval()(input_ids=ids).logits
        assert not torch.allclose(blocks.build("nemotron-h-tiny")(ids)[0], wanted, atol=1e-2)
        merged = adapted.merge_and_unload()
        assert type(merged) is blocks_hf.BlocksForCausalLM
        assert (merged(input_ids=ids).logits - wanted).abs().max() < 1e-5 * wanted.abs().max()
