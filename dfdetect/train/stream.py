"""The endless, seeded stream of training batches.

Batch k of a seed is always the same, whatever the number of workers and wherever training was resumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import InputError
from dfdetect.faces.crop import crop_matrix, warp
from dfdetect.train.augment import Damage
from dfdetect.train.forge.blend import local_warp, self_blend, swap
from dfdetect.train.forge.masks import FloatMap
from dfdetect.train.forge.parts import expression_warp, lip_redraw, mouth_swap
from dfdetect.train.recipe import Recipe
from dfdetect.train.table import FAMILIES, FaceRow, person, read_picture, sampling_weights

Image = NDArray[np.uint8]
KINDS = ("stored", "self_blend", "warp", "swap", "twin")
"""Where a face comes from: the disk, or one of the forgeries."""
_MOST_DRAWS = 5_000
"""Faces that are drawn for a batch without any fake among them: many, since shares may be small."""
_CHANGE = 0.5
"""A forgery whose mask is weaker everywhere is no fake."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One training batch."""

    images: NDArray[np.uint8]
    """``[n, size, size, 3]`` RGB."""
    fake: NDArray[np.float32]
    """``[n]``, 1 for fakes."""
    family: NDArray[np.int64]
    """``[n]`` index into `FAMILIES`; -1 where it must not count (forgeries made on the fly)."""
    teacher: NDArray[np.float32]
    """``[n, d]`` targets of the teacher; NaN rows where there are none."""
    view: NDArray[np.int64]
    """``[n]`` which of the recipe's crops each image is."""
    kind: NDArray[np.int64]
    """``[n]`` index into `KINDS`: how a forgery was made on the fly, and its real beside it."""


class FaceStream:
    """Draws batches by number: `stream[k]`."""

    def __init__(
        self,
        rows: Sequence[FaceRow],
        meshes: Mapping[str, NDArray[np.float32]],
        teacher: Mapping[str, NDArray[np.float32]],
        recipe: Recipe,
        twins: Sequence[FaceRow] = (),
    ) -> None:
        """`meshes`: name → ``[468, 2]`` landmarks in crop pixels, for the forgeries; a face without one
        is not forged.  `teacher`: name → target vector.  `twins`: decoder twins, `pair` names the real.

        Raises `InputError` where no fake can be drawn, see `check_fakes`.
        """
        check_fakes(rows, meshes, recipe, twins)
        self._rows = list(rows)
        self._by_name = {row.name: row for row in self._rows}
        self._meshes, self._teacher, self._recipe = meshes, teacher, recipe
        self._twins: dict[str, list[FaceRow]] = {}
        for row in twins:
            self._twins.setdefault(row.pair or "", []).append(row)
        self._width = len(next(iter(teacher.values()))) if teacher else 0
        weights = sampling_weights(self._rows)
        fake = np.array([row.fake for row in self._rows])
        self._real, self._fake = np.flatnonzero(~fake), np.flatnonzero(fake)
        self._real_p = weights[self._real] / weights[self._real].sum()
        self._fake_p = weights[self._fake] / weights[self._fake].sum() if len(self._fake) else None
        self._by_person: dict[tuple[str, str], list[int]] = {}
        for i in self._real:
            if self._rows[i].name in meshes:
                self._by_person.setdefault(person(self._rows[i]), []).append(int(i))
        yaw = [_yaw(row.five) for row in self._rows]
        self._by_yaw = self._real[np.argsort([yaw[i] for i in self._real])]
        self._yaws = np.sort([yaw[i] for i in self._real])

    def __getitem__(self, number: int) -> Batch:
        rng = np.random.default_rng([self._recipe.seed, number])
        half = self._recipe.batch // 2
        samples: list[_Sample] = []
        reals = fakes = draws = 0
        while reals < half or fakes < half:
            draws += 1
            if not fakes and draws > _MOST_DRAWS:
                raise InputError("no fake could be made: the landmarks lie outside the pictures")
            for sample in self._draw(rng, want_real=reals <= fakes):
                if sample.fake and fakes < half:
                    samples.append(sample)
                    fakes += 1
                elif not sample.fake and reals < half:
                    samples.append(sample)
                    reals += 1
        return self._pack(samples)

    def _draw(self, rng: np.random.Generator, want_real: bool) -> list[_Sample]:
        recipe = self._recipe
        if not want_real and self._fake_p is not None:
            row = self._rows[int(rng.choice(self._fake, p=self._fake_p))]
            partner = self._by_name.get(row.pair) if row.pair else None
            if partner is not None and rng.random() < recipe.pairs:
                return self._finish(rng, row, read_picture(row), partner, read_picture(partner))
            return self._finish(rng, row, read_picture(row))
        row = self._rows[int(rng.choice(self._real, p=self._real_p))]
        image = read_picture(row)
        # A forgery takes the place of a fake from disk: the shares are of all faces, reals are half.
        shares = np.array([recipe.self_blend, recipe.warp, recipe.swap, recipe.twin]) * 2
        kind = 1 + int(np.searchsorted(np.cumsum(shares), rng.random(), side="right"))
        forged = self._forge(rng, row, image, kind) if kind < len(KINDS) else None
        if forged is None:
            return self._finish(rng, row, image)
        return self._finish(rng, row, image, row, forged, kind)

    def _forge(self, rng: np.random.Generator, row: FaceRow, image: Image, kind: int) -> Image | None:
        """A forgery of a real face, of `KINDS`; None where this face cannot be forged that way, or what was
        to be forged lies outside the picture.
        """
        if KINDS[kind] == "twin":
            twins = self._twins.get(row.name)
            return read_picture(twins[int(rng.integers(len(twins)))]) if twins else None
        mesh = self._meshes.get(row.name)
        if mesh is None:
            return None
        if KINDS[kind] == "self_blend":
            return _changed(*self_blend(image, mesh, rng))
        if KINDS[kind] == "warp":
            change = (local_warp, expression_warp, lip_redraw)[int(rng.integers(3))]
            return _changed(*change(image, mesh, rng))
        mouth = rng.random() < 0.5
        donor = self._other_frame(rng, row) if mouth and rng.random() < 0.5 else self._donor(rng, row)
        if donor is None:
            return None
        give = mouth_swap if mouth else swap
        return _changed(*give(image, mesh, rng, read_picture(donor), self._meshes[donor.name]))

    def _other_frame(self, rng: np.random.Generator, row: FaceRow) -> FaceRow | None:
        """Another picture of the same person, as lip-sync has it; anybody in a similar pose without one."""
        others = [i for i in self._by_person[person(row)] if self._rows[i].name != row.name]
        return self._rows[int(rng.choice(others))] if others else self._donor(rng, row)

    def _donor(self, rng: np.random.Generator, row: FaceRow) -> FaceRow | None:
        """Another person in a similar pose."""
        at = int(np.searchsorted(self._yaws, _yaw(row.five)))
        for _ in range(8):
            other = self._rows[
                int(self._by_yaw[np.clip(at + rng.integers(-60, 61), 0, len(self._by_yaw) - 1)])
            ]
            if person(other) != person(row) and other.name in self._meshes:
                return other
        return None

    def _finish(
        self,
        rng: np.random.Generator,
        row: FaceRow,
        image: Image,
        partner: FaceRow | None = None,
        partner_image: Image | None = None,
        kind: int = 0,
    ) -> list[_Sample]:
        """Crop a face and its partner, each by its own landmarks; degrade both with the very same draw."""
        recipe = self._recipe
        view = int(rng.integers(len(recipe.crops)))
        spec = recipe.crops[view]
        jitter = _jitter(spec.size, recipe.jitter, rng)
        damaged = rng.random() >= recipe.clean
        damage = Damage(rng, recipe.damage if damaged else 0.0)
        flip = rng.random() < 0.5
        samples = []
        for one, picture, is_forged in ((row, image, False), (partner, partner_image, kind > 0)):
            if one is None or picture is None:
                continue
            # A stored partner is a picture of its own: its face is not where that of the fake is.
            matrix = jitter @ np.vstack([crop_matrix(one.box, one.five, spec), (0, 0, 1)])
            crop = damage(warp(picture, matrix, spec.size))
            if flip:
                crop = np.ascontiguousarray(crop[:, ::-1])
            fake = one.fake or is_forged
            family = -1 if is_forged else FAMILIES.index(one.family)
            target = None if is_forged else self._teacher.get(one.name)
            samples.append(_Sample(crop, fake, family, target, view, kind))
        return samples

    def _pack(self, samples: list[_Sample]) -> Batch:
        teacher = np.full((len(samples), self._width), np.nan, np.float32)
        for i, sample in enumerate(samples):
            if sample.teacher is not None:
                teacher[i] = sample.teacher
        return Batch(
            np.stack([s.image for s in samples]),
            np.array([s.fake for s in samples], np.float32),
            np.array([s.family for s in samples], np.int64),
            teacher,
            np.array([s.view for s in samples], np.int64),
            np.array([s.kind for s in samples], np.int64),
        )


