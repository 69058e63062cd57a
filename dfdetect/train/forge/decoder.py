"""Twins of real faces that have passed through the encoder and decoder of an image generator.

What latent diffusion leaves in every picture is its decoder's; a tiny distilled autoencoder of such a latent
space ("taef2", MIT, by madebyollin) leaves traces of the same kind at a cost that a processor can bear:
about a second a face, so twins are made once and kept as a crop folder.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import JpegImagePlugin

from dfdetect.errors import InputError
from dfdetect.scoring.models import hash_file
from dfdetect.train.forge.blend import composite, match_colour
from dfdetect.train.forge.masks import FloatMap, softened
from dfdetect.train.table import (
    FaceRow,
    person,
    read_faces,
    read_picture,
    sampling_weights,
    stamp,
    write_faces,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

Image = NDArray[np.uint8]

_STEP = 8  # pixels a latent cell
_WIDTH = 64


@dataclass(frozen=True, slots=True)
class Twin:
    """How one twin is made."""

    region: str
    """``whole`` crop, or the ``face`` alone within a soft ellipse."""
    noise: float
    """Deviation of noise on the latent, in deviations of the latent itself."""
    mix: float
    """How much of another person's latent is mixed in, 0 (none) to 1, within the face."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Twin:
        """Half whole crops, half faces; some with noise, some with another person mixed in."""
        region = "whole" if rng.random() < 0.5 else "face"
        noise = float(rng.uniform(0.03, 0.25)) if rng.random() < 0.4 else 0.0
        mix = float(rng.uniform(0.25, 0.7)) if rng.random() < 0.25 else 0.0
        return cls(region, noise, mix)


class TinyAutoencoder:
    """RGB pictures ↔ latents ``[n, 32, h / 8, w / 8]``, from a safetensors file with ``encoder.*`` and
    ``decoder.*``.  Raises `InputError` when the file is not such an autoencoder.
    """

    def __init__(self, weights: str | Path, device: str = "cpu") -> None:
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        self._device = device
        self._encoder, self._decoder = _encoder(), _decoder()
        try:
            values = load_file(str(weights))
            for name, net in (("encoder.", self._encoder), ("decoder.", self._decoder)):
                part = {k.removeprefix(name): v.float() for k, v in values.items() if k.startswith(name)}
                net.load_state_dict(part)
        except (OSError, RuntimeError, ValueError, SafetensorError) as error:
            raise InputError(f"{weights} does not hold a taef2 autoencoder: {error}") from error
        for net in (self._encoder, self._decoder):
            net.eval().requires_grad_(False).to(device)
            net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's hints lack it

    def encode(self, images: NDArray[np.uint8]) -> Tensor:
        """``[n, h, w, 3]``, sides multiples of 8 → float32 latents ``[n, 32, h / 8, w / 8]``."""
        import torch

        with torch.inference_mode():
            pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self._device).permute(0, 3, 1, 2)
            scaled = (pixels.float() / 255.0).to(memory_format=torch.channels_last)
            return self._encoder(scaled).cpu()

    def decode(self, latents: Tensor) -> NDArray[np.uint8]:
        """Latents → pictures ``[n, h, w, 3]``."""
        import torch

        with torch.inference_mode():
            bounded = 3.0 * torch.tanh(latents.to(self._device) / 3.0)
            pixels = self._decoder(bounded.to(memory_format=torch.channels_last))
            scaled = (pixels.clamp(0, 1) * 255.0).round().to(torch.uint8)
            return np.ascontiguousarray(scaled.permute(0, 2, 3, 1).cpu().numpy())


