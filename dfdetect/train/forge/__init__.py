"""Forgeries made on the fly: (image, landmarks, rng) → (fake, mask)."""
