"""What --help says."""

from __future__ import annotations

DESCRIPTION = """\
Fine-tune a DeiT or ViT image classifier on your own classes.

verbs:
  RECIPE             train as the recipe says (the same as: train RECIPE)
  check RECIPE       look at the data and say what was found; trains nothing
  show RECIPE        write a picture of what the model sees in training
  init FOLDER|CSV    write a recipe for your own images
  predict RUN INPUT  say what is on images: JSON lines, or with --out a table of any size
  serve RUN          answer HTTP requests in Azure's schema, with a page to drop pictures on
  evaluate RUN       measure a run or a checkpoint on any labelled images
  compare RUN RUN    say whether runs differ on the same images, and on which
  crossval RECIPE    train once per fold of the data: mean, interval, out-of-fold predictions
  find-lr RECIPE     try rising learning rates for some steps and suggest one
  sweep RECIPE       try other values of what the recipe's search.space names
  features RECIPE    write what the checkpoint makes of each image, as vectors
  report RUN         write a run's report.html again
  export RUN         write a run for other programs: an ONNX graph, an MLflow model, a repository for the Hub
  schema             print the recipe's JSON schema, for editors

example:
  deit-finetune init photos                         # writes recipe.yaml
  deit-finetune check recipe.yaml
  deit-finetune recipe.yaml --set optim.epochs=3
  deit-finetune predict runs/photos holiday/*.jpg
"""

EXIT_CODES = """\
exit codes:
  0    done
  1    a fault of this program, with a traceback; please report it
  2    something for you to mend; the message says what
  75   interrupted by Ctrl-C or SIGTERM and saved: go on with --resume (sweep, predict: the same command)
  130  stopped by Ctrl-C before there was anything to save

Every key of a recipe stands in recipes/README.md and in `deit-finetune schema`.
On several GPUs: accelerate launch --multi_gpu -m finetune RECIPE
"""

EXAMPLES = {
    "train": """\
  deit-finetune recipe.yaml --set optim.epochs=3 --set run.name=short
  deit-finetune recipe.yaml --resume                # after Ctrl-C: goes on where it stopped
""",
    "check": """\
  deit-finetune check recipe.yaml --out look        # writes pictures of what it found
  deit-finetune check recipe.yaml --set data.on_bad_image=drop    # what would be left out
""",
    "show": """\
  deit-finetune show recipe.yaml                    # writes recipe-augmented.png
  deit-finetune show recipe.yaml --set augment.preset=deit --images 4 --out deit.png
""",
    "init": """\
  deit-finetune init photos                         # photos/<class>/*.jpg; writes recipe.yaml
  deit-finetune init photos/labels.csv --out pets.yaml
""",
    "predict": """\
  deit-finetune predict runs/photos holiday/*.jpg --top-k 3
  deit-finetune predict runs/photos-crossval new.jpg --flip       # all folds' models together
  deit-finetune predict runs/photos camera more.csv --out seen.parquet --all-labels    # after Ctrl-C: goes on
  deit-finetune predict recipes/predict.yaml --top-k 3            # options from YAML
""",
    "serve": """\
  deit-finetune serve runs/photos                   # http://127.0.0.1:8000
  deit-finetune serve recipes/serve.yaml --port 8080 --allow-urls
  deit-finetune serve runs/photos --runtime onnx    # after deit-finetune export runs/photos --to onnx
""",
    "evaluate": """\
  deit-finetune evaluate runs/photos --data newer_photos          # writes runs/photos/evaluations/newer_photos
  deit-finetune evaluate runs/photos --tune-thresholds --calibrate
  deit-finetune evaluate runs/photos --data labels.csv --set data.label_column=kind --config azure.json
  deit-finetune evaluate facebook/deit-base-patch16-224 --data imagenet/val    # 1,000 folders n01440764 ...
""",
    "compare": """\
  deit-finetune compare runs/photos runs/photos-2                 # on the test images of both
  deit-finetune compare runs/a/evaluations/new runs/b/evaluations/new --out compared.json
""",
    "crossval": """\
  deit-finetune crossval recipe.yaml --folds 5      # writes runs/NAME-crossval
  deit-finetune crossval recipe.yaml --folds 5 --resume           # finished folds stay as they are
""",
    "find-lr": """\
  deit-finetune find-lr recipe.yaml                 # prints optim.learning_rate and draws the curve
  deit-finetune find-lr recipe.yaml --set model.train=head --steps 200 --low 1e-5
""",
    "sweep": """\
  deit-finetune sweep recipe.yaml --trials 20 \\
      --set 'search.space={optim.learning_rate: {low: 1e-5, high: 1e-2, log: true}, model.train: [all, head]}'
  deit-finetune runs/recipe-sweep/best.yaml         # trains the best again
""",
    "features": """\
  deit-finetune features recipe.yaml                # writes features.parquet, a row for each image
  deit-finetune features recipe.yaml --set evaluate.precision=bf16 --out features.npz
""",
    "report": """\
  deit-finetune report runs/photos                  # training wrote it already; this writes it again
""",
    "export": """\
  deit-finetune export runs/photos --to onnx --precision int8     # checked against PyTorch before it is accepted
  deit-finetune predict runs/photos new.jpg --runtime onnx
  deit-finetune export runs/photos --to mlflow      # for mlflow models serve and Azure ML
  deit-finetune export runs/photos --to hub --repo me/photos      # with a model card; --push uploads it, as private
""",
    "schema": """\
  deit-finetune schema > recipe.schema.json
  deit-finetune schema predict > predict.schema.json
""",
}
"""How each verb is called, as a shell takes it."""
