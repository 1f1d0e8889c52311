"""doctor: one screen about this machine."""

from __future__ import annotations

import dataclasses

import click

from streams.commands.terminal import cells, console, echo_json, table
from streams.commands.verb import App, Failure, pass_app, verb


@verb("doctor", examples=("glyphstream doctor", "glyphstream doctor --json"))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a check.")
@pass_app
def command(app: App, as_json: bool) -> None:
    """Check this machine, and say how to get what is missing.

    Broker, asset store, disk, GPU, fonts and readers by script, keys. Exit code 1 only when something
    keeps the line from working; what is merely absent is shown with the way to get it.
    """
    from rich.text import Text

    from streams.doctor import examine

    checks = examine(app.settings(), app.env)
    if as_json:
        for check in checks:
            echo_json(dataclasses.asdict(check))
    else:
        styles = {"ok": "green", "absent": "yellow", "broken": "bold red"}
        shown = table("", "", "", "FOUND", "TO GET IT")
        previous = ""
        for check in checks:
            state = Text(check.state, style=styles[check.state])
            name = "" if check.name == previous else check.name
            shown.add_row(*cells(state, name, check.detail, check.fix))
            previous = check.name
        console().print(shown)
    broken = [check.name for check in checks if check.state == "broken"]
    if broken:
        raise Failure(f"the line cannot work here yet: {', '.join(dict.fromkeys(broken))}; see above")
