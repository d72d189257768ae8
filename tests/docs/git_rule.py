"""A rule of slimming for git: what docs/how-to/write-a-slim-rule.md builds."""

from collections.abc import Iterable, Sequence

from cntr_core import Keep, Rule, RuleContext, hookimpl

HELPERS = b"/usr/lib/git-core"
TEMPLATES = b"/usr/share/git-core/templates"


class Git(Rule):
    name = "git"
    description = "The helpers by which git speaks with servers, and the templates of new repositories."

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        if b"/usr/bin/git" not in context.fresh:
            return
        for name in context.image.list(HELPERS):
            if name.startswith(b"git-remote-"):
                yield Keep(HELPERS + b"/" + name, "git starts it for the URL of a repository")
        for found in context.image.walk(TEMPLATES):
            yield Keep(found.path, "git copies it into new repositories")


@hookimpl
def cntr_slim_rules() -> Sequence[Rule]:
    return [Git()]
