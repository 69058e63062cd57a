"""Model folders that ship with dfdetect (installed as `dfdetect._models`); data only."""
