# make demo   a sentence becomes a model that has learnt a little (sets up .venv by itself)
# make test   the tests          make lint   style, types, import contracts
# make pictures   the pictures of README.md and docs/          make clean   remove what these made
PYTHON ?= python3
VENV   ?= .venv
JOBS   ?= 2

PY       := $(VENV)/bin/python
REQUIRES := pyproject.toml setup.py constraints.txt
INSTALL   = $(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e

.DEFAULT_GOAL := demo
.PHONY: demo test lint style types imports pictures clean

demo: $(VENV)/.demo
	rm -rf demo
	$(VENV)/bin/blocks build recipes/hybrid-tiny.yaml -o demo/model
	$(DEMO_TRAIN)
	$(VENV)/bin/blocks generate demo/run --prompt "A recipe" --max-new-tokens 200 --temperature 0.7 --seed 1
	$(VENV)/bin/blocks draw recipes/hybrid-tiny.yaml -o demo/hybrid-tiny.svg
	$(PY) examples/read_itself.py demo/model README.md

# A smaller model of the same sentence learns the words of these pages; one thread is enough for it.
DEMO_TRAIN = OMP_NUM_THREADS=1 $(VENV)/bin/blocks train recipes/hybrid-tiny.yaml --data README.md docs -o demo/run \
	--cache demo/cache --set d_model=64 --set train.batch=8 --set train.context=128 --set train.eval_every=50 \
	--set train.optimizer.adamw.lr=4e-3 --steps 150

test: $(VENV)/.test
	$(PY) -m pytest -n $(JOBS)

lint: style types imports

style: $(VENV)/.lint
	$(VENV)/bin/ruff check .

types: $(VENV)/.lint
	$(VENV)/bin/mypy $(addprefix -p ,$(notdir $(PACKAGES)))

imports: $(VENV)/.lint
	$(VENV)/bin/lint-imports

pictures: $(VENV)/.test
	$(VENV)/bin/blocks draw nemotron-h-8b -o docs/images/nemotron-h-8b.svg
	$(VENV)/bin/blocks draw zoo/hymba-like -o docs/images/zoo-hymba-like.svg
	$(VENV)/bin/blocks draw zoo/t5-like -o docs/images/zoo-t5-like.svg
	$(VENV)/bin/blocks draw zoo/zamba2-like -o docs/images/zoo-zamba2-like.svg
	$(VENV)/bin/blocks cost llama-3.1-8b nemotron-h-8b --context 1k..1M -o docs/images/cost.svg

clean:
	rm -rf $(VENV) demo

# The environment: one stamp a set of extras, renewed when what is required changes.
PACKAGES := blocks compiler/blocks_compiler $(wildcard plugins/blocks_*)

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(PY) $(REQUIRES)
	@echo "installing into $(VENV) (a few minutes the first time)"
	$(INSTALL) .
	@touch $@

$(VENV)/.test: $(PY) $(REQUIRES)
	@echo "installing into $(VENV) with the tests' requirements"
	$(INSTALL) '.[test]'
	@touch $@ $(VENV)/.demo

$(VENV)/.lint: $(PY) $(REQUIRES)
	@echo "installing the linters into $(VENV)"
	$(INSTALL) '.[test,lint]'
	@touch $@ $(VENV)/.test $(VENV)/.demo
