"""Azure ML's fine-tuning component for image classification, parameter by parameter."""

from __future__ import annotations

from finetune.recipe.elsewhere.place import table

AZURE = table(
    {
        "task_name": "task | image-classification is multiclass, image-classification-multilabel is multilabel",
        "model_path": "model.checkpoint",
        "model_name": "model.checkpoint",
        "training_data": "data.root data.file | kind: jsonl reads the MLTable folder",
        "validation_data": "data.file data.split.validation | a second MLTable, or a fraction",
        "test_data": "data.file data.split.test",
        "image_height": "model.image_size_px | images are square",
        "image_width": "model.image_size_px",
        "metric_for_best_model": "evaluate.best_metric | f1_score_macro is f1_macro here, iou is iou_samples",
        "apply_augmentations": "augment.preset | none switches it off",
        "number_of_workers": "data.workers",
        "apply_deepspeed": "| refused: under bf16 it saves a rounded model; accelerate's configuration has FSDP 2",
        "deepspeed_config": "| refused, as apply_deepspeed is",
        "apply_ort": "| ONNX Runtime training has ended; bf16 and model.compile do what it did",
        "number_of_epochs": "optim.epochs",
        "max_steps": "optim.max_steps",
        "training_batch_size": "optim.batch_size | Azure's is per device",
        "validation_batch_size": "evaluate.batch_size",
        "auto_find_batch_size": "optim.find_batch_size",
        "learning_rate": "optim.learning_rate",
        "learning_rate_scheduler": "optim.schedule | warmup_cosine is cosine with warmup_steps",
        "lr_scheduler_type": "optim.schedule",
        "warmup_steps": "optim.warmup_steps optim.warmup_fraction",
        "optimizer": "optim.optimizer",
        "extra_optim_args": "optim.optimizer_args optim.momentum | a mapping instead of text",
        "weight_decay": "optim.weight_decay",
        "gradient_accumulation_step": "optim.accumulation_steps",
        "precision": "run.precision | 32 is fp32, 16 is fp16",
        "label_smoothing_factor": "loss.label_smoothing",
        "random_seed": "run.seed",
        "evaluation_strategy": "evaluate.every",
        "evaluation_steps": "evaluate.every_steps",
        "evaluation_steps_interval": "evaluate.every_steps",
        "logging_strategy": "run.log_every_steps",
        "logging_steps": "run.log_every_steps",
        "save_strategy": "evaluate.every",
        "save_steps": "evaluate.every_steps",
        "save_total_limit": "run.keep_checkpoints | -1, keep all, is a large number here",
        "early_stopping": "evaluate.patience | null switches it off",
        "early_stopping_patience": "evaluate.patience",
        "max_grad_norm": "optim.max_grad_norm",
        "resume_from_checkpoint": "| the command line's --resume",
        "save_as_mlflow_model": "| `deit-finetune export RUN --to mlflow`",
        "process_count_per_instance": "| `torchrun --nproc_per_node`",
        "instance_count": "| `torchrun --nnodes`",
    }
)
"""The parameters of Azure ML's transformers_image_classification_finetune component and of the pipeline around it."""
