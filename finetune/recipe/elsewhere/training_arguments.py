"""transformers' TrainingArguments, field by field."""

from __future__ import annotations

from finetune.recipe.elsewhere.place import table

_NO_HUB = "| a run folder holds a finished model; upload `model/` with `hf upload`"
_LANGUAGE = "| for language models; images have no tokens"
_RUNNER = "| the runner's own: it scores and gathers logits itself, in the order of the split"
_SCRIPT = "| a script's switch, which the Trainer does not read"

TRAINING_ARGUMENTS = table(
    {
        # lengths, sizes
        "output_dir": "run.root run.name | the run folder",
        "per_device_train_batch_size": "optim.batch_size optim.accumulation_steps | the recipe names the batch of one "
        "optimiser step over all devices, so that a result does not depend on their number",
        "num_train_epochs": "optim.epochs",
        "max_steps": "optim.max_steps",
        "gradient_accumulation_steps": "optim.accumulation_steps | cuts the batch instead of multiplying it",
        "average_tokens_across_devices": "| always: the loss is a sum over the global batch, divided once",
        "auto_find_batch_size": "optim.find_batch_size | raises the accumulation instead of shrinking the batch",
        "per_device_eval_batch_size": "evaluate.batch_size",
        # optimiser
        "learning_rate": "optim.learning_rate",
        "lr_scheduler_type": "optim.schedule",
        "lr_scheduler_kwargs": "optim.schedule_args",
        "warmup_steps": "optim.warmup_steps optim.warmup_fraction",
        "optim": "optim.optimizer",
        "optim_args": "optim.optimizer_args",
        "weight_decay": "optim.weight_decay | also spares class and distillation tokens and position embeddings",
        "adam_beta1": "optim.betas | the first",
        "adam_beta2": "optim.betas | the second",
        "adam_epsilon": "optim.epsilon",
        "optim_target_modules": "| only for GaLore and APOLLO, which save memory in layers far wider than a ViT's",
        "max_grad_norm": "optim.max_grad_norm",
        "label_smoothing_factor": "loss.label_smoothing | works for multilabel too",
        # arithmetic and memory
        "bf16": "run.precision",
        "fp16": "run.precision",
        "bf16_full_eval": "evaluate.precision",
        "fp16_full_eval": "| evaluation in fp16 overflows where bf16 does not: evaluate.precision is fp32 or bf16",
        "tf32": "| left as PyTorch has it: switched on, it changes results in silence",
        "activation_checkpointing": "model.activation_checkpointing",
        "activation_checkpointing_kwargs": "| the defaults are right for a ViT",
        "gradient_checkpointing": "model.activation_checkpointing | the older name",
        "gradient_checkpointing_kwargs": "| the older name of activation_checkpointing_kwargs",
        "torch_compile": "model.compile",
        "torch_compile_backend": "| inductor, PyTorch's own choice",
        "torch_compile_mode": "| PyTorch's default mode",
        "use_liger_kernel": _LANGUAGE,
        "liger_kernel_config": _LANGUAGE,
        "use_cache": _LANGUAGE,
        "neftune_noise_alpha": _LANGUAGE,
        "torch_empty_cache_steps": "| a batch is always of one size, so the cache does not fragment",
        # logging
        "logging_strategy": "run.log_every_steps | by steps, and before each evaluation and checkpoint",
        "logging_steps": "run.log_every_steps",
        "logging_first_step": "| the bar shows the first step",
        "log_on_each_node": "| one process writes and prints",
        "logging_nan_inf_filter": "| always off: a loss that is not a number stops the run instead of reading 0",
        "include_num_input_tokens_seen": _LANGUAGE,
        "log_level": "| Python's logging and TRANSFORMERS_VERBOSITY",
        "log_level_replica": "| other processes are silent",
        "disable_tqdm": "| the runner has its own bar; it writes plain lines where there is no terminal",
        "report_to": "run.tracking",
        "run_name": "run.name",
        "project": "| only for Trackio, which is not among the trackers",
        "trackio_space_id": "| only for Trackio",
        "trackio_bucket_id": "| only for Trackio",
        "trackio_static_space_id": "| only for Trackio",
        # evaluation
        "eval_strategy": "evaluate.every",
        "eval_steps": "evaluate.every_steps",
        "eval_delay": "| an early evaluation costs little and shows a wrong start",
        "prediction_loss_only": "| metrics are the point of an evaluation",
        "eval_on_start": "| evaluating before training lets the processes of a DDP run drift apart",
        "eval_do_concat_batches": _RUNNER,
        "eval_use_gather_object": _RUNNER,
        "eval_accumulation_steps": _RUNNER,
        "include_for_metrics": _RUNNER,
        "batch_eval_metrics": _RUNNER,
        "metric_for_best_model": "evaluate.best_metric",
        "greater_is_better": "| known for every metric",
        "load_best_model_at_end": "evaluate.every | always, unless every: never",
        # checkpoints
        "save_only_model": "| a checkpoint is there to be resumed",
        "save_strategy": "evaluate.every | saved when evaluated, so that the best model is always there",
        "save_steps": "evaluate.every_steps",
        "save_on_each_node": "| the run folder is written once",
        "save_total_limit": "run.keep_checkpoints",
        "enable_jit_checkpoint": "| always: SIGTERM and Ctrl-C finish the step, save, and exit with 75",
        "resume_from_checkpoint": "| the command line's --resume, which picks the last complete checkpoint",
        "ignore_data_skip": "| a resumed run sees exactly the images that were left",
        "restore_callback_states_from_checkpoint": "| patience is read from the log, max_minutes counts anew",
        "push_to_hub": _NO_HUB,
        "hub_token": _NO_HUB,
        "hub_private_repo": _NO_HUB,
        "hub_model_id": _NO_HUB,
        "hub_strategy": _NO_HUB,
        "hub_always_push": _NO_HUB,
        "hub_revision": _NO_HUB,
        # chance
        "full_determinism": "run.deterministic",
        "seed": "run.seed",
        "data_seed": "run.seed | order and augmentation follow from it, the epoch and the image",
        # devices and processes
        "use_cpu": "run.device",
        "accelerator_config": "| the runner brings its own loader, which Accelerate does not touch",
        "parallelism_config": "| splits one model over GPUs; an image classifier fits on one",
        "ddp_find_unused_parameters": "| on for optim.unfreeze_every_epochs, which leaves parameters out for a while; "
        "else every parameter that learns takes part in every step",
        "ddp_bucket_cap_mb": "| PyTorch's default",
        "ddp_broadcast_buffers": "| a ViT has no buffers that training changes",
        "ddp_static_graph": "| PyTorch's default",
        "ddp_backend": "| NCCL on GPUs, gloo on CPUs",
        "ddp_timeout": "| PyTorch's half an hour",
        "fsdp": "| accelerate's configuration switches it on, in version 2",
        "fsdp_config": "| accelerate's configuration, as for fsdp",
        "deepspeed": "| refused: under bf16 it saves a rounded model; accelerate's configuration has FSDP 2",
        "local_rank": "| read from the environment that torchrun and accelerate set",
        # loading images
        "dataloader_drop_last": "| every image counts: a short last batch is padded with weight 0",
        "dataloader_num_workers": "data.workers",
        "dataloader_pin_memory": "| on where there is a GPU",
        "dataloader_persistent_workers": "| the augmentation is seeded by image, so workers may come and go",
        "dataloader_prefetch_factor": "| 4 batches a worker",
        "dataloader_multiprocessing_context": "| PyTorch's default",
        "dataloader_in_order": "| always, or a run could not be repeated",
        "remove_unused_columns": _RUNNER,
        "label_names": _RUNNER,
        "train_sampling_strategy": "| a new random order each epoch; the other strategies sort texts by length",
        "length_column_name": _LANGUAGE,
        # the rest
        "debug": "| PyTorch's own switches do it",
        "skip_memory_metrics": "| the run's record has the seconds of each phase; memory is not measured",
        "do_train": _SCRIPT,
        "do_eval": _SCRIPT,
        "do_predict": _SCRIPT,
    }
)
"""Every field of transformers 5.23's TrainingArguments."""
