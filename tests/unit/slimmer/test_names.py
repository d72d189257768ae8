"""What the halves and the report are called when the user does not say."""

from __future__ import annotations

from pathlib import Path

import pytest
from cntr_slimmer.commands import names


@pytest.mark.parametrize(
    "reference, stem, report",
    [
        ("nginx.tar", "nginx:", "nginx-report"),
        ("nginx.tar:web", "web:", "nginx-report"),
        ("nginx.tar:shop/web:1.2", "shop/web:1.2-", "nginx-report"),
        ("odd: name/My Web.tar", "myweb:", "myweb-report"),
        ("odd: name/My Web.tar:web:1", "web:1-", "myweb-report"),
        ("docker://shop/web:1.2", "shop/web:1.2-", "web-report"),
        ("docker://web", "web:", "web-report"),
        (f"docker://sha256:{'5eed' * 16}", "5eed5eed5eed:", "5eed5eed5eed-report"),
        (f"docker://{'5eed' * 16}", "5eed5eed5eed:", "5eed5eed5eed-report"),
        (f"docker://web@sha256:{'5eed' * 16}", "web:", "web-report"),
        ("registry://localhost:5000/web:1", "localhost:5000/web:1-", "web-report"),
    ],
)
def test_names_tell_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, stem: str, report: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("nginx.tar", "odd: name/My Web.tar"):
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).touch()
    assert names.pair_names(reference) == (f"{stem}slim", f"{stem}fat")
    assert names.report(reference) == report


@pytest.mark.parametrize(
    "target, slim, fat",
    [
        ("out.tar", "app:slim", "app:fat"),
        ("docker://web", "web:slim", "web:fat"),
        ("docker://web:1", "web:1", "web:1-fat"),
        ("docker://shop/web:v2-slim", "shop/web:v2-slim", "shop/web:v2-fat"),
        ("registry://localhost:5000/shop/web", "shop/web:slim", "shop/web:fat"),
        ("registry://localhost:5000/web:1", "web:1", "web:1-fat"),
    ],
)
def test_a_destination_tells_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, slim: str, fat: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("app.tar").touch()
    assert names.chosen("app.tar", target, None, None) == (slim, fat)
    assert names.chosen("app.tar", target, "mine:1", "mine:2") == ("mine:1", "mine:2")


def test_in_a_registry_a_tag_is_a_name() -> None:
    target = "registry://localhost:5000/web:1"
    assert names.chosen("app.tar", target, "small", "rest") == ("web:small", "web:rest")
