"""Read media: path, bytes or stream → `Frame`s with presentation times, and `MediaInfo`."""