def make_twin(
    image: Image,
    face: FloatMap,
    twin: Twin,
    net: TinyAutoencoder,
    rng: np.random.Generator,
    other: Image | None = None,
) -> Image:
    """Pass RGB ``[h, w, 3]`` through the autoencoder as `twin` says.

    `face` is a soft mask of the face; `other` a second person laid onto this one, of the same shape, needed
    when `twin.mix` is above 0.
    """
    import torch

    height, width = image.shape[:2]
    pad = ((0, -height % _STEP), (0, -width % _STEP))
    pictures = [image] if other is None or not twin.mix else [image, other]
    latents = net.encode(np.stack([np.pad(p, (*pad, (0, 0)), "edge") for p in pictures]))
    latent = latents[:1]
    if len(pictures) == 2:
        size = (latent.shape[3], latent.shape[2])
        cells = cv2.resize(np.pad(face, pad, "edge"), size, interpolation=cv2.INTER_AREA)
        share = torch.from_numpy(np.asarray(cells, np.float32))[None, None] * twin.mix
        latent = latent * (1 - share) + latents[1:] * share
    if twin.noise:
        noise = rng.standard_normal(tuple(latent.shape), np.float32)
        latent = latent + torch.from_numpy(noise) * (twin.noise * latent.std())
    made = net.decode(latent)[0, :height, :width]
    return composite(np.ascontiguousarray(made), image, face) if twin.region == "face" else made


def decoder_twins(
    rows: Sequence[FaceRow],
    weights: str | Path,
    folder: str | Path,
    most: int,
    rng: np.random.Generator,
    device: str = "cpu",
) -> list[FaceRow]:
    """Make twins of at most `most` real faces of `rows` and keep them as a crop folder.

    Faces are drawn as training would weight them.  Each twin is stored as its real was (the same JPEG
    tables), takes its source, group and landmarks, and counts as ``gan_image``.  Twins that the folder
    already has, of the same faces by the same autoencoder, are not made again.  Returns what `read_twins`
    reads.
    """
    root = Path(folder)
    (root / "twins").mkdir(parents=True, exist_ok=True)
    reals = [row for row in rows if not row.fake]
    if not reals:
        raise InputError("twins need real faces; there are none among the rows given")
    seed, of = int(rng.integers(2**32)), hash_file(Path(weights))
    # Draws without replacement by exponential clocks: asking for more later keeps those that were drawn.
    chosen = np.argsort(rng.exponential(size=len(reals)) / sampling_weights(reals))[:most]
    net: TinyAutoencoder | None = None
    done: list[tuple[FaceRow, str]] = []
    for count, index in enumerate(chosen):
        row = reals[int(index)]
        draw = int(hashlib.sha256(f"{seed} {row.name}".encode()).hexdigest()[:16], 16)
        own = np.random.default_rng([seed, draw])
        twin = Twin.draw(own)
        donor = _donor(row, reals, np.random.default_rng([seed, draw, 1])) if twin.mix else None
        # False, once a choice of precision, keeps the names of twins that earlier versions made.
        made_of = [seed, of, False, stamp(row), stamp(donor) if donor else None]
        key = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]
        name = f"twins/{key}{'.png' if row.path.endswith('.png') else '.jpg'}"
        if not (root / name).exists():
            net = net or TinyAutoencoder(weights, device)
            _store(root / name, _twin_of(row, twin, donor, net, own), row.path)
        done.append((row, name))
        if count % 100 == 99:
            print(f"decoder twins: {count + 1}/{len(chosen)}", file=sys.stderr, flush=True)
    write_faces(root, [_record(row, name) for row, name in done], [row.five for row, _ in done])
    return read_twins(root)


def read_twins(folder: str | Path) -> list[FaceRow]:
    """The rows of a folder of twins; `pair` is the name of the real, which lies in another folder."""
    rows = read_faces(folder, space=Path(folder).name)  # names of twins tell them apart: the folder may move
    with open(Path(folder) / "faces.csv", newline="", encoding="utf-8") as stream:
        pairs = [record["pair"] for record in csv.DictReader(stream)]
    return [replace(row, pair=pair) for row, pair in zip(rows, pairs, strict=True)]


def _donor(row: FaceRow, reals: Sequence[FaceRow], rng: np.random.Generator) -> FaceRow | None:
    """Another person; None where there is none."""
    strangers = [real for real in reals if person(real) != person(row)]
    return strangers[int(rng.integers(len(strangers)))] if strangers else None


