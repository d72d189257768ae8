"""Unpacking against docker's own view of an image of many layers, entry by entry."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cntr_core.images import open_image, unpack
from cntr_core.plugins import load
from tests.support.images import docker_image
from tests.unit.images.layouts import tree

DOCKERFILE = r"""
FROM {base}
RUN rm -r /usr/share/bash-completion /etc/apt && mkdir /etc/apt && echo new > /etc/apt/new
RUN rm /etc/issue && ln /etc/passwd /etc/passwd.link && mkfifo /fifo && chmod 4755 /bin/date && mknod /null c 1 3
RUN mv /usr/share/perl5 /usr/share/p5 && ln -s /usr/lib /mylib && rm -r /opt && ln -s /usr /opt
COPY file /mylib/made/file
RUN touch -d @1.123456789 /etc/hostname && chown 1000:1000 /home && rm /etc/host.conf && mkdir /etc/host.conf
RUN rm -r /var/cache /srv && mkdir /srv && touch "$(printf '/srv/new\nline')" /srv/.wh-is-no-whiteout
RUN ln /srv/.wh-is-no-whiteout /srv/other && truncate -s 1M /srv/holes && chgrp 42 /bin/date && chmod g+s /bin/date
"""


@pytest.fixture
def built(tmp_path: Path) -> Iterator[str]:
    """An image with whiteouts, replaced directories, renames, links and devices in its layers."""
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE.format(base=docker_image("debian")))
    (context / "file").write_text("copied")
    tag = f"cntr-test/exact:{uuid.uuid4().hex[:12]}"
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}  # Debian's docker has no buildx
    build = ["docker", "build", "--quiet", "--tag", tag, str(context)]
    subprocess.run(build, check=True, env=environment, capture_output=True, timeout=100)
    yield tag
    subprocess.run(["docker", "rmi", tag], check=True, capture_output=True, timeout=60)


@pytest.mark.requires("root", "docker", "docker-cli", "overlayfs", "mmdebstrap")
@pytest.mark.parametrize("source", ["docker save", "engine"])
def test_the_root_is_the_one_that_docker_mounts(built: str, tmp_path: Path, source: str) -> None:
    reference = built
    if source == "docker save":
        reference = str(tmp_path / "saved.tar")
        subprocess.run(["docker", "save", "-o", reference, built], check=True, timeout=60)
    with open_image(reference, engines=load().engines) as image:
        assert len(image.layers) == 8
        assert unpack(image, str(tmp_path / "ours")).skipped == ()
    view = "{{.GraphDriver.Data.UpperDir}}:{{.GraphDriver.Data.LowerDir}}"
    inspect = ["docker", "image", "inspect", built, "--format", view]
    layers = subprocess.run(inspect, check=True, capture_output=True, text=True).stdout.strip()
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    subprocess.run(["mount", "-t", "overlay", "-o", f"ro,lowerdir={layers}", "view", str(theirs)], check=True)
    try:
        expected = tree(theirs)
    finally:
        subprocess.run(["umount", str(theirs)], check=True)
    found = tree(tmp_path / "ours")
    del found["."], expected["."]  # docker gives the root the time of the build's step
    assert found == expected
