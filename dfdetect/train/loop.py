"""The training loop: seeded, resumable after kill -9, with a log of every step that matters."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from dfdetect.errors import SettingsError
from dfdetect.interrupts import end_with_parent
from dfdetect.train.build import Net, build_network, load_start, moving_keys
from dfdetect.train.checkpoint import NAME, fingerprint, resume, save
from dfdetect.train.network import to_input
from dfdetect.train.probe import start_as_probe
from dfdetect.train.recipe import Recipe
from dfdetect.train.stream import Batch, FaceStream
from dfdetect.train.table import FaceRow
from dfdetect.train.transformer import TokenNet

CHECKPOINT_EVERY = 100


class _Numbered(torch.utils.data.Dataset[Batch]):
    """`FaceStream` as a dataset whose worker processes stay on one thread."""

    def __init__(self, stream: FaceStream, first: int, count: int) -> None:
        self._stream, self._first, self._count = stream, first, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Batch:
        cv2.setNumThreads(0)
        return self._stream[self._first + index]


def train(
    rows: Sequence[FaceRow],
    meshes: Mapping[str, NDArray[np.float32]],
    teacher: Mapping[str, NDArray[np.float32]],
    recipe: Recipe,
    folder: Path,
    *,
    weights: str | Path | None = None,
    twins: Sequence[FaceRow] = (),
    made_with: Mapping[str, str] | None = None,
    workers: int = 1,
    device: str = "cpu",
) -> Net:
    """Train on `rows` and return the network with averaged (EMA) weights.

    `folder` receives ``recipe.json``, ``log.jsonl`` and ``checkpoint.pt``; a run that finds a checkpoint
    of the same recipe, weights and faces there goes on from it, and another one raises `InputError`.
    `made_with` tells the networks apart that `meshes` (key ``mesh``) and `teacher` (``teacher``) are of.
    """
    folder.mkdir(parents=True, exist_ok=True)
    width = len(next(iter(teacher.values()))) if teacher else 0
    torch.manual_seed(recipe.seed)
    net = build_network(recipe, width).to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if weights is not None:
        load_start(net, weights)
    run = fingerprint(net, [*rows, *twins], meshes, teacher, recipe, made_with or {})
    if isinstance(net, TokenNet) and not (folder / NAME).exists():
        start_as_probe(net, rows, recipe, folder.parent / "probe", device)
    state = net.state_dict()
    average = {key: state[key].detach().clone() for key in moving_keys(net)}
    optimiser = _optimiser(net, recipe)
    step = resume(folder, net, average, optimiser, run)
    recipe.save(folder / "recipe.json")
    stream = FaceStream(rows, meshes, teacher, recipe, twins)
    loader = torch.utils.data.DataLoader(
        _Numbered(stream, step, recipe.steps - step),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=8 if workers else None,
        worker_init_fn=_die_with_parent,
    )
    net.train()
    progress = _Progress(folder / "log.jsonl", recipe)
    for batch in loader:
        if step >= recipe.steps:
            break
        for group in optimiser.param_groups:
            group["lr"] = group["base"] * _schedule(step, recipe)
        torch.manual_seed((recipe.seed * 1_000_003 + step) % 2**64)  # dropout repeats after a resume
        loss, parts = _loss(net, batch, recipe, device)
        _refuse_runaway(loss, step + 1, recipe)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in net.parameters() if p.requires_grad], 5.0)
        optimiser.step()
        step += 1
        _follow(average, net, min(recipe.ema, (1 + step) / (10 + step)))
        progress(step, parts)
        if step % CHECKPOINT_EVERY == 0 or step == recipe.steps:
            save(folder, net, average, optimiser, step, run)
    net.load_state_dict(average, strict=False)
    return net.eval()


def _die_with_parent(worker: int) -> None:
    """A loader process must not outlive a training that was killed.

    The loader's own watch does not do: it lets the process wait for ever to hand over its last batches.
    """
    end_with_parent()


def _refuse_runaway(loss: Tensor, step: int, recipe: Recipe) -> None:
    """Raise `SettingsError` when the loss is not finite: no later step would mend the weights."""
    if not bool(torch.isfinite(loss)):
        raise SettingsError(
            f"the loss is not finite at step {step}; lower lr (it is {recipe.lr:g}) or raise warmup, "
            "and give another --work"
        )


def _loss(net: Net, batch: Batch, recipe: Recipe, device: str) -> tuple[Tensor, dict[str, float]]:
    view = torch.from_numpy(batch.view).to(device)
    with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=recipe.bf16):
        logit, family, taught = net(to_input(batch.images, recipe, device), view)
    logit, family = logit.float(), family.float()
    fake = torch.from_numpy(batch.fake).to(device)
    soft = fake * (1 - 2 * recipe.smoothing) + recipe.smoothing
    main = F.binary_cross_entropy_with_logits(logit, soft)
    parts = {"bce": float(main.detach()), "accuracy": float(((logit > 0) == (fake > 0.5)).float().mean())}
    total = main
    known = torch.from_numpy(batch.family).to(device)
    if recipe.family_weight > 0 and bool((known >= 0).any()):
        kind = F.cross_entropy(family, known, ignore_index=-1)
        total = total + recipe.family_weight * kind
        parts["family"] = float(kind.detach())
    if taught is not None and recipe.teacher_weight > 0:
        target = torch.from_numpy(batch.teacher).to(device)
        have = ~torch.isnan(target[:, 0])
        if bool(have.any()):
            distance = F.smooth_l1_loss(taught[have].float(), target[have])
            total = total + recipe.teacher_weight * distance
            parts["teacher"] = float(distance.detach())
    return total, parts


def _optimiser(net: Net, recipe: Recipe) -> torch.optim.AdamW:
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
            rate = recipe.lr * _share(name, parameter, net, recipe)
            groups.setdefault((rate, decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": chosen, "lr": rate, "base": rate, "weight_decay": decay}
            for (rate, decay), chosen in groups.items()
        ]
    )


def _share(name: str, parameter: torch.nn.Parameter, net: Net, recipe: Recipe) -> float:
    """The learning rate of a parameter as a share of the heads'."""
    if not name.startswith("backbone"):
        return 1.0
    if isinstance(net, TokenNet) and parameter.ndim > 1:
        block = int(name.split(".")[2])  # backbone.blocks.N.…
        return recipe.matrix_lr * recipe.layer_decay ** (len(net.backbone.blocks) - 1 - block)
    return recipe.backbone_lr


