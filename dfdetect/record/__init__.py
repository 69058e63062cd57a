"""The record: results as plain data, written, read again, counted and compared."""
