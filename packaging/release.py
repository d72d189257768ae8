"""Makes a release; started by packaging/build."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import tempfile

from deb import make_deb
from krew import make_krew
from papers import write_papers
from pyz import make_pyz
from tree import make_tree
from wheels import ARCHITECTURES, own_wheel, wheels, write_lock


def main() -> None:
    given = _arguments()
    if given.lock:
        write_lock(given.cache)
        return
    shutil.rmtree(given.output, ignore_errors=True)
    os.makedirs(given.output)
    with tempfile.TemporaryDirectory(dir=given.cache) as work:
        own = own_wheel(os.path.join(work, "own"))
        used = [*wheels(given.cache, given.machine), own]
        tree = os.path.join(work, "tree")
        make_tree(used, tree, given.machine)
        pyz = os.path.join(given.output, f"cntr-{given.machine}.pyz")
        make_pyz(tree, given.machine, pyz)
        make_krew(pyz, given.machine, given.output, given.address)
        make_deb(tree, given.machine, given.output, work)
        write_papers(given.output, tree, used)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="packaging/build", description="Build what is released.")
    parser.add_argument("--output", default="dist", metavar="DIRECTORY", help="Write the files to it.")
    parser.add_argument(
        "--machine", choices=sorted(ARCHITECTURES), default=platform.machine(), help="Build for this machine."
    )
    parser.add_argument(
        "--address", default="", metavar="URL", help="Write into krew's manifest where the files will be."
    )
    parser.add_argument("--lock", action="store_true", help="Write packaging/lock.txt anew, and build nothing.")
    parser.add_argument("--cache", required=True, help=argparse.SUPPRESS)
    return parser.parse_args()


main()
