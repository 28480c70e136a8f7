"""`callveil consent withdraw`: consent that ends after the call."""

from __future__ import annotations

from typing import Annotated

import typer

from callveil.cli.output import print_json, say
from callveil.cli.service import Data, ProfileOption, actor, open_office
from callveil.cli.sought import Json
from callveil.pipeline.withdraw import withdraw as withdraw_consent
from callveil.vocabulary.consent import Purpose


def withdraw(
    call: Annotated[str, typer.Option(help="The call.", show_default=False)],
    purpose: Annotated[
        list[Purpose] | None,
        typer.Option(help="What consent is withdrawn for; repeatable.", show_default="everything"),
    ] = None,
    at_s: Annotated[
        float | None,
        typer.Option(
            min=0, help="Second of the call from which on it is withdrawn.", show_default="from the beginning"
        ),
    ] = None,
    party: Annotated[
        int | None,
        typer.Option(min=0, help="Party that withdraws, from 0, as in its metadata.", show_default="all"),
    ] = None,
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Json = False,
) -> None:
    """Write down that consent is withdrawn (GDPR Art. 7(3)), and tell what follows by the profile.

    What follows is done by the workers of the service; where there is no service, at once.

    Exit codes: 0 done; 1 no such call; 2 wrong use.
    """
    office = open_office(data, profile)
    done = withdraw_consent(call, purpose or list(Purpose), office, at_s=at_s, party=party, actor=actor())
    if as_json:
        print_json({"call_id": call, "state": done.found.state.value, "consequence": done.consequence})
    else:
        say("The withdrawal is written down.")
        say(done.consequence)
