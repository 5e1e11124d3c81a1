"""Mutants of the shipped mixers: one mistake each, of those that people make, and the case that finds it.

A file without a package: the table and nothing else. A mutant that means the same as the original is no mutant, nor
is one that is another sound architecture, such as attention without its scale: the suite asks for properties.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import NamedTuple

from blocks import Mixer

WIDTH = 16
MEMORY = 10


class Mutant(NamedTuple):
    """`old` stands once in the place: a file of plugins/blocks_*, or `file:Name` of it."""

    why: str
    mixer: str
    place: str
    case: str
    old: str
    new: str


MIXERS: dict[str, Callable[[SimpleNamespace], Mixer]] = {
    "attention": lambda p: p.attention.MultiHead(n_heads=2, position=p.positions.RoPE()),
    "grouped": lambda p: p.attention.GroupedQuery(n_heads=4, n_kv_heads=2),
    "capped": lambda p: p.attention.MultiQuery(n_heads=2, score_cap=5.0),
    "dynamic rope": lambda p: p.attention.MultiHead(
        n_heads=1, position=p.positions.RoPE(scaling="dynamic", factor=2.0, original_max_len=8)
    ),
    "infused": lambda p: p.attention.MultiHead(n_heads=2, position=p.positions.Sinusoidal()),
    "alibi": lambda p: p.attention.MultiHead(n_heads=2, position=p.positions.ALiBi()),
    "bidirectional": lambda p: p.attention.MultiHead(n_heads=2, mask="bidirectional"),
    "window": lambda p: p.attention.SlidingWindow(n_heads=2, window=6, position=p.positions.RoPE()),
    "window, alibi": lambda p: p.attention.SlidingWindow(n_heads=2, window=6, position=p.positions.ALiBi()),
    "sinks": lambda p: p.attention.SlidingWindow(n_heads=2, window=5, global_tokens=2),
    "both sides": lambda p: p.attention.MultiHead(n_heads=2, mask="bidirectional", window=3, global_tokens=1),
    "cross": lambda p: p.attention.MultiHead(n_heads=2, qk_norm=p.norms.RMSNorm()).reading(MEMORY),
    "borrowed": lambda p: p.attention.MultiHead(n_heads=2, position=p.positions.RoPE()).borrowing(),
    "mamba2": lambda p: p.ssm.Mamba2(n_heads=2, head_dim=4, d_state=4, chunk_size=8),
    "mamba": lambda p: p.ssm.Mamba(d_inner=8, d_state=4, chunk_size=8),
    "gru": lambda p: p.units.GRU(hidden=8),
    "gru, backward": lambda p: p.units.GRU(hidden=8, direction="backward"),
    "gru, both ways": lambda p: p.units.GRU(hidden=8, direction="bidirectional"),
    "rnn": lambda p: p.units.RNN(hidden=8),
    "lstm": lambda p: p.units.LSTM(hidden=8),
    "lstm, backward": lambda p: p.units.LSTM(hidden=8, direction="backward"),
    "peepholes": lambda p: p.units.LSTM(hidden=8, d_proj=6, peepholes=True),
    "bahdanau": lambda p: p.recurrent.Bahdanau(hidden=6).reading(MEMORY),
    "groundhog": lambda p: p.recurrent.Bahdanau(hidden=6, readout="groundhog").reading(MEMORY),
    "moe": lambda p: p.experts.MoE(n_experts=4, top_k=2, d_ff=8),
    "mlp": lambda p: p.feedforward.MLP(d_ff=24),
    "gated mlp": lambda p: p.feedforward.GatedMLP(d_ff=24),
    "linear": lambda p: p.feedforward.Linear(d_out=8),
}

MUTANTS = (
    # States with room
    Mutant(
        "a step sees a slot that nothing stands in",
        "attention", "attention/room.py:filled", "state_reserved",
        "places < room.seen[:, None]",
        "places <= room.seen[:, None]",
    ),
    Mutant(
        "a step does not see itself",
        "grouped", "attention/room.py:filled", "state_reserved",
        "places < room.seen[:, None]",
        "places < room.seen[:, None] - 1",
    ),
    Mutant(
        "a ring that goes over the first tokens",
        "sinks", "attention/room.py:slot_of", "state_reserved",
        "kept + (positions - kept) % max(n_slots - kept, 1)",
        "positions % n_slots",
    ),
    Mutant(
        "a ring one slot too small",
        "window", "attention/window.py:SlidingWindowAttention.reserve", "state_reserved",
        "min(self.reach, capacity)",
        "min(self.reach - 1, capacity)",
    ),
    Mutant(
        "distances from the token before",
        "alibi", "attention/room.py:slot_positions", "state_reserved",
        "room.seen[:, None] - 1",
        "room.seen[:, None]",
    ),
    Mutant(
        "padding kept, and real tokens left out",
        "attention", "attention/room.py:make_room", "state_reserved",
        "slots.where(real, n_slots)",
        "slots.where(~real, n_slots)",
    ),
    Mutant(
        "a step that is not counted",
        "attention", "attention/room.py:write", "state_reserved",
        "room.seen.add_(1)",
        "pass",
    ),
    Mutant(
        "a step that makes a new state",
        "window", "attention/heads.py:SelfAttention.step", "state_reserved",
        "filled(room), at=at)), room",
        "filled(room), at=at)), room._replace(seen=room.seen.clone())",
    ),
    # Attention over all tokens
    Mutant(
        "the mask is off by one: a token sees the next",
        "attention", "attention/scores.py:lower_triangle", "padded_batch",
        ".tril(n_keys - n_queries)",
        ".tril(n_keys - n_queries + 1)",
    ),
    Mutant(
        "the mask is off by one where scores have a bias",
        "alibi", "attention/scores.py:lower_triangle", "causal_gradient",
        ".tril(n_keys - n_queries)",
        ".tril(n_keys - n_queries + 1)",
    ),
    Mutant(
        "the mask is off by one: with a state a token does not see itself",
        "attention", "attention/scores.py:lower_triangle", "any_split",
        ".tril(n_keys - n_queries)",
        ".tril(n_keys - n_queries - 1)",
    ),
    Mutant(
        "padding is seen",
        "attention", "attention/module.py", "padding_content",
        "visible = visible_keys(mask, T)",
        "visible = None",
    ),
    Mutant(
        "the cached mask is forgotten",
        "attention", "attention/module.py", "padded_state",
        "mask = join_masks(state.mask,",
        "mask = join_masks(None,",
    ),
    Mutant(
        "the mask is left out of the cache",
        "attention", "attention/module.py", "padded_state",
        "KeyValueCache(k, v, mask) if",
        "KeyValueCache(k, v, None) if",
    ),
    Mutant(
        "rotary positions start again at 0 in every call",
        "attention", "attention/module.py", "any_split",
        "real_positions(mask, S - T, S, x.device)",
        "real_positions(mask, 0, T, x.device)",
    ),
    Mutant(
        "rotary positions are one too far once there is a cache",
        "attention", "attention/module.py", "any_split",
        "real_positions(mask, S - T, S, x.device)",
        "(real_positions(mask, S - T, S, x.device) + (S > T))",
    ),
    Mutant(
        "all tokens turn by the theta of the longest sequence",
        "dynamic rope", "positions/module.py:DynamicRoPE", "any_split",
        "(position + 1).clamp(min=L)",
        "(position.amax() + 1).clamp(min=L)",
    ),
    Mutant(
        "positions count padding",
        "infused", "attention/documents.py:real_positions", "padded_batch",
        "(mask.cumsum(dim=1) - 1).clamp(min=0)[:, start:end]",
        "torch.arange(start, end, device=device).expand(len(mask), -1)",
    ),
    Mutant(
        "positions of keys count padding, those of queries do not",
        "alibi", "attention/module.py", "padded_batch",
        "at = positions, real_positions(mask, 0, S, x.device)",
        "at = positions, torch.arange(S, device=x.device)",
    ),
    Mutant(
        "the cache is changed in place",
        "attention", "attention/module.py", "state_untouched",
        "torch.cat((state.keys, k), dim=2)",
        "torch.cat((state.keys.mul_(1.5), k), dim=2)",
    ),
    Mutant(
        "dropout is left on",
        "attention", "attention/module.py", "state_untouched",
        "self.out_proj(self.attend(q, k, v, visible, is_causal, at))",
        "torch.nn.functional.dropout(self.out_proj(self.attend(q, k, v, visible, is_causal, at)), 0.1)",
    ),
    Mutant(
        "a bias that is not declared",
        "attention", "attention/heads.py:SelfAttention", "parameters",
        "self.out_proj = nn.Linear(n_heads * head_dim, d_model, bias=out_bias)",
        "self.out_proj = nn.Linear(n_heads * head_dim, d_model)",
    ),
    Mutant(
        "the scale is wrong in the cached path alone",
        "grouped", "attention/scores.py:attend", "token_by_token",
        "scale=scale).reshape(B, 1, H * P)",
        "scale=(2 * P) ** -0.5).reshape(B, 1, H * P)",
    ),
    Mutant(
        "query heads meet the wrong key/value heads in the step",
        "grouped", "attention/scores.py:attend", "token_by_token",
        "q = q.reshape(B, K, H // K, P)",
        "q = q.reshape(B, H // K, K, P).mT.reshape(B, K, H // K, P)",
    ),
    Mutant(
        "the step does not count the token itself",
        "grouped", "attention/costs.py", "step_flops",
        "step = 2 * weights + 4 * queries * (T + 1)",
        "step = 2 * weights + 4 * queries * T",
    ),
    Mutant(
        "the cache is declared for every query head, twice too large",
        "grouped", "attention/costs.py", "state_size",
        "state=2 * keys * T)",
        "state=2 * queries * T)",
    ),
    Mutant(
        "a softmax without its maximum divides 0 by 0 where nothing is seen",
        "capped", "attention/scores.py:attend_capped", "padding_finite",
        "torch.softmax(scores, dim=-1)",
        "(scores.exp() / scores.exp().sum(dim=-1, keepdim=True))",
    ),
    Mutant(
        "the softmax is over the queries",
        "capped", "attention/scores.py:attend_capped", "causal_gradient",
        "torch.softmax(scores, dim=-1)",
        "torch.softmax(scores, dim=-2)",
    ),
    Mutant(
        "what is hidden keeps a little weight",
        "capped", "attention/scores.py:attend_capped", "causal_gradient",
        "scores.masked_fill(~visible, torch.finfo(scores.dtype).min)",
        "scores.masked_fill(~visible, -20.0)",
    ),
    Mutant(
        "a mask is taken that is not declared",
        "bidirectional", "attention/specs.py:MultiHead", "undeclared",
        'frozenset({"padded", "packed"})) |',
        'frozenset({"packed"})) |',
    ),
    Mutant(
        "bidirectional attention is causal where there is no mask",
        "bidirectional", "attention/module.py", "sight",
        "is_causal = self.causal and",
        "is_causal =",
    ),
    Mutant(
        "angles are computed in the dtype of queries",
        "attention", "positions/module.py:RoPE.forward", "precision_bf16",
        "dtype = torch.promote_types(q.dtype, torch.float32)",
        "dtype = q.dtype",
    ),
    # Windows, sinks, global tokens
    Mutant(
        "the window is one too wide in short calls",
        "window", "attention/window.py:SlidingWindowAttention", "any_split",
        "near.triu(n_keys - n_queries - self.window + 1)",
        "near.triu(n_keys - n_queries - self.window)",
    ),
    Mutant(
        "the window is one too narrow in long calls",
        "window", "attention/neighbours.py:attend_blocks", "any_split",
        ".triu(1)",
        ".triu(2)",
    ),
    Mutant(
        "a token sees the next in long calls",
        "window", "attention/neighbours.py:attend_blocks", "causal_gradient",
        ".tril(2 * W - 1 if ahead else W)",
        ".tril(2 * W - 1 if ahead else W + 1)",
    ),
    Mutant(
        "the state keeps one token that nobody sees",
        "window", "attention/window.py:SlidingWindowAttention", "state_size",
        "kept = self.window - 1",
        "kept = self.window",
    ),
    Mutant(
        "the state drops a token too early",
        "window", "attention/window.py:SlidingWindowAttention", "any_split",
        "kept = self.window - 1",
        "kept = self.window - 2",
    ),
    Mutant(
        "rotary positions start again at 0 in every call",
        "window", "attention/window.py:SlidingWindowAttention", "any_split",
        "positions = positions + state.seen[:, None]",
        "pass",
    ),
    Mutant(
        "the state counts the tokens of the last call alone",
        "window", "attention/window.py:SlidingWindowAttention", "any_split",
        "count = count + state.seen",
        "pass",
    ),
    Mutant(
        "padding goes last, between the cache and what follows",
        "window", "attention/window.py:SlidingWindowAttention", "padded_state",
        "mask, order = mask.sort(dim=1, stable=True)",
        "mask, order = mask.sort(dim=1, stable=True, descending=True)",
    ),
    Mutant(
        "queries take the positions of the oldest keys",
        "window, alibi", "attention/window.py:SlidingWindowAttention", "any_split",
        "at = positions[..., S - T :], positions",
        "at = positions[..., :T], positions",
    ),
    Mutant(
        "one sink too many in short calls",
        "sinks", "attention/sinks.py:SinkAttention.visible", "any_split",
        "< self.global_tokens",
        "<= self.global_tokens",
    ),
    Mutant(
        "the state keeps a token too many",
        "sinks", "attention/sinks.py:SinkAttention.keep", "state_size",
        "x[:, :, size - kept + G :]",
        "x[:, :, size - kept + G - 1 :]",
    ),
    Mutant(
        "the sinks that are kept are padding",
        "sinks", "attention/sinks.py:SinkAttention.keep", "padded_state",
        "torch.where(ranks < G, ranks + size - real,",
        "torch.where(ranks < G, ranks.clamp(min=0),",
    ),
    Mutant(
        "the window is one too wide on both sides of short sequences",
        "both sides", "attention/local.py:LocalAttention.attend_window", "padded_batch",
        ".tril(W - 1).triu(1 - W)",
        ".tril(W).triu(-W)",
    ),
    Mutant(
        "outputs are put back by the wrong permutation",
        "both sides", "attention/local.py:LocalAttention.forward", "padded_batch",
        "torch.empty_like(y).scatter(1, order[:, :, None].expand_as(y), y)",
        "y.gather(1, order[:, :, None].expand_as(y))",
    ),
    Mutant(
        "padding is seen in short sequences",
        "both sides", "attention/local.py:LocalAttention.attend_window", "padding_content",
        "visible if seen is None else visible & seen",
        "visible",
    ),
    Mutant(
        "the window is one too narrow everywhere",
        "both sides", "attention/local.py:LocalAttention.__init__", "sight",
        "self.window, self.global_tokens = window, global_tokens",
        "self.window, self.global_tokens = window - 1, global_tokens",
    ),
    Mutant(
        "the window is one too wide everywhere",
        "both sides", "attention/local.py:LocalAttention.__init__", "blindness",
        "self.window, self.global_tokens = window, global_tokens",
        "self.window, self.global_tokens = window + 1, global_tokens",
    ),
    Mutant(
        "padding is seen where the window hides nothing",
        "window", "attention/window.py:SlidingWindowAttention.attend_window", "padding_content",
        "if mask is None and reach >= S and T == S:",
        "if reach >= S and T == S:",
    ),
    Mutant(
        "padding of a later call stays between its tokens and the cache",
        "window", "attention/window.py:SlidingWindowAttention.extend", "padded_split",
        "if mask is None or joined is None:",
        "if True:",
    ),
    # Another stream's tokens, another block's keys
    Mutant(
        "the memory's padding is seen",
        "cross", "attention/cross.py:CrossAttention", "memory_padding",
        "visible = None if state.mask is None else state.mask[:, None, None, :]",
        "visible = None",
    ),
    Mutant(
        "the memory is read again beside a state",
        "cross", "attention/cross.py:CrossAttention", "memory_kept",
        "if state is None:",
        "if state is None or memory is not None:",
    ),
    Mutant(
        "every row reads the first one's memory",
        "cross", "attention/cross.py:CrossAttention", "memory_rows",
        "self.kv_proj(values)",
        "self.kv_proj(values[:1].expand_as(values))",
    ),
    Mutant(
        "a norm that is not applied",
        "cross", "attention/cross.py:CrossAttention", "every_weight_learns",
        "k = self.normed(self.k_norm, k)",
        "pass",
    ),
    Mutant(
        "without a memory it reads nothing, and says nothing",
        "cross", "attention/cross.py:CrossAttention", "memory_needed",
        'raise ValueError("cross attention needs a memory on the first call, when it has no state")',
        "memory = self.kv_proj.weight.new_zeros(1, 1, self.kv_proj.in_features), None",
    ),
    Mutant(
        "padding is seen",
        "borrowed", "attention/borrowed.py:BorrowedAttention", "padding_content",
        "visible = visible_keys(kv.mask, T)",
        "visible = None",
    ),
    Mutant(
        "queries start again at 0, the owner's keys go on",
        "borrowed", "attention/borrowed.py:BorrowedAttention", "any_split",
        "positions = real_positions(kv.mask, S - T, S, x.device)",
        "positions = real_positions(kv.mask, 0, T, x.device)",
    ),
    # Mamba-2
    Mutant(
        "the time step is not masked: padding feeds and decays the state",
        "mamba2", "ssm/module.py:Mamba2", "padded_state",
        "dt = dt * real[..., None]",
        "pass",
    ),
    Mutant(
        "the carried state does not decay",
        "mamba2", "ssm/kernels.py:ssd_chunk", "any_split",
        "torch.addcmul(added.reshape(b, H, P, N), state, from_start[:, -1, :, None, None])",
        "added.reshape(b, H, P, N) + state",
    ),
    Mutant(
        "what a chunk adds to the state decays one token too far",
        "mamba2", "ssm/kernels.py:ssd_chunk", "any_split",
        "(log_decay[:, -1:] - log_decay).exp()",
        "(log_decay[:, -1:] - log_decay + dt * A).exp()",
    ),
    Mutant(
        "a cumulative sum in bfloat16",
        "mamba2", "ssm/kernels.py:ssd_chunk", "any_split",
        "(dt * A).cumsum(dim=1)",
        "(dt * A).bfloat16().cumsum(dim=1).to(dt.dtype)",
    ),
    Mutant(
        "the mask inside of a chunk is forgotten",
        "mamba2", "ssm/kernels.py:ssd_chunk", "causal_gradient",
        "scores = scores.tril()",
        "pass",
    ),
    Mutant(
        "a token does not read what it writes, in chunks",
        "mamba2", "ssm/kernels.py:ssd_chunk", "token_by_token",
        "scores = scores.tril()",
        "scores = scores.tril(-1)",
    ),
    Mutant(
        "the step decays by the time step twice",
        "mamba2", "ssm/kernels.py:ssd_step", "token_by_token",
        "(dt * A).exp()",
        "(dt * A * dt).exp()",
    ),
    Mutant(
        "the step decays the given state in place",
        "mamba2", "ssm/kernels.py:ssd_step", "state_untouched",
        "state = (state * (dt * A).exp()[..., None, None])",
        "state = state.mul_((dt * A).exp()[..., None, None])",
    ),
    Mutant(
        "the skip is missing in the step",
        "mamba2", "ssm/module.py:Mamba2", "token_by_token",
        "y = torch.addcmul(y, x, self.D[:, None])",
        "y = torch.addcmul(y, x, self.D[:, None] * (x.shape[1] > 1))",
    ),
    Mutant(
        "the gate comes after the norm in the step alone",
        "mamba2", "ssm/module.py:GatedRMSNorm", "token_by_token",
        "if self.norm_before_gate:",
        "if self.norm_before_gate or y.shape[1] == 1:",
    ),
    Mutant(
        "the convolution keeps the wrong end",
        "mamba2", "ssm/module.py:short_convolution", "any_split",
        "torch.cat([tail, recent], dim=1)[:, recent.shape[1] :]",
        "torch.cat([tail, recent], dim=1)[:, : K - 1]",
    ),
    Mutant(
        "the convolution's tail takes padding for the latest tokens",
        "mamba2", "ssm/module.py:short_convolution", "padded_state",
        "order = real.int().argsort(dim=1, stable=True)",
        "order = real.int().argsort(dim=1, stable=True, descending=True)",
    ),
    Mutant(
        "the convolution's bias is missing in the step",
        "mamba2", "ssm/kernels.py:causal_conv1d", "token_by_token",
        "y = y if bias is None else y + bias",
        "pass",
    ),
    Mutant(
        "the state is rounded to the dtype of the inputs",
        "mamba2", "ssm/kernels.py:ssd_scan", "state_size",
        "return y.to(x.dtype), state",
        "return y.to(x.dtype), state.to(x.dtype)",
    ),
    Mutant(
        "weights that nothing starts",
        "mamba2", "ssm/module.py:Mamba2", "every_weight_starts",
        "self.D.fill_(1.0)",
        "self.D[:1].fill_(1.0)",
    ),
    Mutant(
        "a buffer that no state_dict holds",
        "mamba2", "ssm/module.py:GatedRMSNorm", "meta_device",
        "self.weight = nn.Parameter(torch.empty(width))",
        "self.weight = nn.Parameter(torch.empty(width)); self.register_buffer('one', torch.ones(1), persistent=False)",
    ),
    Mutant(
        "weights from the global generator",
        "mamba2", "ssm/module.py:Mamba2", "seeded",
        "torch.rand(self.n_heads, generator=generator)",
        "torch.rand(self.n_heads)",
    ),
    Mutant(
        "the state is declared twice too large",
        "mamba2", "ssm/specs.py:Mamba2", "state_size",
        "state_fp32=inner * state",
        "state_fp32=2 * inner * state",
    ),
    Mutant(
        "the convolution is not counted",
        "mamba2", "ssm/specs.py:Mamba2", "flops",
        "+ 2 * self.d_conv * conv",
        "",
    ),
    Mutant(
        "a branch on values",
        "mamba2", "ssm/module.py:Mamba2", "compiles",
        "A = -at_least_fp32(self.A_log).exp()",
        "A = -at_least_fp32(self.A_log).exp() if float(dt.detach().sum()) > -1 else None",
    ),
    # Mamba
    Mutant(
        "the time step is not masked: padding feeds and decays the state",
        "mamba", "ssm/module.py:Mamba", "padded_state",
        "dt = dt * real[..., None]",
        "pass",
    ),
    Mutant(
        "a mean over all tokens",
        "mamba", "ssm/module.py:Mamba", "causal_gradient",
        "y = torch.addcmul(y, x, self.D)",
        "y = torch.addcmul(y, x, self.D) + x.mean(dim=1, keepdim=True)",
    ),
    Mutant(
        "the state is lost between chunks",
        "mamba", "ssm/kernels.py:over_chunks", "any_split",
        "y, state = step(state, *chunks)",
        "y, state = step(torch.zeros_like(state), *chunks)",
    ),
    Mutant(
        "the step does not scale its input",
        "mamba", "ssm/kernels.py:selective_step", "token_by_token",
        "(dt * x)[..., None] * B[:, None]",
        "x[..., None] * B[:, None]",
    ),
    Mutant(
        "all rows go on from the first one's state",
        "mamba", "ssm/module.py:Mamba", "padded_state",
        "return self.out_proj(y), SSMState(tail, ssm)",
        "return self.out_proj(y), SSMState(tail, ssm[:1].expand_as(ssm))",
    ),
    Mutant(
        "the state grows from token to token",
        "mamba", "ssm/module.py:Mamba", "many_tokens",
        "A = -at_least_fp32(self.A_log).exp()",
        "A = at_least_fp32(self.A_log).exp()",
    ),
    Mutant(
        "no gradient from chunk to chunk",
        "mamba", "ssm/kernels.py:over_chunks", "sight",
        "y, state = step(state, *chunks)",
        "y, state = step(state.detach(), *chunks)",
    ),
    # Recurrence
    Mutant(
        "padding goes through the gates",
        "gru", "recurrent/kernels.py:over_time", "padded_state",
        "new if mask is None else keep(mask[:, t], new, state)",
        "new",
    ),
    Mutant(
        "the state is the last output, padding or not",
        "gru", "recurrent/module.py:GRU", "padded_state",
        "GRUState(h)",
        "GRUState(y[:, -1])",
    ),
    Mutant(
        "the rows of a batch share a state",
        "gru", "recurrent/kernels.py:gated_step", "padded_batch",
        "torch.lerp(h.to(dtype), new, z)",
        "torch.lerp(h.mean(dim=0, keepdim=True).expand_as(h).to(dtype), new, z)",
    ),
    Mutant(
        "the state is read in steps alone",
        "gru", "recurrent/module.py:GRU", "any_split",
        "if state is None else state.hidden",
        "if state is None or x.shape[1] > 1 else state.hidden",
    ),
    Mutant(
        "a state stays in the module",
        "gru", "recurrent/module.py:GRU", "state_untouched",
        "h = x.new_zeros(x.shape[0], self.hidden) if state is None else state.hidden",
        "h = x.new_zeros(x.shape[0], self.hidden) + (getattr(self, 'last', 0) if state is None else state.hidden); "
        "self.last = x.detach().mean(dim=(0, 1))[: self.hidden]",
    ),
    Mutant(
        "the tokens are turned round, the mask is not",
        "gru, backward", "recurrent/module.py:as_read", "padded_batch",
        "mask.flip(1)",
        "mask",
    ),
    Mutant(
        "a backward recurrence is declared causal",
        "gru, backward", "recurrent/unit_specs.py:Unit", "causal_gradient",
        'whole | {"causal", "cached"} if self.direction == "forward" else whole',
        'whole | {"causal", "cached"}',
    ),
    Mutant(
        "the backward half begins in the padding",
        "gru, both ways", "recurrent/module.py:BothWays", "padding_content",
        "self.back(x, None, mask)",
        "self.back(x, None, None)",
    ),
    Mutant(
        "the cell of the state that is given is forgotten",
        "lstm", "recurrent/module.py:LSTM", "any_split",
        "h, c = state",
        "h, c = state.hidden, torch.zeros_like(state.cell)",
    ),
    Mutant(
        "the cell that is given is gated in place",
        "lstm", "recurrent/kernels.py:lstm", "state_untouched",
        "c = f.sigmoid() * c + i.sigmoid() * g.tanh()",
        "c = c.mul_(f.sigmoid()).add_(i.sigmoid() * g.tanh()) if not c.requires_grad else f.sigmoid() * c",
    ),
    Mutant(
        "one forget gate for all rows of a batch",
        "lstm", "recurrent/kernels.py:lstm", "padded_batch",
        "f.sigmoid() * c",
        "f.mean(dim=0).sigmoid() * c",
    ),
    Mutant(
        "new content is not written through the gate, but added to all cells of a row",
        "lstm", "recurrent/kernels.py:lstm", "many_tokens",
        "c = f.sigmoid() * c + i.sigmoid() * g.tanh()",
        "c = (1 + f.sigmoid()) * c + g.tanh()",
    ),
    Mutant(
        "the cell is rounded to the dtype of the outputs",
        "lstm", "recurrent/module.py:LSTM", "state_size",
        "LSTMState(h, c)",
        "LSTMState(h, c.to(h.dtype))",
    ),
    Mutant(
        "the cell is not declared",
        "lstm", "recurrent/unit_specs.py:LSTM", "state_size",
        ", state_fp32=self.hidden or D",
        "",
    ),
    Mutant(
        "outputs stay in the order of reading",
        "lstm, backward", "recurrent/module.py:LSTM", "sight",
        "y = y.flip(1) if self.reverse else y",
        "pass",
    ),
    Mutant(
        "the peepholes are not handed on",
        "peepholes", "recurrent/module.py:LSTM", "every_weight_learns",
        "r.peepholes",
        "None",
    ),
    Mutant(
        "the projection is not counted",
        "peepholes", "recurrent/unit_specs.py:LSTM", "parameters",
        "4 * hidden * out + projection",
        "4 * hidden * out",
    ),
    Mutant(
        "a bias that is not added",
        "rnn", "recurrent/module.py:RNN", "every_weight_learns",
        "U, b = self.recurrence.U, self.recurrence.b",
        "U, b = self.recurrence.U, None",
    ),
    Mutant(
        "the state before is a constant",
        "rnn", "recurrent/kernels.py:rnn", "sight",
        "F.linear(h, U)",
        "F.linear(h.detach(), U)",
    ),
    Mutant(
        "the memory's padding takes a share",
        "bahdanau", "recurrent/bahdanau.py:Bahdanau", "memory_padding",
        "scores.masked_fill(~real[:, None], torch.finfo(scores.dtype).min).softmax(dim=-1)",
        "scores.softmax(dim=-1)",
    ),
    Mutant(
        "a memory of padding alone divides by 0",
        "bahdanau", "recurrent/bahdanau.py:Bahdanau", "memory_rows",
        "weights = weights * real[:, None]",
        "weights = weights / (weights * real[:, None]).sum(dim=-1, keepdim=True)",
    ),
    Mutant(
        "the first annotation is padding",
        "bahdanau", "recurrent/bahdanau.py:Bahdanau", "memory_padding",
        "(annotations * (real & (real.cumsum(dim=1) == 1))[..., None]).sum(dim=1)",
        "annotations[:, 0]",
    ),
    Mutant(
        "the context is not carried on",
        "groundhog", "recurrent/bahdanau.py:Bahdanau", "any_split",
        "state._replace(hidden=s, context=context, begun=ever[:, -1])",
        "state._replace(hidden=s, begun=ever[:, -1])",
    ),
    Mutant(
        "padding counts as the first token",
        "groundhog", "recurrent/bahdanau.py:Bahdanau", "padded_batch",
        "now = x.new_ones(x.shape[:2], dtype=torch.bool) if mask is None else mask",
        "now = x.new_ones(x.shape[:2], dtype=torch.bool)",
    ),
    Mutant(
        "no gradient through time",
        "gru", "recurrent/kernels.py:over_time", "sight",
        "new if mask is None else keep(mask[:, t], new, state)",
        "(new[0].detach(),) if mask is None else keep(mask[:, t], new, state)",
    ),
    Mutant(
        "the mask is forgotten in the compiled path",
        "gru", "recurrent/kernels.py:over_time", "compiles",
        "if mask is None else mask",
        "",
    ),
    Mutant(
        "the compiled path feeds its own padding",
        "gru", "recurrent/kernels.py:over_time", "compiles",
        "F.pad(real, (0, 1))",
        "F.pad(real, (0, 1), value=True)",
    ),
    # Packed documents
    Mutant(
        "documents see each other",
        "attention", "attention/module.py", "packed_documents",
        "visible = visible_keys(mask, T)",
        "visible = visible_keys(None if mask is None else mask > 0, T)",
    ),
    Mutant(
        "positions go on from one document to the next",
        "infused", "attention/module.py", "packed_documents",
        "real_positions(mask, S - T, S, x.device)",
        "real_positions(None if mask is None else mask > 0, S - T, S, x.device)",
    ),
    Mutant(
        "a state beside documents is taken",
        "attention", "attention/documents.py:in_order", "packed_alone",
        "if state is not None and (is_packed(mask) or is_packed(state.mask)):",
        "if False:",
    ),
    Mutant(
        "documents see each other in long calls",
        "window", "attention/neighbours.py:attend_blocks", "packed_documents",
        "seen = same_document(own, seen[:, :, 0])",
        "seen = seen > 0",
    ),
    Mutant(
        "the sinks of a row are its first document's",
        "sinks", "attention/sinks.py:SinkAttention.ranks", "packed_documents",
        "if is_packed(mask):",
        "if False:",
    ),
    Mutant(
        "a document reads another one's memory as well",
        "cross", "attention/cross.py:CrossAttention", "packed_documents",
        "visible = same_document(mask, state.mask)[:, None]",
        "visible = (state.mask > 0)[:, None, None, :]",
    ),
    Mutant(
        "the recurrence goes on into the next document",
        "gru", "recurrent/kernels.py:kept", "packed_documents",
        "tuple(s.masked_fill(start[0][:, None], 0) for s in state) if start else state",
        "state",
    ),
    Mutant(
        "a trace of the document before, which only a gradient tells",
        "gru", "recurrent/kernels.py:kept", "packed_gradient",
        "s.masked_fill(start[0][:, None], 0)",
        "torch.where(start[0][:, None], 1e-14 * s, s)",
    ),
    Mutant(
        "the cell goes on into the next document, the output does not",
        "lstm", "recurrent/kernels.py:kept", "packed_documents",
        "tuple(s.masked_fill(start[0][:, None], 0) for s in state) if start",
        "(state[0].masked_fill(start[0][:, None], 0), *state[1:]) if start",
    ),
    Mutant(
        "a document of one token starts no state",
        "gru", "recurrent/module.py:document_starts", "packed_documents",
        "(documents > 0) & (documents != before)",
        "(documents > 0) & (documents != before) & (documents == documents.roll(-1, dims=1))",
    ),
    Mutant(
        "padding ends a document",
        "mamba2", "ssm/module.py:document_starts", "packed_documents",
        "torch.where(documents > 0, place, 0).cummax(dim=1).values",
        "place.expand_as(documents)",
    ),
    Mutant(
        "the convolution reaches into the document before",
        "mamba2", "ssm/kernels.py:packed_conv1d", "packed_documents",
        ".masked_fill((before != document)[..., None], 0)",
        "",
    ),
    Mutant(
        "the state that enters a chunk is not forgotten at its documents",
        "mamba2", "ssm/kernels.py:ssd_chunk", "packed_documents",
        "log_decay.exp() * (nth == 0)[..., None]",
        "log_decay.exp()",
    ),
    Mutant(
        "a chunk adds all of its documents to the state",
        "mamba2", "ssm/kernels.py:ssd_chunk", "packed_documents",
        ".clamp(max=0).exp() * (nth == nth[:, -1:])[..., None]",
        ".clamp(max=0).exp()",
    ),
    Mutant(
        "the scan goes on into the next document",
        "mamba", "ssm/kernels.py:selective_chunk", "packed_documents",
        "decay = decay.masked_fill(starts[..., None, None], 0)",
        "pass",
    ),
    # Experts
    Mutant(
        "an expert takes so many tokens of a batch, and no more",
        "moe", "feedforward/moe.py:MoE.mix", "padded_batch",
        "expert = experts.flatten()",
        "expert = experts.flatten(); "
        "weights = weights * ((expert == expert[:, None]).tril().sum(dim=1) <= N * K // 4).view(N, K)",
    ),
    Mutant(
        "tokens are put back by the wrong permutation",
        "moe", "feedforward/moe.py:MoE.mix", "causal_gradient",
        "[order.argsort()]",
        "[order]",
    ),
    Mutant(
        "the router's jitter is left on",
        "moe", "feedforward/moe.py:Router", "determinism",
        "logits = F.linear(x.to(dtype),",
        "logits = F.linear(x.to(dtype) * torch.empty_like(x, dtype=dtype).uniform_(0.9, 1.1),",
    ),
    Mutant(
        "the router computes in the model's dtype",
        "moe", "feedforward/moe.py:Router", "state_size",
        "dtype = torch.promote_types(x.dtype, torch.float32)",
        "dtype = x.dtype",
    ),
    Mutant(
        "the router's probabilities are a mean of the call",
        "moe", "feedforward/moe.py:MoE", "any_split",
        "sums = probabilities.view(B, T, self.n_experts).sum(dim=1)",
        "sums = probabilities.view(B, T, self.n_experts).mean(dim=1)",
    ),
    Mutant(
        "the router's counts are added in place",
        "moe", "feedforward/moe.py:MoE", "state_untouched",
        "state.routed + routed",
        "state.routed.add_(routed)",
    ),
    Mutant(
        "padding counts as routed",
        "moe", "feedforward/moe.py:MoE", "padded_state",
        "experts = torch.where(real, experts, self.n_experts)",
        "pass",
    ),
    Mutant(
        "padding has a share in the probabilities",
        "moe", "feedforward/moe.py:MoE", "padded_state",
        "probabilities = probabilities * real",
        "pass",
    ),
    Mutant(
        "every expert is counted for every token",
        "moe", "feedforward/moe_specs.py:MoE", "flops",
        "self.top_k * weights",
        "self.n_experts * weights",
    ),
    Mutant(
        "rows of a block are off by one in the compiled path",
        "moe", "feedforward/kernels.py:grouped_linear_in_blocks", "compiles",
        "within - before * L]",
        "(within - before * L + 1) % L]",
    ),
    # Token by token
    Mutant(
        "a mean over all tokens",
        "mlp", "feedforward/module.py:MLP", "causal_gradient",
        "self.out_proj(self.activation(self.in_proj(x)))",
        "self.out_proj(self.activation(self.in_proj(x - x.mean(dim=1, keepdim=True))))",
    ),
    Mutant(
        "a bias that is not declared",
        "mlp", "feedforward/module.py:MLP", "parameters",
        "self.in_proj = nn.Linear(d_model, d_ff, bias=bias)",
        "self.in_proj = nn.Linear(d_model, d_ff)",
    ),
    Mutant(
        "dropout is left on",
        "mlp", "feedforward/module.py:MLP", "causal_replacement",
        "return self.out_proj(self.activation(self.in_proj(x))), None",
        "return self.out_proj(F.dropout(self.activation(self.in_proj(x)))), None",
    ),
    Mutant(
        "a channel too many is declared",
        "gated mlp", "feedforward/specs.py:GatedMLP", "parameters",
        "weights = 3 * D * inner",
        "weights = 3 * D * (inner + 1)",
    ),
    Mutant(
        "another width is declared than what comes out",
        "linear", "feedforward/specs.py:Linear.out_width", "shape",
        "self.d_out or width",
        "width",
    ),
    Mutant(
        "the declaration imports torch",
        "linear", "feedforward/specs.py", "no_torch",
        "from pydantic import",
        "import torch\nfrom pydantic import",
    ),
    Mutant(
        "half of the gradient is missing",
        "gated mlp", "feedforward/module.py:GatedMLP", "gradcheck",
        "self.activation(gate) * up",
        "self.activation(gate) * up.detach()",
    ),
    Mutant(
        "products in bfloat16, whatever the inputs",
        "gated mlp", "feedforward/module.py:GatedMLP", "gradcheck",
        "self.activation(gate) * up",
        "(self.activation(gate).bfloat16() * up.bfloat16()).to(x.dtype)",
    ),
    Mutant(
        "a norm over the batch",
        "linear", "feedforward/module.py:Projection", "batch_slices",
        "self.out_proj(x)",
        "self.out_proj(x - x.mean(dim=0))",
    ),
    Mutant(
        "an option without a word",
        "linear", "feedforward/specs.py:Linear", "options",
        ', description="a bias a channel"',
        "",
    ),
    Mutant(
        "a misspelt capability",
        "mamba", "ssm/specs.py:Mamba.capabilities", "capabilities",
        '"packed"',
        '"paked"',
    ),
)  # fmt: skip
