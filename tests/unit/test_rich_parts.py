"""Help pages are rendered without what they do not need, and whoever needs that has it."""

import subprocess
import sys

_SCRIPT = """
from cntr_core.cli.rich_parts import import_for_help
import_for_help()
import sys, typer, typer.rich_utils
from typer.testing import CliRunner
assert not {"rich.markdown", "rich.traceback", "attr"} & set(sys.modules)

app = typer.Typer(rich_markup_mode="markdown")

@app.command()
def command() -> None:
    "Some *marked* words, `code` and\\n\\n- a list"

result = CliRunner().invoke(app, ["--help"])
assert result.exit_code == 0, result
assert "Some marked words, code" in result.output, result.output
assert "rich.markdown" in sys.modules
try:
    raise ValueError
except ValueError as error:
    config = typer.models.DeveloperExceptionConfig()
    assert typer.rich_utils.get_traceback(error, config, []).__class__.__module__ == "rich.traceback"
"""


def test_a_plugin_may_write_its_help_in_markdown() -> None:
    run = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
