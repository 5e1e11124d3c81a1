"""Training: data, objectives, optimizers, schedules, the loop, evaluation."""

from blocks import Register, hookimpl


@hookimpl
def register_optimizers(register: Register) -> None:
    """What a gradient does to the weights."""
    register("adamw", "blocks_train.optim.specs:AdamW", help="Adam with decoupled weight decay")
    register("sgd", "blocks_train.optim.specs:SGD", help="stochastic gradient descent, with momentum")


@hookimpl
def register_schedules(register: Register) -> None:
    """How the learning rate moves."""
    register("constant", "blocks_train.optim.schedules:Constant", help="warm-up, then the same rate")
    register("cosine", "blocks_train.optim.schedules:Cosine", help="warm-up, then half a cosine down")
    register("linear", "blocks_train.optim.schedules:Linear", help="warm-up, then a straight line down")
    register("wsd", "blocks_train.optim.schedules:WSD", help="warm-up, the same rate, then down at the end")
    register("inverse_sqrt", "blocks_train.optim.schedules:InverseSqrt", help="warm-up, then 1 / sqrt(step)")
    register(
        "noam", "blocks_train.optim.schedules:Noam", help="the rate of Vaswani et al. 2017, of d_model alone"
    )
    register("step", "blocks_train.optim.schedules:Step", help="warm-up, then a factor at every milestone")


@hookimpl
def register_objectives(register: Register) -> None:
    """What a model is trained for."""
    register("next_token", "blocks_train.objectives.specs:NextToken", help="each token given those before it")
    register("masked_lm", "blocks_train.objectives.specs:MaskedLM", help="tokens that are hidden (BERT)")


@hookimpl
def register_commands(register: Register) -> None:
    """Commands about models that have learnt something, or are to."""
    register("train", "blocks_train.loop.command:COMMAND", help="train a recipe on text")
    register(
        "eval",
        "blocks_train.evaluation.command:COMMAND",
        help="loss, perplexity and bits per byte of a model on texts",
    )
    register(
        "compare",
        "blocks_train.comparing.command:COMMAND",
        help="train recipes on the same text, side by side",
    )


@hookimpl
def register_kernels(register: Register) -> None:
    """The loss of a language model without its logits."""
    register(
        "linear_cross_entropy/reference",
        "blocks_train.objectives.specs:LINEAR_CROSS_ENTROPY",
        help="plain torch",
    )
    register(
        "linear_cross_entropy/chunked",
        "blocks_train.objectives.specs:CHUNKED",
        help="a chunk of tokens at a time, so that logits never exist in full",
    )
