PYTHON_BIN := .venv/bin/python
LOCK := .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml

.PHONY: env lock

env: ## Make .venv (only the environment)
	@scripts/environment.sh

lock: env ## Remake the lock files from pyproject.toml; UPGRADE=--upgrade takes the newest versions
	$(LOCK) $(UPGRADE) --output-file requirements/production.txt
	$(LOCK) $(UPGRADE) --extra embedded --group dev --output-file requirements/development.txt
