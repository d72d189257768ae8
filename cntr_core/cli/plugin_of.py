"""cntr as a plugin of docker's and kubectl's command lines: their words become words of a call of ours.

docker: https://github.com/docker/cli/blob/master/cli-plugins/metadata/metadata.go. It starts ``docker-cntr`` with
``docker-cli-plugin-metadata``, or with all words behind ``docker``: its own options, then ``cntr``. kubectl starts
``kubectl-cntr`` with the words behind ``cntr``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

_KUBECTL = "kubectl-cntr"
_VARIABLES = {"--config": "DOCKER_CONFIG", "--context": "DOCKER_CONTEXT", "--host": "DOCKER_HOST"}
_SHORT = {"-c": "--context", "-H": "--host", "-l": "--log-level", "-D": "--debug"}
_WITH_VALUE = {*_VARIABLES, "--log-level", "--tlscacert", "--tlscert", "--tlskey"}


def words_of(program: str, words: Sequence[str]) -> list[str]:
    """The words for cntr, where `program` was started with `words`; what docker's own options say is in the
    environment afterwards, as docker reads it.

    >>> words_of("docker-cntr", ["-D", "cntr", "attach", "web"])
    ['--debug', 'attach', 'web']
    >>> words_of("kubectl-cntr", ["attach", "shop/web"])
    ['attach', '--via-kubectl', 'shop/web']
    >>> words_of("cntr", ["attach", "cntr"])
    ['attach', 'cntr']
    """
    if os.path.basename(program) == _KUBECTL and words[:1] == ["attach"]:
        return ["attach", "--via-kubectl", *words[1:]]
    said: dict[str, str] = {}
    position = 0
    while position < len(words) and words[position].startswith("-"):
        name, sign, value = words[position].partition("=")
        name = _SHORT.get(name, name)
        if name in _WITH_VALUE and not sign:
            position += 1
            value = "".join(words[position : position + 1])
        said[name] = value
        position += 1
    if list(words[position : position + 1]) != ["cntr"]:
        return list(words)
    os.environ.update({_VARIABLES[name]: value for name, value in said.items() if name in _VARIABLES})
    return [*(["--debug"] if "--debug" in said else ()), *words[position + 1 :]]


def metadata() -> str:
    """What docker wants to know of a plugin, as JSON."""
    from ..version import version

    told = {
        "SchemaVersion": "0.1.0",
        "Vendor": "The cntr authors",
        "Version": version(),
        "ShortDescription": "Attach tools to containers, and split images into slim and fat",
    }
    return json.dumps(told)
