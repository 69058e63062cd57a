"""The one sentence that tells a person what was found, or why nothing can be said and what to do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from dfdetect.numbers import whole_percent
from dfdetect.results import FaceScore, Label, MediaKind, Note, Reason
from dfdetect.words import clock

_THROUGHOUT = 0.7  # from this share of its judged faces on, a person looks fake in all that was seen of it
_CHANGE = 4  # with fewer scored faces a change over time cannot be told from noise
_GAP = 2.0  # uneven: the upper and the lower faces differ by this much in mean logit (odds of 7 to 1)
_MOST_DECIMALS = 4  # of a per cent, where whole ones do not tell a probability from a limit
_UNUSUAL = 0.9  # above this novelty it is worth a word; from the calibration's alarm on a note says more
_LISTED = 5  # persons that a sentence names before it says "and more"

_SHORT = {
    Reason.FACE_TOO_SMALL: "too small",
    Reason.FACE_TOO_BLURRED: "too blurred",
    Reason.FACE_TOO_DARK: "too dark",
    Reason.TOO_FEW_FRAMES: "seen in too few frames",
}


@dataclass(frozen=True, slots=True)
class JudgedPerson:
    """A judged person, as far as a sentence needs it."""

    id: int
    label: Label
    probability: float
    suspicious: tuple[bool, ...]
    """For each of the judged faces, whether it looks fake on its own."""
    clearest: tuple[float, float] | None = None
    """When the person looks fake most clearly, by `clearest`."""
    seen: tuple[float, float] | None = None
    """First and last second; None where the person is in all that was looked at."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What was there and what would have been needed, for the sentence on an unjudged file."""

    min_face: int
    largest: float | None
    """Height in pixels of the largest face that is too small; None where it is not known."""
    faces: int
    usable_frames: int
    needed_frames: int
    frames_sampled: int


def judged_message(
    kind: MediaKind,
    persons: Sequence[JudgedPerson],
    found: int,
    band: tuple[float, float],
    prior: float | None = None,
    beyond: bool = False,
) -> str:
    """Which side is fake, how sure, who and, for a video, when.  `found` counts unjudged persons too.

    The first of `persons` is the one whose answer is the file's.  `beyond`: there were more faces, which were
    not looked at.  The probabilities and `band` are at the `prior`; None: at the calibrated one.
    A band without width is a threshold.
    """
    top = persons[0]
    if top.label is Label.FAKE:
        said = _fakes(kind, persons, top, found, beyond)
    elif top.label is Label.REAL:
        said = f"{_all_judged(len(persons), found, beyond)} real"
    else:
        said = _doubtful(persons, top, found, beyond)
    return f"{said}: the probability of a fake is {_chance(top, band, prior)}."


def unjudged_message(kind: MediaKind, reason: Reason, limits: Limits) -> str:
    """Why nothing can be said of a file that was read, and what to do."""
    media = "picture" if kind is MediaKind.PHOTO else "video"
    one = limits.faces == 1
    if reason is Reason.NO_FACE:
        return f"No face was found, so nothing can be said; give a {media} in which a face can be seen."
    if reason is Reason.FACE_TOO_SMALL:
        size = f" ({math.floor(limits.largest)} pixels high at most)" if limits.largest is not None else ""
        subject = "The face is" if one else "The faces are"
        return (
            f"{subject} too small to be judged{size}: at least {limits.min_face} pixels are needed; "
            f"give a larger original, or lower --min-face at the price of reliability."
        )
    if reason is Reason.TOO_FEW_FRAMES:
        return (
            f"A person can be judged in only {limits.usable_frames} of {limits.frames_sampled} frames, "
            f"and {limits.needed_frames} are needed; look at more frames with --frames, "
            "or lower --min-frames at the price of reliability."
        )
    subject = "The face is" if one else "The faces are"
    if reason is Reason.FACE_TOO_DARK:
        return f"{subject} too dark to be judged; give a brighter original."
    return f"{subject} too blurred to be judged; give a sharper original."


def person_note(unjudged: Sequence[tuple[int, Reason]], found: int) -> Note:
    """The note that some persons beside a judged one could not be judged."""
    who = _listed([f"person {number} ({_SHORT[reason]})" for number, reason in unjudged])
    return Note("persons_unjudged", f"{len(unjudged)} of {found} persons could not be judged: {who}.")


