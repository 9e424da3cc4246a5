# The only commands that a new user needs: `make demo`, `make bench`, `make test`, `make ui`.
SHELL := /bin/sh
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo bench test test-slow test-newest ui server lint style docs clean

# With pip, or with the program that UV names: `UV=uv make test`.
UV ?=
INSTALL = $(if $(UV),$(UV) pip install -q --compile-bytecode --python $(1)/bin/python,$(1)/bin/python -m pip install -qq) -c constraints.txt

# torch first: with it pinned, the installer takes whatever build the machine offers, and nothing later replaces it.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(if $(UV),,$(BIN)/python -m pip install -qq --upgrade pip)
	$(call INSTALL,$(VENV)) torch
	$(call INSTALL,$(VENV)) -e '.[biometric,federated,optuna]'
	touch $@

# What tests need beyond the experiments of the pipeline.
$(VENV)/tested: $(VENV)/installed
	$(call INSTALL,$(VENV)) -e '.[test,biometric,federated,onnx,optuna,pyod,server,skops,slurm]'
	touch $@

# Each stage is a process of its own: bytecode that is there already saves each of them a second where none may be written.
# A run changes dvc.lock, which git tracks; docs/usage.md says why, and how to commit it.
UNNOTICED := git update-index --skip-worktree dvc.lock 2>/dev/null || true

demo: $(VENV)/installed
	@$(UNNOTICED)
	python -m compileall -q src pipelines
	python pipelines/repro.py --tour
	python pipelines/report.py --table
	@echo "Next: make bench runs all experiments; veilbench list shows them; docs/extend.md brings in your own."

bench: $(VENV)/installed
	@$(UNNOTICED)
	python -m compileall -q src pipelines
	python pipelines/repro.py
	python pipelines/report.py --table

# A process for each core, each with one thread. A file's tests stay together, and so share what its fixtures train.
# Tests start many processes, which would all compile what they import if bytecode could not be written.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := python -m compileall -q -j 0 src && OMP_NUM_THREADS=1 python -m pytest --dist loadfile --maxprocesses 6

# The type checker works beside the tests, which wait now and then; what it says comes last.
test: $(VENV)/tested style
	@mypy >$(VENV)/types 2>&1 & types=$$!; tests=0; $(PYTEST) -n logical -m 'not slow' || tests=$$?; \
		wait $$types || { cat $(VENV)/types; exit 1; }; cat $(VENV)/types; exit $$tests

SLOW := slow
# Tests of whole programs wait for each other: three for two cores.
test-slow: $(VENV)/tested
	$(PYTEST) -n $$(( ($$(nproc) * 3 + 1) / 2 )) -m '$(SLOW)'

# Another Python, such as the newest here, on the tests that need neither torch nor a trained model.
NEWEST ?= python3.13
LIGHT := annotated-types cryptography filelock jinja2 jsonschema numba numpy pandas pillow psutil pydantic pytest pyyaml \
	pywavelets rich safetensors scikit-learn scipy typer typing-extensions
test-newest:
	$(NEWEST) -m venv $(VENV)-newest
	$(call INSTALL,$(VENV)-newest) $(LIGHT)
	PYTHONPATH=src:. OMP_NUM_THREADS=1 $(VENV)-newest/bin/python -m pytest tests/text tests/metrics \
		tests/families/ciphers/baselines tests/families/ciphers/data tests/families/mail/data \
		--ignore tests/metrics/test_image.py --ignore tests/metrics/test_ledoit_wolf.py -m 'not slow'

lint: style
	mypy

style: $(VENV)/tested
	ruff check .
	ruff format --check .

# The site as files in site/; a warning is an error.
docs: $(VENV)/documented
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

$(VENV)/documented: $(VENV)/installed
	$(call INSTALL,$(VENV)) -e '.[docs]'
	touch $@

ui: $(VENV)/installed
	-python pipelines/track.py
	@echo "docs/tracking.md has a link for each family: privacy against utility"
	mlflow ui --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///$(CURDIR)/mlflow.db}" --port $${PORT:-5000}

# A tracking server for several machines; on the network with HOST=0.0.0.0, see docs/tracking.md.
# It has a store of its own: the artifacts of mlflow.db lie in a folder, which other machines cannot reach.
SERVER_OPTIONS ?=
server: $(VENV)/installed
	mlflow server --backend-store-uri "$${VEILBENCH_STORE:-sqlite:///$(CURDIR)/server.db}" --serve-artifacts \
		--artifacts-destination "$${VEILBENCH_ARTIFACTS:-$(CURDIR)/server_artifacts}" \
		--host "$${HOST:-127.0.0.1}" --port "$${PORT:-5000}" $(SERVER_OPTIONS)

clean:
	rm -rf $(VENV) $(VENV)-newest prepared results report site dvc_plots multirun outputs mlflow.db* .mlflow.db* mlartifacts
