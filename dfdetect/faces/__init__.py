"""Find faces: `Frame` → `Face`s, crops and tracks, one per person."""
