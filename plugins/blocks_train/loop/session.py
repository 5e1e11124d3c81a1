"""One run of `blocks train`, from what was asked to the last checkpoint."""

from __future__ import annotations

import inspect
from argparse import Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn

from blocks import BlocksError, BuildError, Component, build, compile_graph, report
from blocks_train.data import Corpus, Loader
from blocks_train.data.order import mix
from blocks_train.loop import curve
from blocks_train.loop.asked import Asked
from blocks_train.loop.asking import Asking
from blocks_train.loop.checkpoints import Checkpoint, Checkpoints
from blocks_train.loop.compiling import compiled
from blocks_train.loop.finite import first_not_finite
from blocks_train.loop.metrics import Metrics, open_board, perplexity
from blocks_train.loop.progress import Line, duration
from blocks_train.loop.recompute import recompute
from blocks_train.loop.run_folder import METRICS, cut_metrics, read_metrics, write_run
from blocks_train.loop.signals import Stop, stopping
from blocks_train.loop.speed import memory, peak_flops
from blocks_train.loop.trainer import NotFiniteError, Trainer
from blocks_train.loop.tree import named_in
from blocks_train.optim.average import Average
from blocks_train.scale.fitting import block_paths, check_rows
from blocks_train.scale.ranks import ALONE, Ranks
from blocks_train.scale.shards import draw, shard

VALIDATION_TOKENS = 2**18
"""Tokens that a measurement reads at most; of more, those that a shuffled order puts first."""
AT_ONCE = 2**12
"""Tokens that a measurement computes at once, where a batch has fewer: without gradients there is room."""


