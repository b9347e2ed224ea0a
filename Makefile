# Two commands for a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# Libraries must not look for a network that a test machine does not have.
OFFLINE := HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1

.PHONY: demo demo-multilabel pretrain test check format schema clean

demo: $(STAMP)  ## fine-tune on the fridge set and show what came out
	$(BIN)/deit-finetune recipes/fridge_multiclass.yaml

demo-multilabel: $(STAMP)
	$(BIN)/deit-finetune recipes/fridge_multilabel.yaml

pretrain: $(STAMP)  ## make bundled:deit-nano again (an hour on two cores); an interrupted run goes on
	$(BIN)/deit-finetune recipes/pretrain_nano.yaml $(if $(and $(wildcard runs/pretrain_nano/recipe.yaml),$(shell grep -Ls '"status": "finished"' runs/pretrain_nano/record.json)),--resume,--overwrite)
	$(BIN)/python -m finetune.export.bundled runs/pretrain_nano

test: $(STAMP)  ## all tests
	$(OFFLINE) $(BIN)/python -m pytest -q $(PYTEST_ARGS)

check: $(STAMP)  ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schema: $(STAMP)  ## write the published schema and the reference of recipe keys again
	$(BIN)/deit-finetune schema > finetune/assets/recipe.schema.json
	$(BIN)/deit-finetune schema predict > finetune/assets/predict.schema.json
	$(BIN)/deit-finetune schema serve > finetune/assets/serve.schema.json
	$(BIN)/python -m finetune.recipe.reference > recipes/README.md
	$(BIN)/python -m finetune.metrics.reference > finetune/metrics/README.md

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25' 'setuptools>=77' wheel
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,notebooks]'
	touch $@

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
