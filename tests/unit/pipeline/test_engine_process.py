"""What an engine process does before it takes a call."""

import logging

import pytest

from callveil.pipeline import engine_process


@pytest.fixture(autouse=True)
def loggers():
    """The test runner's own handlers come back afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("callveil")
    before = (root.handlers[:], root.level, ours.level)
    yield
    root.handlers[:], root.level, ours.level = before


def test_nothing_is_logged_with_the_words_of_an_exception(monkeypatch, capsys):
    def start(config, site):
        try:
            raise ValueError("my name is Tobias Lund")
        except ValueError:
            logging.getLogger("callveil.test").exception("it failed")
            logging.getLogger("some.library").warning("heard: %s", "Tobias Lund")
        raise KeyboardInterrupt

    monkeypatch.setattr(engine_process, "build_service", start)
    monkeypatch.setattr(engine_process.signal, "signal", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        engine_process._main(None, None, None, "w", 1)
    said = capsys.readouterr().err
    assert "it failed" in said
    assert "ValueError" in said
    assert "Lund" not in said
