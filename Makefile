# `make repro` makes the environment and runs the pipeline, models side by side; `make test` checks everything
PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
READY := .venv/.ready
# stages are started as `python`: it must be the environment's
export PATH := $(BIN):$(PATH)

.PHONY: repro search check test setup sync ui serve schema lock

repro: $(READY)
	python -m deconfuse.lineup

# values of params that lower the validation loss, as `search:` in params.yaml says
search: $(READY)
	dvc repro embed
	python -m deconfuse.search

# what is in the data, and what is wrong with it
check: $(READY)
	python -m deconfuse.check

test: $(READY)
	ruff check .
	ruff format --check .
	ty check deconfuse stages
	pytest -n auto --dist loadfile --no-loadscope-reorder

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed: make PYTHON=python3.12 setup")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv --constraint constraints.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --group dev --editable '.[pretrained,server]' --constraint constraints.txt
	touch $(READY)

# draw in MLflow the runs that its store lacks
sync: $(READY)
	python -m deconfuse.tracking

# the champion of MLflow's registry on http://127.0.0.1:5001
serve: $(READY)
	python -m deconfuse.serving

# MLflow's pages on http://127.0.0.1:5000
ui: $(READY)
	python -m deconfuse.tracking ui

schema: $(READY)
	python -m deconfuse.validation

# versions and no addresses
lock: $(READY)
	uv pip compile --quiet --universal --no-header --no-annotate --extra pretrained --extra server --group dev --group benchmark pyproject.toml --output-file constraints.txt
