"""Format `ScanResult`s: one file per format, one registry of them."""
