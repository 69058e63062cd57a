"""Scan many files: paths, globs, folders → a stream of `ScanResult`s."""