def check_fakes(
    rows: Sequence[FaceRow],
    meshes: Mapping[str, NDArray[np.float32]],
    recipe: Recipe,
    twins: Sequence[FaceRow] = (),
) -> None:
    """Raise `InputError` where a batch would never be full: no fake is stored, and none can be forged."""
    forged = [row for row in rows if not row.fake and row.name in meshes]
    lone = len(forged) < 2  # a swap takes another person, or another picture of this one
    if (
        any(row.fake for row in rows)
        or (recipe.twin > 0 and twins)
        or (recipe.self_blend + recipe.warp > 0 and forged)
        or (recipe.swap > 0 and not lone)
    ):
        return
    why = (
        "and only one of the real faces has landmarks, too few for a swap; give more pictures, or a share of "
        "self_blend or warp above 0"
        if forged
        else "and none of the real faces has landmarks to forge it by; give fakes, or clearer reals"
    )
    raise InputError(f"there are no fakes to train on, {why}")


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    image: Image
    fake: bool
    family: int
    teacher: NDArray[np.float32] | None
    view: int
    kind: int


def _changed(forged: Image, mask: FloatMap) -> Image | None:
    """The forgery, or None if it is the real picture: a mouth beyond the border cannot be redrawn."""
    return forged if mask.max() >= _CHANGE else None


def _yaw(five: NDArray[np.float32]) -> float:
    """Rough head turn: where the nose stands between the eyes, 0 for a frontal face."""
    span = float(np.linalg.norm(five[1] - five[0])) + 1e-6
    middle = (five[0] + five[1]) / 2
    return float((five[2] - middle) @ (five[1] - five[0]) / span**2)


def _jitter(size: int, amount: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A matrix ``[2, 3]`` that turns, scales and shifts a crop a little about its centre."""
    angle = rng.normal(0, amount)
    scale = float(np.exp(rng.normal(0, amount)))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * scale
    centre = np.full(2, size / 2)
    out = np.empty((2, 3))
    out[:, :2] = turn
    out[:, 2] = centre - turn @ centre + rng.normal(0, amount * 0.7, 2) * size
    return out
