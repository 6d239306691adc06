"""Sentences. One rule: short, plain, and made of what the user said; a simulated model never claims to know anything."""

import re
from collections.abc import Sequence

import msgspec

from triskel.local.simulator.messages import Message
from triskel.local.simulator.offer import OfferedDeployment
from triskel.local.simulator.words import LOOKED_AT, first_sentence, main_words

_GREETING = re.compile(r"\s*(hi|hello|hey|good (morning|day|afternoon|evening))\b[^?]{0,40}$", re.IGNORECASE)
_SUM = re.compile(r"(?:what is|what's|calculate|compute|how much is)\s+(-?\d{1,9})\s*([-+*x×/])\s*(-?\d{1,9})", re.IGNORECASE)
_SUMMARY = re.compile(r"\b(summar(y|i[sz]e)|in short|tl;?dr)\b", re.IGNORECASE)
_STEPS = re.compile(r"\b(list|steps?|how (do|can|to|should))\b", re.IGNORECASE)
_VOCABULARY = (
    *("quiet", "river", "carries", "bright", "leaves", "toward", "distant", "harbor", "while", "seven", "lanterns", "glow"),
    *("above", "wooden", "bridge", "where", "careful", "hands", "measure", "time", "against", "patient", "stones", "before"),
    *("morning", "opens", "every", "window", "slowly", "again"),
)


def written(words: int, digest: bytes) -> str:
    """So many words, as sentences of ten."""
    start = digest[0]
    chosen = [_VOCABULARY[(start + index) % len(_VOCABULARY)] for index in range(words)]
    for index in range(0, words, 10):
        chosen[index] = chosen[index].capitalize()
        last = min(index + 9, words - 1)
        chosen[last] += "."
    return " ".join(chosen)


def told(messages: Sequence[Message], prompt: str) -> str:
    """What tools answered to the calls of the last assistant message, in a sentence each."""
    names = {call_id: name for message in messages for call_id, name in message.called}
    results: list[Message] = []
    for message in reversed(messages):
        if message.role != "tool":
            break
        results.insert(0, message)
    sentences = [f"The tool {names[result.answers_id]} says: {_fact(result.text)}." for result in results]
    if prompt:
        sentences.append(f'That answers "{first_sentence(prompt, 120)}"')
    return " ".join(sentences)


def _fact(result: str) -> str:
    """A flat JSON object as `key is value, …`; anything else as it stands, on one line."""
    try:
        value = msgspec.json.decode(result)
    except (msgspec.DecodeError, RecursionError):
        value = None
    if isinstance(value, dict) and value and all(isinstance(one, str | int | float | bool) for one in value.values()):
        return ", ".join(f"{key.replace('_', ' ')} is {one}" for key, one in value.items())
    return " ".join(result[:2000].split()).rstrip(".") or "nothing"


def spoken(messages: Sequence[Message], prompt: str, deployment: OfferedDeployment, digest: bytes) -> str:
    """An answer to `prompt`, the last thing the user said."""
    if not prompt.strip():
        return "You have not said anything yet. Ask me something."
    if _GREETING.match(prompt, 0, LOOKED_AT):
        return f"Hello! I am {deployment.model}, a simulated model. Ask me something, and I will answer in your own words."
    if calculation := _SUM.search(prompt, 0, LOOKED_AT):
        return _calculated(calculation)
    topic = _listed(main_words(prompt, 3)) or "that"
    subject = first_sentence(prompt, 160)
    if _SUMMARY.search(prompt, 0, LOOKED_AT):
        return f"In short: {_summary(prompt)} The main words are {topic}."
    if _STEPS.search(prompt, 0, LOOKED_AT):
        return (
            f"Here is a way to go about {topic}:\n"
            f"1. Write down what you know about {topic}.\n"
            f"2. Choose the smallest part and try it.\n"
            f"3. Compare what came out with what you asked: {subject}"
        )
    opening = _opening(subject, topic, digest, is_question=prompt.rstrip().endswith("?"))
    earlier = [message.text for message in messages if message.role == "user"][:-1]
    memory = f" Earlier you spoke of {_listed(main_words(earlier[-1], 2)) or 'something else'}." if earlier else ""
    seen = f" I was shown {sum(m.images for m in messages)} image(s)." if any(m.images for m in messages) else ""
    return opening + memory + seen


def _opening(subject: str, topic: str, digest: bytes, *, is_question: bool) -> str:
    if is_question:
        choices = (
            f'You asked: "{subject}" A simulated model cannot know, but the question turns on {topic}.',
            f"A question about {topic}. A real model would answer it here; this one has read: {subject}",
            f'About {topic}: I am simulated, so take this as a sign that your question arrived: "{subject}"',
        )
    else:
        subject += "" if subject.endswith((".", "!", "…", ":", ";")) else "."
        choices = (
            f"I understand this is about {topic}. You said: {subject}",
            f'You said: "{subject}" I have taken note of {topic}.',
            f"Noted: {subject} The main point seems to be {topic}.",
        )
    return choices[digest[1] % len(choices)]


def _summary(prompt: str) -> str:
    """The first sentence behind the order to summarize, or the order itself."""
    head, colon, rest = prompt.partition(":")
    text = rest if colon and len(head) < 200 and rest.strip() else prompt
    return first_sentence(text, 200)


def _calculated(found: re.Match[str]) -> str:
    left, sign, right = int(found[1]), found[2], int(found[3])
    if sign == "/":
        result = f"{left / right:g}" if right else "not defined"
    else:
        result = str({"+": left + right, "-": left - right}.get(sign, left * right))
    return f"{left} {sign} {right} is {result}."


def _listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
