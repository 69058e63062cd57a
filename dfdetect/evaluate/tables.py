"""The report as tables of text, which every renderer for people shares.

All text that came from files is made safe for terminals here (`printable`); escaping for Markdown or HTML is
the renderers' business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dfdetect.evaluate.cells import NONE, Cell, Column, Table, beside, number, picked, share
from dfdetect.evaluate.report import Evaluation, Origin
from dfdetect.evaluate.shortcuts import MEASURES
from dfdetect.evaluate.slices import FIGURES, Answers, By, Level, Slice
from dfdetect.evaluate.weighted import Interval
from dfdetect.names import plural, printable
from dfdetect.verdict.messages import given_percent
from dfdetect.words import percent

_SHARES = frozenset({"eer", "balanced_accuracy", "fpr_at_tpr_95", "tpr_at_fpr_1", "tpr_at_fpr_5"})
TITLES = {
    "auc": "AUC",
    "average_precision": "AP",
    "eer": "EER",
    "balanced_accuracy": "balanced accuracy",
    "fpr_at_tpr_95": "FPR at 95\u00a0% TPR",
    "tpr_at_fpr_1": "TPR at 1\u00a0% FPR",
    "tpr_at_fpr_5": "TPR at 5\u00a0% FPR",
    "ece": "ECE",
    "ece_by_chance": "ECE by chance",
    "brier": "Brier",
}
_ORIGINS = {
    Origin.SCANNED: "of a scan",
    Origin.RESCORED: "stored scores, judged anew",
    Origin.STORED: "as stored",
}
_BY_CHANCE = "ece_by_chance"  # stands in the cell of the ECE
_BRIEF = frozenset({"auc", "eer", "tpr_at_fpr_5"})


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing to know about the evaluation."""

    name: str
    text: str


def facts(evaluation: Evaluation) -> tuple[Fact, ...]:
    """What was measured, in the order of a title page."""
    about = evaluation.about
    out = [
        Fact(
            "labels",
            f"{printable(about.labels)}: {plural(evaluation.reals, 'real')}, "
            f"{plural(evaluation.fakes, 'fake')}, {plural(evaluation.groups, 'group')}",
        ),
        Fact("model", printable(f"{about.model} {about.model_version}".strip())),
        Fact("verdicts", f"{_ORIGINS[about.origin]}, dfdetect {printable(about.tool_version)}"),
        Fact("judged", _judged(evaluation)),
    ]
    if evaluation.missing:
        names = ", ".join(printable(name) for name in evaluation.missing[:3])
        more = ", …" if len(evaluation.missing) > 3 else ""
        out.append(
            Fact(
                "missing",
                f"{plural(len(evaluation.missing), 'labelled file')} without a stored result, in "
                f"no figure below: {names}{more}",
            )
        )
    unread = _without_medium(evaluation)
    if unread:
        text = f"the medium of {plural(unread, 'file')} is not known"
        out.append(Fact("unreadable", f"{text}; in the tables below they count under 'all' alone"))
    if about.prior is not None:
        out.append(Fact("prior", _prior(about.prior, about.origin)))
    out.append(
        Fact("threshold", f"balanced accuracy calls a file fake from probability {about.threshold:g} on")
    )
    out.append(
        Fact(
            "intervals",
            f"95 %, bootstrap over groups, {about.draws} draws, seed {about.seed}; rough with "
            "fewer than 20 groups of reals or of fakes, none where draws agree",
        )
    )
    return tuple(out)


def tables(evaluation: Evaluation) -> tuple[Table, ...]:
    """All tables that have rows, the most important first."""
    found = [
        _overall(evaluation, Level.FILE),
        _overall(evaluation, Level.FACE),
        _answers(evaluation),
        _kinds(evaluation, By.FAMILY),
        _baselines(evaluation),
        _shortcuts(evaluation),
        _kinds(evaluation, By.METHOD),
        _kinds(evaluation, By.FAKE_SOURCE),
        _real_sources(evaluation),
        _kinds(evaluation, By.FACE_SIZE),
        _kinds(evaluation, By.COMPRESSION),
        _kinds(evaluation, By.CODEC),
        _kinds(evaluation, By.FAMILY, Level.FACE),
        _kinds(evaluation, By.FACE_SIZE, Level.FACE),
        _mistakes(evaluation),
    ]
    return tuple(table for table in found if table.rows)


