"""Sample media that ship with dfdetect (installed as `dfdetect._samples`); data only."""
