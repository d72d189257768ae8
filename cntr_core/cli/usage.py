"""What typer says of the words of a call, in the words of cntr: one sentence in lower case, and the next step."""

from __future__ import annotations

import re

from typer.exceptions import TyperException

_WORDING = (
    (re.compile(r"missing (?:argument|parameter) '[\[{]?(\w+).*'", re.DOTALL), r"\1 is missing"),
    (re.compile(r"got unexpected extra arguments?(?:\(s\))? \((.*)\)", re.DOTALL), r"too many words: \1"),
    (re.compile(r"is not a valid (?:float|integer|int)( range)?$"), "is not a number"),
)

_NAMED = "name the image by its place: --output docker://NAME"


def explained(error: TyperException) -> tuple[str, str]:
    """The sentence and the hint; an empty sentence where typer has already shown a help text in place of an error."""
    sentence, *more = re.split(r" (?=Did you mean|\(Possible options)", error.format_message())
    sentence = sentence[:1].lower() + sentence[1:].rstrip(".")
    for pattern, words in _WORDING:
        sentence = pattern.sub(words, sentence)
    context = getattr(error, "ctx", None)
    steps = [_NAMED] if _is_docker_tag(error) else [_proposed(more[0])] if more else []
    steps += [f"see {context.command_path} --help"] if context is not None else []
    return sentence, "; ".join(steps)


def _is_docker_tag(error: TyperException) -> bool:
    """Whether an image was named as for ``docker build``, where one option has both the place and the name."""
    context = getattr(error, "ctx", None)
    known = [option for one in context.command.params for option in one.opts] if context is not None else []
    return getattr(error, "option_name", "") in ("-t", "--tag") and "--output" in known


def _proposed(text: str) -> str:
    """``did you mean 'list'`` of ``Did you mean 'list'?``, or of ``(Possible options: --fs, --tools)``."""
    return "did you mean " + re.sub(r"^Did you mean |^\(Possible options: |[?)]$", "", text)
