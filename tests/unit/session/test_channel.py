"""Messages between a session's processes."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cntr_core import errors
from cntr_core.kernel import channel


def test_values_and_descriptors_arrive_together() -> None:
    ours, theirs = channel.pair()
    with ours, theirs:
        read, write = os.pipe()
        channel.send(ours, "started", write, answer=42, words=["ä", "\udcff"])
        os.close(write)
        message = channel.receive(theirs)
        assert message is not None
        assert (message.event, message.values) == ("started", {"answer": 42, "words": ["ä", "\udcff"]})
        os.write(message.fds[0], b"through")
        assert os.read(read, 10) == b"through"
        assert not os.get_inheritable(message.fds[0])
        os.close(read)
        os.close(message.fds[0])


def test_the_end_of_the_other_side_is_no_message() -> None:
    ours, theirs = channel.pair()
    theirs.close()
    assert channel.receive(ours) is None
    channel.send(ours, "nobody listens")
    ours.close()


@pytest.mark.parametrize(
    "error",
    [
        errors.CommandNotFound("command not found: x", "install it"),
        errors.SessionError("one sentence"),
        errors.CommandNotExecutable("no", "hint with ünicode"),
    ],
)
def test_an_error_of_ours_comes_out_as_it_went_in(error: errors.CntrError) -> None:
    ours, theirs = channel.pair()
    with ours, theirs:
        channel.send_error(ours, error)
        message = channel.receive(theirs)
        assert message is not None
        received = channel.error_of(message)
    assert type(received) is type(error)
    assert (received.message, received.hint) == (error.message, error.hint)


def test_a_foreign_error_becomes_a_session_error_that_names_the_path() -> None:
    ours, theirs = channel.pair()
    with ours, theirs:
        channel.send_error(ours, OSError(2, "open_tree: No such file or directory", b"/a\xff"))
        message = channel.receive(theirs)
        assert message is not None
        assert str(channel.error_of(message)) == "open_tree: No such file or directory: /a\\xff"


@given(kind=st.text(max_size=20), message=st.text(max_size=50))
def test_whatever_a_message_names_is_never_more_than_an_error(kind: str, message: str) -> None:
    got = channel.error_of(channel.Message("error", {"kind": kind, "message": message, "hint": ""}))
    assert isinstance(got, errors.CntrError)


def test_a_message_that_names_another_callable_of_the_errors_module_is_only_an_error() -> None:
    got = channel.error_of(channel.Message("error", {"kind": "annotations", "message": "x", "hint": ""}))
    assert isinstance(got, errors.SessionError)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(2, "No such file or directory", b"/a\xff"), "No such file or directory: /a\\xff"),
        (OSError(5, "Input/output error"), "Input/output error"),
        (ValueError("odd"), "ValueError: odd"),
    ],
)
def test_an_unexpected_error_is_one_phrase(error: Exception, said: str) -> None:
    assert channel.describe(error) == said


@pytest.mark.parametrize(
    "sent", [b"[" * 60_000, b"{", b"1", b"[1]", b"\xff"], ids=["deep", "cut", "number", "one", "no text"]
)
def test_what_is_no_message_is_refused(sent: bytes) -> None:
    """The far side has entered a container."""
    ours, theirs = channel.pair()
    with ours, theirs:
        ours.send(sent)
        with pytest.raises(errors.SessionError, match="what is no message"):
            channel.receive(theirs)
