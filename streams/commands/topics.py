"""topics: create them, or show them."""

from __future__ import annotations

import asyncio

import click

from streams.commands.terminal import cells, console, echo_json, table
from streams.commands.verb import WITH_BROKER, App, VerbGroup, pass_app, subverb

command = VerbGroup("topics", help="Create the topics, or show them.")
command.examples = ("glyphstream topics apply", "glyphstream topics show")
