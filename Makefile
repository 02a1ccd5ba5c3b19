# Verizero on a fresh machine: `make study`, `make test`. Needs Python 3.11 or newer, git and a C++ compiler, no network
# beyond a Python package index, no GPU and no account.

PYTHON ?= python3
STUDY ?= demo
# More words for snakemake and for pytest, as in `make study ARGS=--dry-run`.
ARGS ?=
PYTEST_ARGS ?=
# Test processes at once; 0 runs all in one, which a debugger needs.
WORKERS ?= 2
# Of `make fuzz`.
SECONDS ?= 60
SEED ?= 0

# Many containers set it. Each of the many starts of Python would then compile all its imports anew, which doubles the
# time of a start of Snakemake or of a training.
unexport PYTHONDONTWRITEBYTECODE

ORCHESTRATE := .venv/orchestrate/bin
JOBS := .venv/jobs/bin

# build.py compares digests of the locks, not times: a checkout of another branch and back rebuilds nothing, and an
# interrupted build heals. So these targets always ask it, which costs a tenth of a second.
define build
	@command -v "$(PYTHON)" >/dev/null || { \
	    echo "$(PYTHON) is not on the PATH; Verizero needs Python 3.11 or newer, as in: make PYTHON=python3.11" >&2; exit 2; }
	@"$(PYTHON)" envs/build.py $(1)
endef

# Two targets at once would print over each other and share two cores.
.NOTPARALLEL:
.PHONY: help envs envs-vllm envs-gpu envs-test study test fuzz lint locks clean-envs

help:  ## Show this text (the default)
	@echo "Verizero: R1-Zero-style reinforcement-learning studies as a workflow"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  STUDY=$(STUDY)  PYTHON=$(PYTHON)  WORKERS=$(WORKERS)  ARGS= for snakemake  PYTEST_ARGS= for pytest"

envs:  ## Build both environments from their locks, where they do not match them yet
	$(call build,orchestrate)
	$(call build,jobs)

envs-vllm: envs  ## The same with the CPU build of vLLM in the jobs' environment
	$(call build,jobs --with vllm)

envs-gpu:  ## Build .venv/jobs-gpu for NVIDIA GPUs (CUDA build of torch, vLLM)
	$(call build,orchestrate)
	$(call build,jobs-gpu)

envs-test:
	$(call build,orchestrate --with test)
	$(call build,jobs --with test)

study: envs  ## Run the study STUDY on this machine, then print its table
	@test -f "config/studies/$(STUDY).yaml" || { \
	    echo "config/studies/$(STUDY).yaml does not exist; the studies are: $(basename $(notdir $(wildcard config/studies/*.yaml)))" >&2; \
	    exit 2; }
	$(ORCHESTRATE)/snakemake --profile workflow/profiles/local --config study=$(STUDY) $(ARGS)
	@folder="results/studies/$(STUDY)"; \
	if [ -f "$$folder/tables/headline.md" ]; then \
	    echo; cat "$$folder/tables/headline.md"; echo; \
	    echo "Tables   $$folder/tables/"; \
	    echo "Figures  $$folder/figures/"; \
	    echo "Report   $$folder/report.html"; \
	fi

test: envs-test  ## Run every test; those of vLLM need `make envs-vllm` first
	$(ORCHESTRATE)/python tests/everything.py --workers $(WORKERS) -- $(PYTEST_ARGS)

fuzz: envs-test  ## Grade mutated answers for SECONDS, and check what must hold for every response
	$(JOBS)/python tests/fuzz_grading.py --seconds $(SECONDS) --seed $(SEED)

lint: envs-test  ## Check style, types and the workflow's own rules
	@# All of them, also after the first that complains.
	@failed=; check() { echo "$$*"; "$$@" || failed=1; }; \
	check $(ORCHESTRATE)/ruff check --output-format concise .; \
	check $(ORCHESTRATE)/ruff format --check .; \
	check $(ORCHESTRATE)/snakefmt --check Snakefile workflow; \
	check $(ORCHESTRATE)/mypy; \
	check $(ORCHESTRATE)/python envs/render.py --check; \
	check $(ORCHESTRATE)/python .ci/lint_workflow.py; \
	if [ -n "$$failed" ]; then exit 1; fi

locks:  ## Resolve envs/*.in anew and write what follows from the locks (needs a package index)
	$(call build,orchestrate)
	"$(PYTHON)" envs/lock.py
	"$(PYTHON)" envs/render.py

clean-envs:  ## Remove both environments
	rm -rf .venv
