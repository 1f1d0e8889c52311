"""On what terms an engine draws: its sizes, its price, and what is paid for a call that gave no picture."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from inference.engines.base import Billed

Usd = Annotated[float, Meta(ge=0, le=1_000)]
Pixels = Annotated[int, Meta(ge=1)]


class PriceStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The price of one picture of at most `up_to` pixels."""

    up_to: Pixels
    usd: Usd


# What tokens of a picture are counted by.
_SQUARE: Final = 1024 * 1024


class TokenPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """US dollars a million tokens, for answers that count them. `text_out` is for words and for thinking.

    `most_text_out` is how many of those one answer may have; `most_image_out` how many tokens a picture of
    1024x1024 may have, larger ones more by their area. 0 where an answer has none, or the list price says it.
    """

    text_in: Usd
    image_in: Usd
    image_out: Usd
    text_out: Usd = 0.0
    most_text_out: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    most_image_out: Annotated[int, Meta(ge=0, le=1_000_000)] = 0

    def most_usd(self, width: int, height: int, prompt_bytes: int) -> tuple[float, float]:
        """US dollars that the picture may cost at most, and all that is said and thought around it."""
        drawn = -(-self.most_image_out * max(width * height, _SQUARE) // _SQUARE)
        # No tokenizer makes more tokens than there are bytes.
        around = self.usd(text_in=prompt_bytes, text_out=self.most_text_out)
        return self.usd(image_out=drawn), around

    def usd(self, *, text_in: int = 0, image_in: int = 0, image_out: int = 0, text_out: int = 0) -> float:
        """US dollars for so many tokens, to a tenth of a micro-dollar."""
        micros = (
            text_in * self.text_in
            + image_in * self.image_in
            + image_out * self.image_out
            + text_out * self.text_out
        )
        return round(micros / 1_000_000, 7)


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A list price a picture, or our own machine's time.

    An answer that counts its tokens is priced by `per_million_tokens` instead, where that is given.
    """

    priced_on: dt.date
    usd: Usd = 0.0
    per: Literal["image", "gpu_second", "cpu_second"] = "image"
    by_pixels: tuple[PriceStep, ...] = ()
    per_million_tokens: TokenPrices | None = None
    note: str = ""

    def of(
        self, width: int, height: int, seconds: float, *, usd_per_gpu_hour: float, usd_per_cpu_hour: float
    ) -> float:
        """US dollars for one picture of `width` x `height` pixels that took `seconds`.

        Above the last size step the last step's price holds.
        """
        match self.per:
            case "gpu_second":
                return seconds * usd_per_gpu_hour / 3600
            case "cpu_second":
                return seconds * usd_per_cpu_hour / 3600
            case "image":
                return self.list_usd(width, height)

    def most_usd(self, width: int, height: int, prompt_bytes: int) -> float:
        """US dollars that one picture may cost at most, as far as is published; our own machine's time apart.

        The list price, or what the most tokens that its picture may have cost, and for the prompt and the
        thinking the most that those may have.
        """
        listed, tokens = self.list_usd(width, height), self.per_million_tokens
        if tokens is None:
            return listed
        drawn, around = tokens.most_usd(width, height, prompt_bytes)
        return max(listed, drawn) + around

    def list_usd(self, width: int, height: int) -> float:
        """The list price of one picture; 0 where it is our machine's time that costs."""
        for step in self.by_pixels:
            if width * height <= step.up_to:
                return step.usd
        return self.by_pixels[-1].usd if self.by_pixels else self.usd


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A size by the API's own name ("1K"), which holds pictures of at most `up_to` pixels."""

    name: Annotated[str, Meta(min_length=1)]
    up_to: Pixels


class Sizes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What sizes an engine draws. `only` lists them as WIDTHxHEIGHT where they are fixed.

    `ratios` (as W:H) and `tiers`, smallest first, are for an API that is asked for a shape and a tier.
    """

    only: tuple[Annotated[str, Meta(pattern=r"^\d+x\d+$")], ...] = ()
    max_pixels: Pixels | None = None
    max_ratio: Annotated[float, Meta(ge=1)] | None = None
    ratios: tuple[Annotated[str, Meta(pattern=r"^[1-9]\d*:[1-9]\d*$")], ...] = ()
    tiers: tuple[Tier, ...] = ()

    def tier(self, width: int, height: int) -> str | None:
        """The smallest tier that holds `width` x `height`; None where none does."""
        return next((tier.name for tier in self.tiers if width * height <= tier.up_to), None)

    @property
    def largest_tier(self) -> str:
        return self.tiers[-1].name if self.tiers else ""

    def objection(self, width: int, height: int) -> str | None:
        """Why a size cannot be drawn, or None."""
        asked = f"{width}x{height}"
        if self.only and asked not in self.only:
            return f"draws no {asked}; it draws {', '.join(self.only)}"
        if self.max_pixels is not None and width * height > self.max_pixels:
            return f"draws no {asked}: {width * height} pixels, at most {self.max_pixels}"
        if self.max_ratio is not None and max(width, height) > self.max_ratio * min(width, height):
            return f"draws no {asked}: one side may be at most {self.max_ratio:g} times the other"
        return None


class Billing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether a call that gave no picture is paid for.

    `time_out` is for calls of which no whole answer came, a gateway's errors among them; `server_error` for
    a 5xx in the provider's own words other than 503. Where nothing is published, nobody knows.
    """

    prompt_refused: Billed = "never"
    output_refused: Billed = "never"
    time_out: Billed = "unknown"
    server_error: Billed = "unknown"
    note: str = ""

    @property
    def forgives(self) -> bool:
        """Whether no call without a picture is ever paid for."""
        return {self.prompt_refused, self.output_refused, self.time_out, self.server_error} == {"never"}
