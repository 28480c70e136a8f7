"""`transcriber:standin-listener`: the same ears under another name, to judge masked audio."""

from callveil_standin.engines.transcriber import Options, StandInTranscriber

__all__ = ["Options", "build"]


def build(options: Options, models: object) -> StandInTranscriber:
    return StandInTranscriber(options, "standin-listener")