class Session:
    """The run in its folder: the trainer, what is measured, and where it is saved."""

    def __init__(
        self, run: Path, asked: Asked, args: Namespace, console: Console, ranks: Ranks = ALONE
    ) -> None:
        self.run, self.asked, self.args, self.console, self.ranks = run, asked, args, console, ranks
        self.plan, self.training = asked.plan, asked.plan.train
        training, plan = self.training, self.plan
        if args.device == "meta":
            raise BuildError.of("B0808", "nothing is computed on the meta device", help="cpu or cuda")
        check_rows(training, ranks)
        graph = compile_graph(asked.recipe, registry=args.registry, device=args.device, kernels=args.kernels)
        torch.manual_seed(mix(training.seed, ranks.rank) if ranks.rank else training.seed)
        self.model, self.namespace = self._model()
        self.device = next(self.model.parameters()).device
        self.trainer = Trainer(
            self.model,
            training,
            self._objective(),
            _found(training.optimizer.module)(self.model, _options(training.optimizer)),
            self._loader(asked.train, training.batch),
            self.device,
            tuple((_found(term.module), weight) for term, weight in training.auxiliary),
            Average(self.model, training.ema) if training.ema is not None else None,
            ranks,
        )
        self.measured = self._measured()
        keeps = plan.tokenizer is not None and plan.tokenizer.has_files
        self.checkpoints = Checkpoints(
            run, graph, args.registry, args.keep, asked.coder if keeps else None, ranks
        )
        self.failed: str | None = None
        """Why the last checkpoint could not be written."""

    def _model(self) -> tuple[nn.Module, dict[str, Any]]:
        """The model, dealt among the ranks, and the names of its source."""
        args, training, recipe = self.args, self.training, self.asked.recipe
        options = {"registry": args.registry, "kernels": args.kernels}
        alone = self.ranks.size == 1
        made = build(recipe, seed=training.seed, device=args.device if alone else "meta", **options)
        namespace = vars(import_module(type(made).__module__))
        recompute(made, training.checkpoint)
        if not alone:
            shard(made, block_paths(self.plan), self.ranks)
            draw(made, namespace["init_weights"], training.seed, torch.device(args.device))
        return made, namespace

    def _objective(self) -> Any:
        """The objective's module, told which kernels to use where it has a choice."""
        objective = self.training.objective
        made, options = _found(objective.module), _options(objective)
        known = inspect.signature(made).parameters
        more = {"kernels": self.args.kernels, "registry": self.args.registry}
        return made(self.model, **options, **{name: value for name, value in more.items() if name in known})

    def _loader(self, corpus: Corpus, batch: int) -> Asking:
        """A rank's rows of batches; where the ranks do not divide them, as of a small validation share, all rows."""
        training, ranks = self.training, self.ranks
        dealt = batch % ranks.size == 0
        loader = Loader(
            corpus, batch=batch, context=training.context, packing=training.packing, carry=training.carry,
            seed=training.seed, shift=training.objective.shift,
            rank=ranks.rank if dealt else 0, ranks=ranks.size if dealt else 1,
        )  # fmt: skip
        return Asking(loader, training.objective, training.seed, self.asked.coder)

    def _measured(self) -> tuple[Asking, int, bool] | None:
        """Batches to measure by, how many rows of them, and whether ranks have rows of their own there.

        The rows are the validation data once, or as much as is enough.
        """
        corpus, training = self.asked.validation, self.training
        if corpus is None:
            return None
        batch = training.batch if training.carry else training.batch // training.accumulate
        if training.packing == "stream":
            most = max(1, (len(corpus.tokens) - 1) // training.context)
            batch = min(batch if training.carry else max(batch, AT_ONCE // training.context), most)
        ranks = self.ranks.size
        if batch > ranks and not training.carry:
            batch -= batch % ranks
        loader = self._loader(corpus, batch)
        rows = min(loader.loader.rows, -(-VALIDATION_TOKENS // training.context))
        rows = max(batch, rows - rows % batch) if training.carry else rows
        return loader, rows, batch % ranks == 0

    # Beginning

    def start(self, found: Checkpoint | None, changed: Sequence[str]) -> None:
        """Begin at the beginning, or go on from a checkpoint, with what has changed since. Raises BlocksError."""
        run, steps = self.run, self.training.steps
        if found is None:
            self.ranks.led(lambda: self._record(0))
            self.save()
            if self.failed is not None:
                raise BuildError.of(
                    "B1506",
                    f"nothing can be saved: {self.failed}",
                    help="free some space, or choose another folder",
                )
            return
        for path, reason in found.passed_over:
            self._warn(f"{path.name} is passed over: {reason}")
        if found.step >= steps:
            raise BuildError.of(
                "B1504",
                f"{run} is at step {found.step:,}, and {steps:,} are asked for",
                help=f"--steps {2 * found.step} goes on",
            )
        state = found.state(named_in(self.namespace), self.device, self.trainer.layout(), self.ranks)
        try:
            self.trainer.load(found.step, found.weights(), state, options=bool(changed))
        except (ValueError, KeyError, RuntimeError) as error:
            raise BuildError.of(
                "B0804",
                f"{found.folder} does not fit its recipe: {error}",
                help="restore a copy, or begin anew",
            ) from None
        self.checkpoints.saved = found.step
        self.ranks.led(lambda: self._record(found.step))
        say(self.console, f"{run} goes on from step {found.step:,}")
        for line in changed:
            say(self.console, f"note: from here on, {line}")

    def _record(self, step: int) -> None:
        """Write what is asked, and keep the metrics up to a step."""
        cut_metrics(self.run, step)
        write_run(self.run, self.asked.record)

    # Going on

    def go(self) -> int:
        """Train to the last step, or until a signal; the exit code. Raises BlocksError where the run diverges."""
        trainer, training = self.trainer, self.training
        with ExitStack() as stack:
            stop = stack.enter_context(stopping())
            line = stack.enter_context(self._line())
            board = self.ranks.alone(self._board)
            self.line = line
            self.metrics = stack.enter_context(Metrics(self.run, board=board, warn=self._warn))
            if self._due(training.eval_every) and not self.ranks.told(self._was_measured(trainer.step)):
                self.measure(stop)
            while trainer.step < training.steps and not self._stopped(stop):
                self.advance()
                if self._due(training.eval_every) or trainer.step == training.steps:
                    self.measure(stop)
                if self._due(training.save_every) and not trainer.watch.high:
                    self.save()
            if self.checkpoints.saved != trainer.step:
                self.save()
        if self.failed is not None:
            raise BuildError.of(
                "B1506",
                f"step {trainer.step:,} could not be saved: {self.failed}",
                help=f"{self._last()} is the newest that is whole; free some space and go on from it with --resume",
            )
        if self._stopped(stop):
            say(
                self.console,
                f"{stop.name}: step {trainer.step:,} of {training.steps:,} is saved; --resume goes on",
            )
            return stop.exit_code
        return 0

    def _board(self) -> Any:
        return open_board(self.run, self.trainer.step) if self.args.tensorboard else None

    def _stopped(self, stop: Stop) -> bool:
        """Whether a signal asks any of the ranks to end; then all of them know of it."""
        number = self.ranks.most(stop.signal or 0)
        stop.signal = number or None
        return bool(stop)

    def _write(self, step: int, **values: float | None) -> None:
        if self.ranks.leads:
            self.metrics.write(step, **values)

    def advance(self) -> None:
        """One step, measured and watched. Raises BuildError where the run has diverged."""
        trainer = self.trainer
        try:
            with compiled(self.plan.name, wanted=self.training.compile):
                step = trainer.advance()
        except NotFiniteError as wrong:
            raise self._diverged(wrong) from None
        self._write(
            step.number, loss=step.loss, perplexity=perplexity(step.loss), lr=step.rate,
            gradient_norm=step.gradient_norm, tokens=trainer.tokens, tokens_per_second=step.tokens / step.seconds,
            seconds=trainer.seconds,
        )  # fmt: skip
        self.line.step(step.number, step.loss, step.tokens, step.seconds, memory(self.device))
        if step.diverged:
            first = step.number - trainer.watch.high + 1
            raise BuildError.of(
                "B1505",
                f"the loss has been more than twice what it was, and worse than guessing, since step {first:,}: it is "
                f"{step.loss:.4g} at step {step.number:,}. The last good checkpoint is {self._last()}",
                help=self._instead(),
            )

    def _diverged(self, wrong: NotFiniteError) -> BuildError:
        trainer = self.trainer
        self._write(wrong.step, loss=wrong.loss, gradient_norm=wrong.norm)
        where = first_not_finite(self.model, self.plan, trainer.again, self.ranks)
        return BuildError.of(
            "B1505",
            f"{wrong} at step {wrong.step:,}: {where}. The last good checkpoint is {self._last()}",
            help=self._instead(),
        )

    def _instead(self) -> str:
        name, rate = self.training.optimizer.name, self.training.optimizer.lr
        return f"go on from it with a lower rate: --resume --set train.optimizer.{name}.lr={rate / 3:.2g}"

    def measure(self, stop: Stop) -> None:
        """The loss on validation data, where there is some."""
        if self.measured is None:
            return
        loader, rows, dealt = self.measured
        loss = self.trainer.measure(loader, rows, lambda: self._stopped(stop), dealt)
        if loss is None:
            return
        step = self.trainer.step
        self._write(
            step, validation_loss=loss, validation_perplexity=perplexity(loss), seconds=self.trainer.seconds
        )
        self.line.say(f"step {step:,}  validation loss {loss:.4f}  perplexity {perplexity(loss):,.2f}")

    def save(self) -> None:
        """Write a checkpoint; where that fails, say so, and keep the reason."""
        trainer = self.trainer
        try:
            self.checkpoints.save(trainer.step, self.model, trainer.state(), trainer.instead())
            self.failed = None
        except OSError as error:
            self.failed = f"{error.strerror or error}"
            if self.checkpoints.saved is not None:
                self._warn(
                    f"step {trainer.step:,} could not be saved: {self.failed}; {self._last()} stays, training goes on"
                )

    def _warn(self, text: str) -> None:
        say(self.console, f"warning: {text}")

    def _last(self) -> str:
        saved = self.checkpoints.saved
        return "none" if saved is None else self.checkpoints.path(saved).name

    def _due(self, every: int) -> bool:
        return self.trainer.step > 0 and self.trainer.step % every == 0

    def _was_measured(self, step: int) -> bool:
        return any(row.get("step") == step and "validation_loss" in row for row in read_metrics(self.run))

    def _line(self) -> Line:
        training = self.training
        flops = float(report(self.asked.recipe, training.context, registry=self.args.registry).total.train)
        ranks = self.ranks
        peak = ranks.size * peak_flops(self.device, getattr(torch, training.dtype)) if ranks.leads else 0.0
        return Line(self.trainer.step, training.steps, flops=flops, peak=peak, console=self.console)

    # The end

    def summary(self) -> None:
        """Print what came of it."""
        trainer, run, plan = self.trainer, self.run, self.plan
        if not self.ranks.leads:
            return
        rows = read_metrics(run)
        print(
            f"{plan.name}: {trainer.step:,} steps, {trainer.tokens:,} tokens in {duration(trainer.seconds)}"
        )
        measured = [row["validation_loss"] for row in rows if isinstance(row.get("validation_loss"), float)]
        if measured:
            print(
                f"loss     {measured[-1]:.4f} on validation data, perplexity {perplexity(measured[-1]):,.2f}"
            )
        print(f"model    {self.checkpoints.path(trainer.step)}")
        print(f"metrics  {run / METRICS}")
        print(f"plot     {self._plot(rows)}")

    def _plot(self, rows: Sequence[dict[str, Any]]) -> str:
        path = self.run / curve.NAME
        try:
            drawn = curve.draw(rows, f"{self.plan.name}, {self.plan.parameters:,} parameters", path)
        except ImportError:
            return 'not drawn: that needs matplotlib, pip install "blocks-dsl[plot]"'
        except OSError as error:
            return f"not drawn: {error.strerror or error}"
        return str(path) if drawn else "not drawn: a line needs two steps"


def say(console: Console, text: str) -> None:
    """Print one line as it is."""
    console.print(text, markup=False, highlight=False)


def _options(component: Component) -> dict[str, Any]:
    return {name: getattr(component, name) for name in type(component).model_fields}


def _found(target: str) -> Any:
    """What "package.module:name" names. Raises BlocksError where it cannot be imported."""
    module, _, name = target.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise BlocksError.of(
            "B0602", f"{target} cannot be imported: {error}", help="reinstall its plugin"
        ) from None