_BY: dict[tuple[Level, By], tuple[str, str]] = {
    (Level.FILE, By.FAMILY): ("Families of fakes", "Each against all reals of the same medium."),
    (Level.FILE, By.METHOD): (
        "Methods",
        "Those with five judged files or more; each against all reals of the same medium.",
    ),
    (Level.FILE, By.FAKE_SOURCE): (
        "Sources of fakes",
        "Those with five judged files or more; each against all reals of the same medium.",
    ),
    (Level.FILE, By.FACE_SIZE): ("Face size", "By the median height of a file's faces in pixels."),
    (Level.FILE, By.COMPRESSION): (
        "Compression",
        "Quarters of the bits per pixel and frame, cut on all judged files of the medium.",
    ),
    (Level.FILE, By.CODEC): ("Container and codec", "Those with five judged files or more."),
    (Level.FACE, By.FAMILY): (
        "Faces, by family",
        "Each scored face by its own logit, under the label of its file.",
    ),
    (Level.FACE, By.FACE_SIZE): ("Faces, by size", "By the height of each face in pixels."),
}


def _overall(evaluation: Evaluation, level: Level) -> Table:
    """Figures as rows, media as columns."""
    own = [s for s in evaluation.slices if s.level is level and s.by in (By.ALL, By.MEDIUM)]
    names = _names(own)
    noun = "files" if level is Level.FILE else "faces"
    rows = [(Cell(f"{noun}, real / fake"), *(Cell(f"{part.reals} / {part.fakes}") for part in own))]
    if level is Level.FILE:
        rows.append((Cell("judged"), *(share(part.judged) for part in own)))
    rows += [(Cell(TITLES[name]), *(_figure(part, name) for part in own)) for name in names]
    title = "Files" if level is Level.FILE else "Faces"
    note = "Photos and videos by their verdict."
    if level is Level.FACE:
        note = "Each scored face by its own logit, under the label of its file."
    columns = (Column("figure", False), *(Column(_medium(part)) for part in own))
    return Table(
        f"overall_{level.value}", title, note, columns, tuple(rows) if names or level is Level.FILE else ()
    )


def _answers(evaluation: Evaluation) -> Table:
    rows = []
    for part in evaluation.slices:
        if part.level is Level.FILE and part.by is By.MEDIUM:
            for noun, answers in (("real", part.reals_called), ("fake", part.fakes_called)):
                if answers is not None:
                    shares = (share(s) for s in (answers.real, answers.uncertain, answers.fake))
                    rows.append((Cell(f"{noun} {part.name}s"), Cell(str(answers.files)), *shares))
    columns = (
        Column("judged files", False),
        Column("number"),
        Column("called real"),
        Column("uncertain"),
        Column("called fake"),
    )
    return Table("answers", "Answers", "How the three answers fall.", columns, tuple(rows))


def _kinds(evaluation: Evaluation, by: By, level: Level = Level.FILE) -> Table:
    """A slice a row, with all its figures."""
    own = [part for part in evaluation.slices if part.level is level and part.by is by]
    names = _names(own)
    called = level is Level.FILE
    rows = []
    for part in own:
        row = [Cell(part.medium), Cell(printable(part.name)), Cell(str(part.reals)), Cell(str(part.fakes))]
        row += [_figure(part, name) for name in names]
        if called:
            row += [share(part.judged), *_called(part)]
        rows.append(tuple(row))
    columns = [
        Column("medium", False),
        Column(by.value.replace("_", " "), False),
        Column("reals", brief=False),
        Column("fakes"),
        *(Column(TITLES[name], brief=name in _BRIEF) for name in names),
    ]
    if called:
        columns += [
            Column("judged", brief=False),
            Column("reals called fake", brief=False),
            Column("fakes called real", brief=False),
            Column("fakes called fake"),
        ]
    title, note = _BY[level, by]
    told = [i for i in range(len(columns)) if any(row[i].text != NONE for row in rows)]
    return picked(Table(f"{by.value}_{level.value}", title, note, tuple(columns), tuple(rows)), told)


def _called(part: Slice) -> tuple[Cell, ...]:
    reals, fakes = part.reals_called, part.fakes_called
    return (
        _of(reals, lambda a: a.fake),
        _of(fakes, lambda a: a.real),
        _of(fakes, lambda a: a.fake),
    )


