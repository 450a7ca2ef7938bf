# Each target does the set-up that it needs. `make demo` and `make test` work on a fresh machine with Python >= 3.11.
# Variables are given on the command line, `make run CONFIG=...`: an environment that has one of these names changes nothing.

PYTHON = python3
BIN := .venv/bin
# Where packages come from is the user's choice (index, proxy, cache); where they go and which is not.
PIP := env -u PIP_TARGET -u PIP_PREFIX -u PIP_ROOT -u PIP_USER -u PIP_REQUIREMENT -u PIP_CONSTRAINT -u PIP_NO_DEPS -u PIP_DRY_RUN \
  -u PYTHONHOME -u PYTHONPATH $(BIN)/python -m pip install --quiet --disable-pip-version-check
READY := .venv/ready
# On a machine without a GPU, PyTorch's own CPU index spares gigabytes: make demo TORCH_INDEX=https://...
TORCH_INDEX =
CONFIG = config.yaml
CORES = all
NAME = paper
JSON =
# Tests are shared out, file by file, to a process a core; four are enough, and some memory. In their order: by count, long ones come last.
SHARED := --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder --durations=10

.PHONY: demo run tables measured test unit e2e bench lint format docs ui clean remove prune

demo: $(READY)
	$(BIN)/python -m lnf run --configfile workflow/configs/demo.yaml --cores $(CORES)

run: $(READY)
	$(BIN)/python -m lnf run $(if $(filter config.yaml,$(CONFIG)),,--configfile $(CONFIG)) --cores $(CORES)

tables: $(READY)
	$(BIN)/python -m lnf tables $(if $(filter config.yaml,$(CONFIG)),,--configfile $(CONFIG))

measured: $(READY)
	$(BIN)/python -m lnf measured $(if $(filter config.yaml,$(CONFIG)),,--configfile $(CONFIG))

test: unit e2e

unit: $(READY)
	$(BIN)/python -m pytest -m "not (e2e or processes or browser)" $(SHARED)

e2e: $(READY)
	$(BIN)/python -m pytest -m "e2e or processes or browser" $(SHARED)

lint: $(READY)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -c 'from importlinter.cli import lint_imports_command as lint; lint()' --no-logo
	$(BIN)/python -m snakefmt --check Snakefile rules
	$(BIN)/python -m snakemake --lint

format: $(READY)
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .
	$(BIN)/python -m snakefmt Snakefile rules

bench: $(READY)
	$(BIN)/python -m bench.speed $(if $(JSON),--json $(JSON))

# The site, in the folder `site`; with the reports of workflows that ran here.
docs: .venv/docs
	$(BIN)/python -m sphinx -q -W --keep-going docs site
	@echo "lnf: the documentation: site/index.html"

ui: $(READY)
	$(BIN)/python -m lnf ui

clean:
	rm -rf reports/out site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .snakemake/log .snakemake/scripts data/raw
	find lnf tests -name __pycache__ -type d -prune -exec rm -rf {} +

remove: $(READY)
	$(BIN)/python -m lnf remove $(NAME)

prune: $(READY)
	$(BIN)/python -m lnf prune $(NAME) $(if $(filter config.yaml,$(CONFIG)),,--configfile $(CONFIG))

$(READY): requirements.txt constraints.txt pyproject.toml snakemake_executor_plugin_ray/pyproject.toml snakemake_logger_plugin_lnf/pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lnf: Python 3.11 or later is needed; name one by PYTHON=")'
	$(PYTHON) -m venv .venv
	$(PIP) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) \
	  -r requirements.txt -c constraints.txt
	$(PIP) --no-deps --editable . --editable ./snakemake_executor_plugin_ray --editable ./snakemake_logger_plugin_lnf
	touch $(READY)

.venv/docs: $(READY) docs/requirements.txt
	$(PIP) -r docs/requirements.txt -c constraints.txt
	touch .venv/docs
