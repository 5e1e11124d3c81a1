"""The filters in the order in which they are applied, that of transformers."""

from torch import Tensor

from blocks_generate.options import Options
from blocks_generate.sampling.min_p import min_p
from blocks_generate.sampling.repetition_penalty import repetition_penalty
from blocks_generate.sampling.temperature import temperature
from blocks_generate.sampling.top_k import top_k
from blocks_generate.sampling.top_p import top_p


def filtered(logits: Tensor, options: Options, seen: Tensor | None = None) -> Tensor:
    """Logits [.., V] from which a token is drawn; or at temperature 0, of which the greatest is taken.

    seen bool [.., V], true at tokens that a repetition penalty is for; read where there is one.
    """
    if options.repetition_penalty != 1 and seen is not None:
        logits = repetition_penalty(logits, seen, options.repetition_penalty)
    if options.heat == 0:
        return logits
    logits = temperature(logits, options.heat)
    if options.top_k is not None:
        logits = top_k(logits, options.top_k)
    if options.top_p is not None:
        logits = top_p(logits, options.top_p)
    if options.min_p is not None:
        logits = min_p(logits, options.min_p)
    return logits
