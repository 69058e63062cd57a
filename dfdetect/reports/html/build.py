"""`ScanResult` → `FileView`: what the template shows of one file."""

from __future__ import annotations

import ntpath
import posixpath

from dfdetect.names import plural, printable
from dfdetect.reports.findings import caveats, sentence, worst_first
from dfdetect.reports.html.appendix import Appendix
from dfdetect.reports.html.chart import colours_of, make_chart
from dfdetect.reports.html.facts import file_facts, length_words, media_words
from dfdetect.reports.html.pictures import (
    Budget,
    Choice,
    choose,
    data_uri,
    draw_heat,
    heat_scale,
    thumbnail,
)
from dfdetect.reports.html.views import Answer, FaceBox, FacePicture, FaceRow, FileView, FrameView, PersonView
from dfdetect.reports.html.wording import (
    credentials_rows,
    limits_words,
    meaning,
    quality_flags,
    quality_range,
    signed,
)
from dfdetect.reports.timeline import peak
from dfdetect.results import FaceScore, Label, Reason, ScanResult, TrackResult
from dfdetect.words import label_words, moment, percent, reason_words, span

MOST_ROWS = 1_000
"""Rows of the table of scores of one file, and dots of its time line."""
MOST_PERSONS = 48
"""Persons of a file that are described one by one."""
LETTER, WIDEST, HIGHEST = 16, 480, 400
"""Height of the numbers at the boxes, in a frame that the page shows about this wide or high."""
_ORDER = {"fake": 0, "uncertain": 1, "real": 2, "not-judged": 3, "unreadable": 4}


def view_file(result: ScanResult, number: int, budget: Budget, appendix: Appendix) -> FileView:
    """What is shown of the `number`-th file (from 1)."""
    allowance = budget.allowance(result.label)
    choice = choose(result, allowance)
    numbers = _numbers(result, choice)
    scale = heat_scale(result)
    persons = _persons(result, choice, numbers, scale)
    shown = {face.k: face for person in persons for face in person.faces}
    common, own = appendix.refer(result)
    folder, name = _split(result.path)
    seal, seal_rows = credentials_rows(result.evidence)
    answer = _answer(result.label, result.reason, result.fake_probability)
    found = sum(len(track.faces) for track in result.tracks)
    grid = next((f.heatmap for t in result.tracks for f in t.faces if f.heatmap), None)
    return FileView(
        number=number,
        name=name,
        folder=folder,
        answer=answer,
        order=_ORDER[answer.key],
        probability=-1.0 if result.fake_probability is None else round(result.fake_probability, 6),
        kind=media_words(result.media),
        seconds=round((result.media.duration if result.media else None) or 0.0, 2),
        length=length_words(result.media),
        faces=len(result.tracks),
        thumbnail=_thumbnail(result) if budget.thumbnail else None,
        message=result.message,
        caveats=caveats(result),
        meaning=meaning(result),
        limits=limits_words(result),
        band=result.band,
        persons=persons,
        persons_left_out=len(result.tracks) - len(persons),
        chart=make_chart(result, numbers) if result.is_video else None,
        frames=_frames(result, choice, numbers),
        top=None if choice.top is None else shown.get(numbers[choice.top]),
        heat_reach=f"{scale:.1f}" if grid and any(face.heat for face in shown.values()) else "",
        heat_grid=f"{len(grid[0])} × {len(grid)}" if grid else "",
        pictures_left_out=choice.left_out,
        more_alone=allowance < Budget().allowance(result.label),
        rows=_rows(result, numbers),
        rows_left_out=found - len(numbers),
        notes=_notes(result),
        seal=seal,
        seal_rows=tuple(seal_rows),
        facts=file_facts(result),
        common=tuple(common),
        own=tuple(own),
    )


def _answer(label: Label | None, reason: Reason | None, probability: float | None) -> Answer:
    word = label_words(label, reason)
    return Answer(word, word.replace(" ", "-"), "" if probability is None else percent(probability))


def _split(path: str) -> tuple[str, str]:
    """Folder and name; a path without a last part is all name."""
    module = ntpath if "\\" in path and "/" not in path else posixpath
    name = module.basename(path)
    return (path[: len(path) - len(name)], name) if name else ("", path)


