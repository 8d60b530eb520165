# Thin: what is built, and how, is in setup.py and cffi_build/sources.py.
PYTHON ?= $(firstword $(wildcard .venv/bin/python) python3)
PREFIX ?= /usr/local/lib/ocipy

export OCIPY_STRICT ?= 1

.PHONY: build test test-vm lint format install bench clean

build:
	$(PYTHON) setup.py --quiet tree

test: build
	$(PYTHON) -m pytest tests

# In virtual machines: what needs cgroup v2 with its controllers, systemd, AppArmor, SELinux. ARGS: python3 -m tests.vm --help
test-vm: build
	$(PYTHON) -m tests.vm $(ARGS)

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

format:
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

install:
	./quickstart --prefix $(PREFIX) --install-only

bench: build
	$(PYTHON) -m bench

clean:
	rm -rf build dist *.egg-info ocipy/_shim*.so ocipy/ocipy-init ocipy/_build.py ocipy/spec/schema.py ocipy/schemas
	find ocipy cffi_build tests -name __pycache__ -prune -exec rm -rf {} +