def _twin_of(
    row: FaceRow, twin: Twin, donor: FaceRow | None, net: TinyAutoencoder, rng: np.random.Generator
) -> Image:
    image, other = read_picture(row), None
    face = _face_ellipse(row, image.shape[:2], rng)
    if donor is not None:
        matrix, _ = cv2.estimateAffinePartial2D(donor.five, row.five, method=cv2.LMEDS)
        if matrix is not None:
            size = (image.shape[1], image.shape[0])
            moved = cv2.warpAffine(read_picture(donor), matrix, size, borderMode=cv2.BORDER_REPLICATE)
            other = match_colour(np.asarray(moved, np.uint8), image, face, 0.8)
    return make_twin(image, face, twin, net, rng, other)


def _face_ellipse(row: FaceRow, shape: tuple[int, int], rng: np.random.Generator) -> FloatMap:
    box = row.box
    centre = (round((box.x0 + box.x1) / 2), round((box.y0 + box.y1) / 2))
    half = (
        max(4, round(box.width * rng.uniform(0.48, 0.6))),
        max(4, round(box.height * rng.uniform(0.5, 0.6))),
    )
    mask = np.zeros(shape, np.float32)
    cv2.ellipse(mask, centre, half, 0, 0, 360, 1.0, -1)
    return softened(mask, box.width * rng.uniform(0.02, 0.08))


def _store(path: Path, image: Image, like: str) -> None:
    """Write a twin with the JPEG tables of its real, so that its file says nothing about the label."""
    options: dict[str, Any] = {"quality": 95}
    with PIL.Image.open(like) as real:
        if isinstance(real, JpegImagePlugin.JpegImageFile):
            options = {"qtables": real.quantization, "subsampling": JpegImagePlugin.get_sampling(real)}
    part = path.with_name(f"part-{path.name}")
    PIL.Image.fromarray(image).save(part, "PNG" if path.suffix == ".png" else "JPEG", **options)
    os.replace(part, path)


def _record(row: FaceRow, name: str) -> dict[str, Any]:
    """The line of a twin, stored as `name`, of this real."""
    return {
        "file": name,
        "label": "fake",
        "family": "gan_image",
        "method": "taef2",
        "medium": row.medium,
        "source": row.source,
        "group": row.group,
        **row.box._asdict(),
        "pair": row.name,
    }


def _encoder() -> nn.Module:
    from torch import nn

    layers: list[nn.Module] = [_conv(3), _block()]
    for pooled in (False, False, True):
        layers += [nn.Conv2d(_WIDTH, _WIDTH, 3, stride=2, padding=1, bias=False)]
        layers += [_block(pooled) for _ in range(3)]
    return nn.Sequential(*layers, nn.Conv2d(_WIDTH, 32, 3, padding=1))


def _decoder() -> nn.Module:
    from torch import nn

    # The first place is that of the tanh, which `decode` computes in full precision.
    layers: list[nn.Module] = [nn.Identity(), _conv(32), nn.ReLU(), *(_block(True) for _ in range(3))]
    for blocks in (3, 3, 1):
        layers += [nn.Upsample(scale_factor=2), _conv(_WIDTH, bias=False)]
        layers += [_block() for _ in range(blocks)]
    return nn.Sequential(*layers, nn.Conv2d(_WIDTH, 3, 3, padding=1))


def _conv(channels: int, bias: bool = True) -> nn.Module:
    from torch import nn

    return nn.Conv2d(channels, _WIDTH, 3, padding=1, bias=bias)


def _block(pooled: bool = False) -> nn.Module:
    """Three convolutions beside a shortcut; with `pooled`, first a wide 1 × 1 path under a group norm."""
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Sequential(_conv(_WIDTH), nn.ReLU(), _conv(_WIDTH), nn.ReLU(), _conv(_WIDTH))
            self.pool = (
                nn.Sequential(
                    nn.Conv2d(_WIDTH, 256, 1, bias=False),
                    nn.GroupNorm(4, 256),
                    nn.ReLU(),
                    nn.Conv2d(256, _WIDTH, 1, bias=False),
                )
                if pooled
                else None
            )

        def forward(self, x: Tensor) -> Tensor:
            if self.pool is not None:
                x = x + self.pool(x)
            return nn.functional.relu(x + self.conv(x))

    return Block()