def _numbers(result: ScanResult, choice: Choice) -> dict[tuple[int, int], int]:
    """Numbers in order of time for the faces that get a row; all, or those with pictures and a spread."""
    every = [(t.id, i, face) for t in result.tracks for i, face in enumerate(t.faces)]
    if len(every) > MOST_ROWS:
        room = MOST_ROWS - len(choice.faces)
        rest = [item for item in every if item[:2] not in choice.faces]
        spread = {rest[j * len(rest) // room][:2] for j in range(room)}
        every = [item for item in every if item[:2] in choice.faces or item[:2] in spread]
    every.sort(key=lambda item: (item[2].time, item[2].frame, item[0]))
    return {(person, i): k for k, (person, i, _) in enumerate(every)}


def _rows(result: ScanResult, numbers: dict[tuple[int, int], int]) -> tuple[FaceRow, ...]:
    tracks = {track.id: track for track in result.tracks}
    return tuple(
        _row(k, person, tracks[person].faces[i], result.is_video) for (person, i), k in numbers.items()
    )


def _row(k: int, person: int, face: FaceScore, video: bool) -> FaceRow:
    quality = face.quality
    return FaceRow(
        k=k,
        frame=face.frame,
        time=moment(face.time) if video else "",
        person=person,
        score=signed(face.logit),
        size=f"{quality.size:.0f}",
        sharpness=f"{quality.sharpness:.0f}",
        brightness=f"{quality.brightness:.2f}",
    )


def _persons(
    result: ScanResult, choice: Choice, numbers: dict[tuple[int, int], int], scale: float
) -> tuple[PersonView, ...]:
    colours = colours_of(result)
    video = result.is_video
    least = result.settings.get("min_face")
    min_face = float(least) if isinstance(least, (int, float)) else 0.0
    return tuple(
        PersonView(
            id=track.id,
            colour=colours[track.id],
            answer=_answer(track.label, track.reason, track.fake_probability),
            details=_details(track, video),
            flags=tuple(quality_flags(track.faces, min_face)),
            quality=quality_range(track.faces),
            quality_of=len(track.faces),
            shown=_shown(track, choice),
            faces=tuple(
                _face(track.id, face, numbers[track.id, i], scale, video)
                for i, face in enumerate(track.faces)
                if (track.id, i) in choice.faces
            ),
        )
        for track in worst_first(result.tracks)[:MOST_PERSONS]
    )


def _shown(track: TrackResult, choice: Choice) -> str:
    """How many of a person's faces the page has, where it lacks some that a picture was kept of."""
    shown, scored = sum(person == track.id for person, _ in choice.faces), len(track.faces)
    if shown == scored or not any(face.picture for face in track.faces):
        return ""
    if not shown:
        return "No face of this person is shown."
    return f"{shown} of {scored} scored faces {'is' if shown == 1 else 'are'} shown."


def _details(track: TrackResult, video: bool) -> str:
    parts = [reason_words(track.reason)] if track.reason is not None else []
    if video:
        parts.append(span(track.start, track.end))
        top = peak(track) if track.label in (Label.FAKE, Label.UNCERTAIN) else None
        parts += [f"strongest {span(*top)}"] if top else []
        parts.append(f"{len(track.faces)} of {plural(track.faces_found, 'face')} scored")
    elif track.faces:
        box = track.faces[0].box
        parts.append(f"{box.width:.0f} × {box.height:.0f} pixels")
    return ", ".join(parts)


def _face(person: int, face: FaceScore, k: int, scale: float, video: bool) -> FacePicture:
    score = signed(face.logit)
    time = moment(face.time) if video else ""
    return FacePicture(
        k=k,
        frame=face.frame,
        caption=f"{time} {score}".strip(),
        title=", ".join(filter(None, (time, f"person {person}", f"score {score}"))),
        picture=data_uri(face.picture or b""),
        heat=draw_heat(face, scale) if face.heatmap else None,
    )


def _frames(result: ScanResult, choice: Choice, numbers: dict[tuple[int, int], int]) -> tuple[FrameView, ...]:
    colours, boxes = colours_of(result), dict[int, list[FaceBox]]()
    for track in result.tracks:
        for i, face in enumerate(track.faces):
            if (track.id, i) in numbers and face.frame in choice.frames:
                box = face.box
                boxes.setdefault(face.frame, []).append(
                    FaceBox(
                        numbers[track.id, i],
                        track.id,
                        colours[track.id],
                        round(box.x0, 1),
                        round(box.y0, 1),
                        round(box.width, 1),
                        round(box.height, 1),
                    )
                )
    return tuple(
        FrameView(
            frame=picture.frame,
            time=moment(picture.time) if result.is_video else "",
            width=picture.width,
            height=picture.height,
            letter=round(LETTER * max(picture.width / WIDEST, picture.height / HIGHEST), 1),
            picture=data_uri(picture.jpeg),
            boxes=tuple(boxes.get(picture.frame, ())),
        )
        for picture in result.frames
        if picture.frame in choice.frames
    )


def _thumbnail(result: ScanResult) -> str | None:
    for track in worst_first(result.tracks):
        for face in sorted(track.faces, key=lambda face: -face.logit):
            if face.picture:
                return thumbnail(face.picture)
    return None


def _notes(result: ScanResult) -> tuple[str, ...]:
    """Those that do not stand beside the answer."""
    notes = dict.fromkeys(note.text for note in result.every_note)
    told = caveats(result)
    return tuple(text for text in notes if printable(sentence(text)) not in told)
