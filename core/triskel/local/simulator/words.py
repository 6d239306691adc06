"""What a prompt is about, by simple means. One rule: linear in the text, and only its first part is looked at."""

import re

LOOKED_AT = 4000
"""Characters of a text that are looked at: what follows changes nothing but the count of tokens."""

_WORD = re.compile(r"[^\W\d_]{2,32}")
_NUMBER = re.compile(r"(?<![\w.])-?\d{1,12}(?:\.\d{1,6})?(?![\w.]*\w)")
_QUOTED = re.compile(r"[\"“`]([^\"“”`\n]{1,120})[\"”`]")
_NAMED = re.compile(r"(?<=[\w,] )[A-Z][\w-]{1,31}(?: [A-Z][\w-]{1,31}){0,3}")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s|\n")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_COMMON_WORDS = """
a about after all also am an and any are as at be because been before being but by can could did do does doing for from
get give had has have he her here him his how i if in into is it its just let like make many may me might more most much
must my need no not now of off on one only or other our out over own please really say shall she should show so some such
tell than that the their them then there these they this those to too up us use used using very want was we were what when
where which who whom whose why will with would write yes you your
"""
_COMMON = frozenset(_COMMON_WORDS.split())


def content_words(text: str) -> list[str]:
    """The words that carry the sense, in lower case, each once, in order."""
    found = (word.lower() for word in _WORD.findall(text[:LOOKED_AT]))
    return list(dict.fromkeys(word for word in found if word not in _COMMON))


def main_words(text: str, at_most: int) -> list[str]:
    """The content words that come most often, then first."""
    counted: dict[str, int] = {}
    for word in _WORD.findall(text[:LOOKED_AT]):
        lowered = word.lower()
        if lowered not in _COMMON:
            counted[lowered] = counted.get(lowered, 0) + 1
    return sorted(counted, key=lambda word: -counted[word])[:at_most]


def first_sentence(text: str, longest: int) -> str:
    """The first sentence on one line, cut at a word where it is longer than `longest` characters."""
    line = " ".join(_SENTENCE_END.split(text[:LOOKED_AT].strip(), maxsplit=1)[0].split())
    if len(line) <= longest:
        return line
    return line[:longest].rsplit(" ", 1)[0] + " …"


def name_words(name: str) -> list[str]:
    """`getWeather_in-city` as words: get, weather, in, city."""
    return [word.lower() for part in re.split(r"[\W_]+", name) for word in _CAMEL.split(part) if word]


def numbers(text: str) -> list[str]:
    """The numbers that stand alone."""
    return _NUMBER.findall(text[:LOOKED_AT])


def values(text: str) -> list[str]:
    """What may be the value of something: quoted texts, then names inside sentences, then content words, longest first."""
    looked_at = text[:LOOKED_AT]
    found = [*_QUOTED.findall(looked_at), *_NAMED.findall(looked_at)]
    return list(dict.fromkeys([*found, *sorted(content_words(text), key=len, reverse=True)]))
