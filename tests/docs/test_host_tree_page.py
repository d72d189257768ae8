"""The page of what is shown of the host cannot lie."""

from tests.docs.generators.host_tree import PAGE, page


def test_the_page_equals_the_list() -> None:
    with open(PAGE, encoding="utf-8") as file:
        assert file.read() == page(), "run: python -m tests.docs.generators.host_tree"