def unusual_words(novelty: float) -> str:
    """A sentence on a file that is unlike the calibration media; empty for a usual one."""
    if novelty <= _UNUSUAL:
        return ""
    return f"More unusual than {spoken_percent(novelty)} of the media that the model was calibrated on."


def spoken_percent(probability: float) -> str:
    """A probability in words that never claims certainty: ``under 1 %``, ``93 %``, ``over 99 %``."""
    whole = whole_percent(probability)
    if whole < 1:
        return "under 1 %"
    return "over 99 %" if whole > 99 else f"{whole} %"


def exact_percent(probability: float, digits: int) -> str:
    """The same with decimals, as many as `decimals_apart` found to be needed."""
    return f"{100 * probability:.{digits}f} %" if digits else spoken_percent(probability)


def given_percent(share: float) -> str:
    """A share that somebody has set, exactly as it was: ``0.5 %``, ``90 %``, ``100 %``."""
    return f"{Decimal(f'{100 * share:.10g}'):f} %"


def limit_percents(limits: Sequence[float], digits: int = 0) -> list[str]:
    """The limits of an answer, with `digits` decimals or more: never ``0 %`` for what lies above it.

    Those below 1 % or above 99 % have two digits that count, and those that differ look different.
    """
    digits = max(digits, decimals_apart(limits[0], limits[1:]))
    return [f"{100 * limit:.{max(digits, _decimals(limit))}f} %" for limit in limits]


def decimals_apart(probability: float, limits: Sequence[float]) -> int:
    """How many decimals of a per cent tell a probability from the limits of its answer.

    0 where it rounds to another whole number, and where it lies on a limit or as good as on it.
    """
    for digits in range(_MOST_DECIMALS + 1):
        shown = exact_percent(probability, digits)
        certain = digits > 0 and float(shown.removesuffix(" %")) in (0, 100)
        # "Under 1 %" says nothing of a limit of 0.6 %.
        vague = not digits and shown[0] in "uo" and any(_decimals(limit) for limit in limits)
        if not certain and not vague and all(exact_percent(limit, digits) != shown for limit in limits):
            return digits
    return 0


def _decimals(limit: float) -> int:
    """How many decimals of a per cent a limit close to 0 or 1 needs; 0 for any other and for those two."""
    distance = round(100 * min(limit, 1 - limit), 12)
    return min(1 - math.floor(math.log10(distance)), 12) if 0 < distance < 1 else 0


def spoken_time(seconds: float) -> str:
    """A time in a video: ``3.2 s``, ``1:05``, ``1:02:05``."""
    if seconds < 59.95:
        # Halves upwards, as the reports have the same moment in their pictures.
        return f"{math.floor(round(seconds * 10, 3) + 0.5) / 10:.1f} s"
    whole = int(max(round(seconds, 3), 60))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def clearest(faces: Sequence[FaceScore]) -> tuple[float, float] | None:
    """First and last second of the run of high scores around the highest, None where the scores are even.

    `faces` are one person's, in order of time; they are split at the middle between the lowest and the
    highest logit.  Around the highest: a longer run of lower scores must not hide it.  The sentence on a file
    and the reports all say when by this, so that no two answers stand side by side.  It says where to look,
    not more: single faces are not calibrated.
    """
    logits = [face.logit for face in faces]
    if len(logits) < _CHANGE:
        return None
    middle = (min(logits) + max(logits)) / 2
    high = [logit for logit in logits if logit > middle]
    low = [logit for logit in logits if logit <= middle]
    if not high or not low or sum(high) / len(high) - sum(low) / len(low) < _GAP:
        return None
    first = last = logits.index(max(logits))
    while first > 0 and logits[first - 1] > middle:
        first -= 1
    while last + 1 < len(logits) and logits[last + 1] > middle:
        last += 1
    return faces[first].time, faces[last].time


