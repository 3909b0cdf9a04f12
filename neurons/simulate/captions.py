"""Words for scenes: captions, tags, concepts, and the way back from a caption to its attributes."""

from typing import TypedDict

from neurons.simulate.vocabulary import (
    COLOURS,
    OBJECT_CONCEPTS,
    OBJECTS,
    PLACE_CONCEPTS,
    PLACE_PHRASES,
    PLACES,
    STILL_VERBS,
    TRAVEL_VERBS,
    VERTICAL_VERBS,
)
from neurons.simulate.world import Scene


class CaptionAttributes(TypedDict):
    """What a text says about a scene's main item; None for what it does not say."""

    kind: str | None
    colour: str | None
    place: str | None
    motion: str | None


def verb_phrase(kind: str, motion: str) -> str:
    """What an object of a kind does, e.g. ``"drives left"`` or ``"comes closer"``."""
    match motion:
        case "approaching":
            return "comes closer"
        case "receding":
            return "goes away"
        case "turning":
            return "turns"
        case "still":
            return STILL_VERBS[kind]
        case "up" | "down":
            return f"{VERTICAL_VERBS.get(kind, {}).get(motion, TRAVEL_VERBS[kind])} {motion}"
    return f"{TRAVEL_VERBS[kind]} {motion}"


def _with_article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def caption(scene: Scene) -> str:
    """One short phrase, e.g. ``"a red car drives left on a road near a tree"``."""
    main = scene.main
    text = f"a {main.colour} {main.kind} {verb_phrase(main.kind, main.motion)} {PLACE_PHRASES[scene.place]}"
    others = [_with_article(item.kind) for item in scene.items[1:]]
    return f"{text} near {' and '.join(others)}" if others else text


def tags(scene: Scene) -> list[str]:
    """Singular nouns: the kind of each item, the main one first, then the place."""
    return [item.kind for item in scene.items] + [scene.place]


def tag_concepts(tag: str) -> tuple[str, ...]:
    """Concepts, among the method's 51, of an object's or place's noun."""
    table = OBJECT_CONCEPTS | PLACE_CONCEPTS
    if tag not in table:
        raise ValueError(f"unknown tag {tag!r}. Available: {', '.join(table)}")
    return table[tag]


_MOTION_WORDS: dict[str, str] = {
    "left": "left",
    "right": "right",
    "up": "up",
    "down": "down",
    "closer": "approaching",
    "away": "receding",
    "turns": "turning",
} | {verb: "still" for verb in STILL_VERBS.values()}


def parse_caption(text: str) -> CaptionAttributes:
    """Attributes that a caption states; the inverse of :func:`caption` for the main item.

    The first object, colour, motion and place word count, and objects after "near" do not.

    Parameters
    ----------
    text : str
        Any text; words are compared without case and punctuation.
    """
    words = [word.strip(".,;:!?\"'") for word in text.lower().split()]
    about_main = words[: words.index("near")] if "near" in words else words

    def first(options: tuple[str, ...]) -> str | None:
        return next((word for word in about_main if word in options), None)

    motion_word = first(tuple(_MOTION_WORDS))
    return CaptionAttributes(
        kind=first(OBJECTS),
        colour=first(COLOURS),
        place=first(PLACES),
        motion=_MOTION_WORDS[motion_word] if motion_word else None,
    )


CAPTION_WORDS: tuple[str, ...] = tuple(
    sorted(
        {"a", "an", "and", "near", "comes", "closer", "goes", "away", "turns", "left", "right", "up", "down"}
        | set(OBJECTS)
        | set(COLOURS)
        | {word for phrase in PLACE_PHRASES.values() for word in phrase.split()}
        | set(TRAVEL_VERBS.values())
        | set(STILL_VERBS.values())
        | {verb for verbs in VERTICAL_VERBS.values() for verb in verbs.values()}
    )
)
"""Every word that a caption can contain."""