def _schedule(step: int, recipe: Recipe) -> float:
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def _follow(average: dict[str, Tensor], net: Net, decay: float) -> None:
    state = net.state_dict()
    for key in average:
        value = state[key]
        if value.dtype.is_floating_point:
            average[key].lerp_(value.detach(), 1 - decay)
        else:
            average[key].copy_(value)


class _Progress:
    """A line of JSON every 50 steps in the log, a line of words on standard error."""

    def __init__(self, path: Path, recipe: Recipe) -> None:
        self._path, self._recipe = path, recipe
        self._sums: dict[str, float] = {}
        self._count, self._clock = 0, time.monotonic()

    def __call__(self, step: int, parts: Mapping[str, float]) -> None:
        for key, value in parts.items():
            self._sums[key] = self._sums.get(key, 0.0) + value
        self._count += 1
        if step % 50 and step != self._recipe.steps:
            return
        seconds = time.monotonic() - self._clock
        rate = self._count * self._recipe.batch / seconds
        means = {key: round(value / self._count, 4) for key, value in self._sums.items()}
        left = (self._recipe.steps - step) * self._recipe.batch / rate
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": step, "images_per_second": round(rate, 1), **means}) + "\n")
        words = "  ".join(f"{key} {value:.3f}" for key, value in means.items())
        print(
            f"step {step}/{self._recipe.steps}  {words}  {rate:.1f} images/s  {left / 60:.0f} min left",
            file=sys.stderr,
            flush=True,
        )
        self._sums, self._count, self._clock = {}, 0, time.monotonic()
