"""The words of the procedural world: objects, colours, places, motions, their verbs and their concepts."""

OBJECTS: tuple[str, ...] = (
    "person", "dog", "bird", "fish", "car", "boat", "plane", "ball", "tree", "house", "chair", "apple",
)  # fmt: skip
COLOURS: tuple[str, ...] = ("red", "yellow", "green", "blue", "purple", "white")
PLACES: tuple[str, ...] = ("sea", "sky", "field", "road", "city", "room", "night", "snow")
MOTIONS: tuple[str, ...] = ("left", "right", "up", "down", "approaching", "receding", "still", "turning")

NATURAL = "natural"
"""Colour of secondary items, which the caption does not name."""

COLOUR_RGB: dict[str, tuple[int, int, int]] = {
    "red": (220, 40, 40),
    "yellow": (248, 208, 40),
    "green": (35, 150, 60),
    "blue": (35, 75, 220),
    "purple": (150, 50, 185),
    "white": (246, 246, 246),
}
NATURAL_RGB: dict[str, tuple[int, int, int]] = {
    "person": (190, 120, 90),
    "dog": (150, 100, 60),
    "bird": (110, 80, 70),
    "fish": (235, 140, 60),
    "car": (110, 115, 125),
    "boat": (140, 90, 50),
    "plane": (170, 175, 185),
    "ball": (240, 130, 40),
    "tree": (60, 130, 55),
    "house": (200, 160, 120),
    "chair": (165, 115, 65),
    "apple": (190, 50, 45),
}

PLACE_PHRASES: dict[str, str] = {
    "sea": "on the sea",
    "sky": "in the sky",
    "field": "in a field",
    "road": "on a road",
    "city": "in the city",
    "room": "in a room",
    "night": "at night",
    "snow": "in the snow",
}

TRAVEL_VERBS: dict[str, str] = {
    "person": "walks",
    "dog": "runs",
    "bird": "flies",
    "fish": "swims",
    "car": "drives",
    "boat": "sails",
    "plane": "flies",
    "ball": "rolls",
    "tree": "moves",
    "house": "moves",
    "chair": "slides",
    "apple": "rolls",
}
"""Verb of an object that travels left or right."""

VERTICAL_VERBS: dict[str, dict[str, str]] = {
    "person": {"up": "climbs", "down": "climbs"},
    "dog": {"up": "jumps", "down": "jumps"},
    "ball": {"up": "bounces", "down": "falls"},
    "tree": {"up": "rises", "down": "sinks"},
    "house": {"up": "rises", "down": "sinks"},
    "chair": {"up": "rises", "down": "falls"},
    "apple": {"up": "rises", "down": "falls"},
}
"""Verbs of objects that do not travel up or down with their ordinary verb."""

STILL_VERBS: dict[str, str] = {
    "person": "stands",
    "dog": "sits",
    "bird": "rests",
    "fish": "rests",
    "car": "stands",
    "boat": "rests",
    "plane": "rests",
    "ball": "lies",
    "tree": "stands",
    "house": "stands",
    "chair": "stands",
    "apple": "lies",
}

OBJECT_CONCEPTS: dict[str, tuple[str, ...]] = {
    "person": ("human", "organism"),
    "dog": ("animal", "mammal", "organism"),
    "bird": ("animal", "organism"),
    "fish": ("fish", "animal", "organism"),
    "car": ("vehicle",),
    "boat": ("vehicle",),
    "plane": ("flying vehicle", "vehicle"),
    "ball": ("sports equipment", "toy"),
    "tree": ("plant", "organism"),
    "house": ("building", "structure"),
    "chair": ("furniture",),
    "apple": ("fruit", "food"),
}
"""Concepts among the 51 of the method, the most specific first."""

PLACE_CONCEPTS: dict[str, tuple[str, ...]] = {
    "sea": ("water body",),
    "sky": ("climate/atmosphere component",),
    "field": ("landscape feature",),
    "road": ("roadway",),
    "city": ("structure",),
    "room": ("structure",),
    "night": ("climate/atmosphere component",),
    "snow": ("weather phenomenon",),
}
