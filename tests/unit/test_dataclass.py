"""Our dataclasses behave as Python's: each trial is made with both."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

import pytest

from cntr_core import dataclass as ours

T = TypeVar("T")
_BOTH = [pytest.param(ours, id="ours"), pytest.param(dataclasses, id="python")]


@ours.dataclass(frozen=True, slots=True)
class Point:
    """At the level of the module, for pickle."""

    x: int
    y: int = 2
    secret: str = ours.field(repr=False, default_factory=lambda: "s")
    KIND: ClassVar[str] = "point"

    def sum(self) -> int:
        return self.x + self.y


def _point(kind: Any) -> Any:
    @kind.dataclass(frozen=True, slots=True)
    class Point:
        x: int
        y: int = 2
        more: list[int] = kind.field(default_factory=list)
        secret: str = kind.field(repr=False, default_factory=str)
        KIND: ClassVar[str] = "point"

    return Point


@pytest.mark.parametrize("kind", _BOTH)
def test_values_are_made_compared_and_shown(kind: Any) -> None:
    Point = _point(kind)
    assert repr(Point(1)).endswith("Point(x=1, y=2, more=[])")
    assert Point(1) == Point(x=1, y=2) != Point(2) and Point(1) != (1, 2, [], "")
    assert Point(1).more is not Point(1).more and Point.KIND == "point"
    assert not hasattr(Point(1), "__dict__") and Point.__match_args__ == ("x", "y", "more", "secret")


@pytest.mark.parametrize("kind", _BOTH)
@pytest.mark.parametrize(
    "make", [lambda P: P(), lambda P: P(1, 2, [], "", 5), lambda P: P(1, x=1), lambda P: P(1, z=1), lambda P: P(y=1)]
)
def test_wrong_values_are_refused(kind: Any, make: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError):
        make(_point(kind))


@pytest.mark.parametrize("kind", _BOTH)
def test_what_is_frozen_does_not_change_and_is_hashable(kind: Any) -> None:
    point = _point(kind)(1, 2, (), "")
    for change in (lambda: setattr(point, "x", 3), lambda: delattr(point, "x")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            change()
    assert hash(point) == hash(_point(kind)(1, 2, (), ""))


@pytest.mark.parametrize("kind", _BOTH)
def test_what_is_not_frozen_changes_and_is_not_hashable(kind: Any) -> None:
    @kind.dataclass(slots=True)
    class Counter:
        count: int = 0

    counter = Counter()
    counter.count += 1
    assert counter == Counter(1)
    with pytest.raises(TypeError):
        hash(counter)
    with pytest.raises(AttributeError):
        counter.unknown = 1


@pytest.mark.parametrize("kind", _BOTH)
def test_classes_inherit_abstract_and_generic_ones(kind: Any) -> None:
    class Base(ABC, Generic[T]):
        @abstractmethod
        def told(self) -> str: ...

    @kind.dataclass(frozen=True, slots=True)
    class First(Base[int]):
        a: int
        b: int = 1

        def told(self) -> str:
            return f"{self.a}{self.b}"

    @kind.dataclass(frozen=True, slots=True)
    class Second(First):
        b: int = 5

        def __repr__(self) -> str:
            return "own"

    assert (Second(3).told(), repr(Second(3)), Second(3) == First(3, 5)) == ("35", "own", False)


def test_they_are_pickled_and_copied() -> None:
    point = Point(1, secret="t")
    assert pickle.loads(pickle.dumps(point)) == copy.deepcopy(point) == point
    assert pickle.loads(pickle.dumps(point)).secret == "t"


@pytest.mark.parametrize("replace", [ours.replace, dataclasses.replace])
def test_python_takes_ours_for_its_own(replace: Any) -> None:
    assert replace(Point(1), y=4) == Point(1, 4) and replace(Point(1), y=4).sum() == 5
    assert dataclasses.is_dataclass(Point) and dataclasses.asdict(Point(1)) == {"x": 1, "y": 2, "secret": "s"}
    assert [each.name for each in dataclasses.fields(Point)] == ["x", "y", "secret"]
    assert dataclasses.fields(Point)[0].type == "int" and dataclasses.fields(Point)[1].default == 2
