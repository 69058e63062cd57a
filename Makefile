# `make check` is the one command before a commit: lint, types, tests.
.PHONY: check lint types test slow samples

check: lint types test

lint:
	ruff check .
	ruff format --check .

types:
	mypy

test:
	python -m pytest -n 2 --dist loadfile

slow:
	python -m pytest -m slow

samples:
	python data/make.py