def _fakes(
    kind: MediaKind, persons: Sequence[JudgedPerson], top: JudgedPerson, found: int, beyond: bool
) -> str:
    fakes = sorted(p.id for p in persons if p.label is Label.FAKE)
    if len(fakes) == 1:
        who = _the_face(beyond).capitalize() if found == 1 else f"Person {top.id} of {_count(found, beyond)}"
        return f"{who} looks fake{_when(kind, top)}"
    both = len(fakes) == found == 2 and not beyond
    who = "Both persons" if both else f"Persons {_listed(fakes)} of {_count(found, beyond)}"
    return f"{who} look fake, most of all person {top.id}{_when(kind, top)}"


def _doubtful(persons: Sequence[JudgedPerson], top: JudgedPerson, found: int, beyond: bool) -> str:
    doubtful = sorted(p.id for p in persons if p.label is Label.UNCERTAIN)
    if len(doubtful) == 1:
        who = _the_face(beyond) if found == 1 else f"person {top.id} of {_count(found, beyond)}"
        return f"Cannot say whether {who} is real or fake"
    pair = len(doubtful) == 2
    both = pair and found == 2 and not beyond
    who = "the two persons" if both else f"persons {_listed(doubtful)} of {_count(found, beyond)}"
    return (
        f"Cannot say whether {who} are real or fake; "
        f"person {top.id} is the {'more' if pair else 'most'} suspicious one"
    )


def _the_face(beyond: bool) -> str:
    return "the one face looked at" if beyond else "the face"


def _count(found: int, beyond: bool) -> str:
    return f"the {found} looked at" if beyond else str(found)


def _chance(top: JudgedPerson, band: tuple[float, float], prior: float | None) -> str:
    """The probability, what it assumes, and what it is measured against where that explains the answer."""
    by_threshold = band[0] == band[1]
    uncertain = top.label is Label.UNCERTAIN
    digits = decimals_apart(top.probability, band) if by_threshold or uncertain else 0
    text = exact_percent(top.probability, digits)
    if prior is not None:
        text += f", if {given_percent(prior)} of such files are fake"
    if by_threshold:
        text += ", " if prior is None else "; that is "
        return f"{text}{_side(top, band[0])} the threshold of {given_percent(band[0])}"
    if uncertain:
        low, high = limit_percents(band, digits)
        return f"{text}, between {low} (real below) and {high} (fake from there on)"
    if prior is not None and (top.label is Label.FAKE) != (top.probability >= 0.5):
        text += " (the answer itself goes by the evidence of the face alone)"
    return text


def _side(top: JudgedPerson, threshold: float) -> str:
    """On which side of the threshold; no decimals tell apart what differs by less than the last of them."""
    near = abs(top.probability - threshold) < 10.0 ** -(_MOST_DECIMALS + 2)
    if top.label is Label.REAL:
        return "just below" if near else "below"
    return "at" if near else "above"


def _when(kind: MediaKind, person: JudgedPerson) -> str:
    """When in a video; with the seconds wherever it does not hold for all that was looked at."""
    if kind is MediaKind.PHOTO:
        return ""
    if person.clearest is not None:
        return f", most clearly {_stretch(*person.clearest)}"
    judged = len(person.suspicious)
    always = judged > 1 and sum(person.suspicious) >= _THROUGHOUT * judged
    if person.seen is None:
        return " throughout" if always else ""
    return f" whenever seen, {_stretch(*person.seen)}" if always else f", seen {_stretch(*person.seen)}"


def _stretch(start: float, end: float) -> str:
    """``from 3.2 s to 6.4 s`` or ``at 3.2 s``; from a minute on the end is rounded up, as the reports do."""
    first, last = spoken_time(start), spoken_time(end)
    if not last.endswith(" s"):
        last = clock(math.ceil(round(end, 3)))
    return f"from {first} to {last}" if end > start and first != last else f"at {first}"


def _all_judged(judged: int, found: int, beyond: bool) -> str:
    if beyond and judged == found:
        return "The one face looked at looks" if found == 1 else f"The {found} persons looked at look"
    if found == 1:
        return "The face looks"
    if judged == 1:
        return "The one person that can be judged looks"
    if judged < found:
        return f"The {judged} persons that can be judged look"
    return "Both persons look" if found == 2 else f"All {found} persons look"


def _listed(items: Sequence[object]) -> str:
    names = [str(item) for item in items]
    if len(names) > _LISTED:
        return ", ".join(names[:_LISTED]) + f" and {len(names) - _LISTED} more"
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