def _real_sources(evaluation: Evaluation) -> Table:
    own = [part for part in evaluation.slices if part.by is By.REAL_SOURCE]
    rows = tuple(
        (
            Cell(part.medium),
            Cell(printable(part.name)),
            Cell(str(part.reals)),
            share(part.judged),
            _of(part.reals_called, lambda a: a.fake),
            _of(part.reals_called, lambda a: a.uncertain),
        )
        for part in own
    )
    columns = (
        Column("medium", False),
        Column("source", False),
        Column("reals"),
        Column("judged", brief=False),
        Column("called fake"),
        Column("uncertain"),
    )
    note = "Those with five judged files or more: false alarms by where the files come from."
    return Table("real_source_file", "Sources of reals", note, columns, rows)


def _baselines(evaluation: Evaluation) -> Table:
    media = [part for part in evaluation.slices if part.level is Level.FILE and part.by is By.MEDIUM]
    found = {(b.name, b.medium): b.auc for b in evaluation.baselines}
    names = dict.fromkeys(name for name, _ in found)
    rows = [(Cell("the model"), *(_figure(part, "auc") for part in media))] if names else []
    for name in names:
        rows.append((Cell(name), *(number(found.get((name, part.name))) for part in media)))
    note = (
        "AUC of scores that know nothing of forgery, whichever way round they do better: a detector that is "
        "not above them may have learned how the files were made."
    )
    columns = (Column("score", False), *(Column(_medium(part)) for part in media))
    return Table("baselines", "Trivial scores", note, columns, tuple(rows))


def _shortcuts(evaluation: Evaluation) -> Table:
    rows = []
    for found in evaluation.shortcuts:
        row = [Cell(found.medium), Cell(MEASURES[found.measure]), number(found.correlation, signed=True)]
        row += [number(quarter.auc) for quarter in found.quarters]
        rows.append(tuple(row))
    note = (
        "Rank correlation of the score with the measure on reals (0 is good), and the AUC within each "
        "quarter of the measure, where it cannot help."
    )
    columns = (
        Column("medium", False),
        Column("measure", False),
        Column("correlation on reals"),
        *(Column(f"AUC, {name} quarter") for name in ("lowest", "second", "third", "highest")),
    )
    return Table("shortcuts", "Shortcuts", note, columns, tuple(rows))


def _mistakes(evaluation: Evaluation) -> Table:
    rows = tuple(
        (
            Cell("fake" if found.fake else "real"),
            Cell(found.answer.value),
            Cell(percent(found.probability)),
            Cell(found.medium),
            Cell(printable(found.family)),
            Cell(printable(found.source)),
            Cell(printable(found.file)),
        )
        for found in evaluation.mistakes
    )
    heads = ("label", "answer", "probability", "medium", "family", "source", "file")
    columns = tuple(Column(head, head == "probability", brief=False) for head in heads)
    return Table("mistakes", "Wrong with the most certainty", "", columns, rows)


def _prior(prior: float, origin: Origin) -> str:
    text = f"probabilities assume that {given_percent(prior)} of the files are fake"
    if origin is Origin.STORED:  # by a calibration that is not known: they cannot be moved back
        return f"{text}; ECE and Brier, which weigh reals and fakes alike, say little of such"
    return f"{text}; ranks, ECE and Brier are of those at the calibration's own prior"


def _without_medium(evaluation: Evaluation) -> int:
    """Labelled files that are no photo and no video for all that is known: those that could not be read."""
    of_files = [part for part in evaluation.slices if part.level is Level.FILE]
    return evaluation.files - sum(part.files for part in of_files if part.by is By.MEDIUM)


def _judged(evaluation: Evaluation) -> str:
    text = f"{evaluation.judged} of {plural(evaluation.files, 'file')}"
    reasons = ", ".join(f"{n} {reason.replace('_', ' ')}" for reason, n in evaluation.not_judged.items())
    return f"{text} (not: {reasons})" if reasons else text


def _medium(part: Slice) -> str:
    return "all" if part.by is By.ALL else f"{part.name}s"


def _names(parts: Sequence[Slice]) -> list[str]:
    """The figures that some of the slices have, each of which gets a row or a column."""
    return [name for name in FIGURES if name != _BY_CHANCE and any(name in part.figures for part in parts)]


def _figure(part: Slice, name: str) -> Cell:
    found = part.figures.get(name)
    if name == "ece" and found is not None:
        return beside(found, "by chance", part.figures.get(_BY_CHANCE))
    return share(found) if name in _SHARES else number(found)


def _of(answers: Answers | None, pick: Callable[[Answers], Interval]) -> Cell:
    return Cell(NONE) if answers is None else share(pick(answers))
