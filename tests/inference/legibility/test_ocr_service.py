from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from inference.legibility.base import Line
from inference.legibility.process import ProcessDied, ReaderProcess
from inference.legibility.readers import available_readers
from inference.legibility.score import score
from inference.legibility.service import OcrService, ReaderFailed
from schemas.events import Text

from .conftest import Poster


def said(readings: Mapping[str, tuple[Line, ...]]) -> list[str]:
    return [line.text for lines in readings.values() for line in lines]
