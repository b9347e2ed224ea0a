"""Hugging Face's Trainer, made right where release 5.23 is silently wrong for image classifiers.

Each override names what it mends; ``tests/training`` shows the fault on the stock class, so that a release that
mends it is noticed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict, set_model_state_dict
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainingArguments

from finetune.errors import RecipeError, TrainingError
from finetune.model import Task, no_decay_parameter_names
from finetune.model.lora import has_adapters, load_adapters
from finetune.model.trainable import hold_statistics, running_statistics
from finetune.pixels import PixelPipeline
from finetune.training.averaging import AverageWeights
from finetune.training.batches import EpochLoader
from finetune.training.muon import Muon, matrix_names
from finetune.training.parameter_groups import learning_heads, parameter_groups
from finetune.training.processes import as_in_main
from finetune.training.stopping import StopOnTime

if TYPE_CHECKING:
    from peft import PeftModel

Batch = dict[str, torch.Tensor]


class ClassifierTrainer(Trainer):
    """Trains on batches of ``pixels`` (uint8), ``targets`` and ``weights``.

    Args:
        model: An image classifier whose outputs hold logits.
        args: Training arguments.
        loader: This process's batches, already divided among processes.
        task: Loss and its count.
        pixels: Normalises pixels on the device.
        vary: What is done to a batch on the device before that.
        objective: The loss of a batch, summed over what ``task.count`` counts.
        optimizer_args: Further keyword arguments of the optimiser's class.
        rate_factors: What the learning rate of each parameter that learns is multiplied by.
        muon: Whether the optimiser is Muon, which the arguments cannot name.
        average: Of the weights, scored and saved beside them.
        measure: Scores the validation split with the model as it is, and returns metrics by name.
        callbacks: Besides the Trainer's own.
    """

    # The loss is normalised over the whole accumulated batch here; the Trainer must not divide it again.
    loss_is_scaled_for_ga = True

    def __init__(
        self,
        model: PreTrainedModel,
        args: TrainingArguments,
        loader: EpochLoader,
        task: Task,
        pixels: PixelPipeline,
        vary: Callable[[Batch], Batch],
        objective: Callable[[Any, Batch], torch.Tensor],
        optimizer_args: dict[str, Any],
        measure: Callable[[PreTrainedModel], dict[str, Any]] | None,
        callbacks: list[Any],
        rate_factors: dict[str, float] | None = None,
        muon: bool = False,
        average: AverageWeights | None = None,
    ) -> None:
        self.loader, self.task, self.pixels, self.measure = loader, task, pixels, measure
        self.vary: Callable[[Batch], Batch] = vary
        self.objective: Callable[[Any, Batch], torch.Tensor] = objective
        self.optimizer_args, self.rate_factors, self.average = optimizer_args, rate_factors or {}, average
        self.muon = muon
        if average is not None:
            callbacks = [average, *callbacks]  # first: it writes into a checkpoint before that is marked as complete
        # FSDP shards by these units. Accelerate shards the patch embedding by itself: it must not lie within another.
        units = model._no_split_modules or []
        model._no_split_modules = [name for name in units if not name.endswith("Embeddings")]
        super().__init__(model=model, args=args, callbacks=callbacks, eval_dataset=[] if measure else None)
        self.remove_callback(PrinterCallback)

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """The schedule that the arguments name.

        Raises:
            RecipeError: the schedule does not know an argument.
        """
        try:
            return self._in_time(super().create_scheduler(num_training_steps, optimizer), num_training_steps)
        except (TypeError, ValueError) as error:
            name = getattr(self.args.lr_scheduler_type, "value", self.args.lr_scheduler_type)
            raise RecipeError([f"optim.schedule_args: {name} was refused its arguments: {error}"]) from error

    def _in_time(
        self, scheduler: torch.optim.lr_scheduler.LRScheduler, steps: int
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """Where the clock may end the run, the schedule keeps step with it."""
        clocks = [callback for callback in self.callback_handler.callbacks if isinstance(callback, StopOnTime)]
        if isinstance(scheduler, torch.optim.lr_scheduler.LambdaLR):
            for clock in clocks:
                scheduler.lr_lambdas = [clock.keep_step(course, steps) for course in scheduler.lr_lambdas]
        return scheduler

    @property
    def classifier(self) -> PreTrainedModel:
        """The model itself, whatever it is wrapped in for several processes."""
        bare: PreTrainedModel = self.accelerator.unwrap_model(self.model)
        return bare

    def get_train_dataloader(self) -> DataLoader[Any]:
        """The batches as they are: Accelerate would divide them again, repeating images where they do not divide."""
        return self.loader

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """The optimiser that the arguments name, with every further argument; stock drops those of most optimisers.

        Raises:
            RecipeError: the optimiser lacks a package or does not know an argument.
        """
        name = getattr(self.args.optim, "value", self.args.optim)
        try:
            cls, kwargs = self.get_optimizer_cls_and_kwargs(self.args, self.classifier)
            cls = Muon if self.muon else cls
            self.optimizer_cls_and_kwargs = cls, {**kwargs, **self.optimizer_args, **self._own_groups()}
            return super().create_optimizer(model)
        except ImportError as error:
            raise RecipeError([f"optim.optimizer: {name} needs a package that is not installed: {error}"]) from error
        except TypeError as error:
            raise RecipeError([f"optim.optimizer_args: {name} was refused its arguments: {error}"]) from error

    def _own_groups(self) -> dict[str, Any]:
        """Groups of parameters in place of the Trainer's two, where they do not all learn at one rate or one way."""
        if not self.rate_factors and not self.muon:
            return {}
        model, rate, decay = self.classifier, self.args.learning_rate, self.args.weight_decay
        factors = self.rate_factors or {name: 1.0 for name, own in model.named_parameters() if own.requires_grad}
        matrices = matrix_names(model, learning_heads(model)) if self.muon else ()
        return {"params": parameter_groups(model, factors, rate, decay, matrices)}

    def get_decay_parameter_names(self, model: torch.nn.Module) -> list[str]:
        """All but biases, norms, class and distillation tokens and position embeddings; stock decays the last two."""
        spared = no_decay_parameter_names(model)
        return [name for name, _ in model.named_parameters() if name not in spared]

    def _prepare_input(self, data: Any) -> Any:
        """Tensors to the device without waiting for the copy, which pinned memory allows; stock waits for each."""
        if isinstance(data, torch.Tensor):
            return data.to(self.args.device, non_blocking=True)
        return super()._prepare_input(data)

    # ------------------------------------------------------------ loss

    def _get_num_items_in_batch(self, batch_samples: list[Batch], device: torch.device) -> torch.Tensor:
        """Terms of the loss in the whole batch: over accumulation steps and processes, without padding and unknowns.

        Stock counts labels of a name that is not used here, and its multi-label loss ignores the count.
        """
        counts = [self.task.count(batch["targets"], batch["weights"]) for batch in batch_samples]
        total = torch.stack(counts).sum().to(device)
        everywhere: torch.Tensor = self.accelerator.reduce(total, reduction="sum")
        return everywhere.clamp(min=1)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """This piece's share of the batch's mean loss.

        DistributedDataParallel averages gradients over processes, so the share is multiplied by their number.
        """
        hold_statistics(self.classifier)
        batch = self.vary(inputs)
        outputs = model(pixel_values=self.pixels.normalise(batch["pixels"]))
        loss = self.objective(outputs, batch) * self.accelerator.num_processes / num_items_in_batch
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Stop at the first logged loss that is not a number; stock logs such a loss as 0 and goes on.

        Raises:
            TrainingError: the loss since the last log is NaN or infinite.
        """
        if not math.isfinite(logs.get("loss", 0.0)):
            raise TrainingError(self._diverged(f"the loss is {logs['loss']}"))
        super().log(logs, start_time)

    def _diverged(self, what: str) -> str:
        return (
            f"{what} at step {self.state.global_step}; a lower optim.learning_rate, optim.warmup_fraction 0.05, "
            "or run.precision fp32 helps most; checkpoints saved before are whole"
        )

    # ------------------------------------------------------------ evaluation

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Metrics of the validation split from all its logits at once.

        Stock averages the loss over processes, which is off when the images do not divide among them, and scores each
        one's share by running statistics of its own, of which the main process's are saved.

        Raises:
            TrainingError: the model's outputs are no numbers any more.
        """
        if self.measure is None:
            return {}
        as_in_main(running_statistics(self.classifier).values())
        both = self.average.score_both if self.average else None
        found = both(self.classifier, self.measure) if both else self.measure(self.classifier)
        if found["images_not_finite"]:
            raise TrainingError(self._diverged(f"{found['images_not_finite']} images get outputs that are not numbers"))
        metrics = {f"{metric_key_prefix}_{key}": value for key, value in found.items() if isinstance(value, float)}
        self.log(metrics)
        which = {"weights": self.average.better, "scores": dict(self.average.scores)} if self.average else {}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, {**metrics, **which})
        return metrics

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        name = self.args.metric_for_best_model
        if name is not None and f"eval_{name}" not in metrics:
            raise TrainingError(
                f"{name} is undefined on the validation split (no class has the images that it needs), so it cannot "
                "pick the best model; set evaluate.best_metric: loss, or enlarge the validation split"
            )
        return super()._determine_best_metric(metrics, trial)

    # ------------------------------------------------------------ weights

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        """All weights of a checkpoint. Stock restores only what has the same name in the file and in memory,
        which for ViT and DeiT leaves every encoder layer as it was."""
        load_weights(self.classifier, Path(resume_from_checkpoint))
        if self.average is not None:
            self.average.load(Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        """All weights of the best checkpoint, for the same reason; or their average, where it scored better."""
        checkpoint = Path(str(self.state.best_model_checkpoint))
        load_weights(self.classifier, checkpoint)
        if self.average is not None:
            self.average.load(checkpoint)
            if self.average.better == "ema":
                self.average.copy_into(self.classifier)


def load_weights(model: PreTrainedModel, checkpoint: Path) -> None:
    """Load every weight of a saved checkpoint into a model of the same shape, strictly, or into its shards."""
    if has_adapters(model):
        load_adapters(cast("PeftModel", model), checkpoint)
        return
    saved = type(model).from_pretrained(checkpoint, config=model.config, dtype=model.dtype, local_files_only=True)
    set_model_state_dict(model, saved.state_dict(), options=StateDictOptions(full_state_dict=True))


def whole_weights(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """All weights by name, in the main process; every process has to ask, because each may hold but a share."""
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    weights: dict[str, Any] = get_model_state_dict(model, options=options)
    return weights
