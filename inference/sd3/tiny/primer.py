"""The text encoders' schooling before they meet pictures: say which letter stands where, and what is shown.

SD3 gives text tokens no positions, and T5 knows only distances. Asked for every title letter's place from
both ends, it learns in minutes to turn distances into content, which the transformer would teach it slowly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from inference.sd3.tiny.encoders import JOINT_WIDTH, POOLED_WIDTH, TextEncoders
from inference.sd3.tiny.spelling import CLIP_TOKENS
from inference.sd3.tiny.words import COLOURS, FACES, GROUNDS, SHAPES, Poster

_LONGEST: Final = 16
_OUTSIDE: Final = 0
_LISTS: Final = (SHAPES, tuple(COLOURS), tuple(GROUNDS), FACES)


class Primer(nn.Module):
    """Linear questions on the encoders' outputs; thrown away when they are answered."""

    def __init__(self, encoders: TextEncoders) -> None:
        super().__init__()
        self.encoders = encoders
        self.place = nn.Linear(JOINT_WIDTH, 1 + 2 * _LONGEST)
        self.remaining = nn.Linear(JOINT_WIDTH, 1 + _LONGEST)
        self.letter = nn.Linear(JOINT_WIDTH, len(encoders.t5_tokenizer))
        self.shown = nn.ModuleList(nn.Linear(POOLED_WIDTH, len(each)) for each in _LISTS)

    def forward(self, posters: Sequence[Poster]) -> tuple[Tensor, Tensor]:
        """The loss, and the share of title letters whose place and distance to the end are both right."""
        clip_ids, t5_ids = self.encoders.tokens([poster.prompt for poster in posters])
        joint, pooled = self.encoders(clip_ids, t5_ids)
        spelled = joint[:, CLIP_TOKENS:]
        place, remaining = self.places(t5_ids)
        inside = place != _OUTSIDE
        said_place, said_remaining = self.place(spelled), self.remaining(spelled)
        loss = functional.cross_entropy(said_place.flatten(0, 1), place.flatten())
        loss = loss + functional.cross_entropy(said_remaining[inside], remaining[inside])
        loss = loss + functional.cross_entropy(self.letter(spelled)[inside], t5_ids[inside])
        for head, names, attribute in zip(
            self.shown, _LISTS, ("shape", "colour", "ground", "face"), strict=True
        ):
            wanted = torch.tensor([names.index(getattr(poster, attribute)) for poster in posters])
            loss = loss + 0.25 * functional.cross_entropy(head(pooled), wanted)
        right = (said_place.argmax(-1) == place) & (said_remaining.argmax(-1) == remaining)
        return loss, right[inside].float().mean()

    def places(self, t5_ids: Tensor) -> tuple[Tensor, Tensor]:
        """For every token its place, and how many letters follow it in its line.

        The place is 0 outside quotes, 1 and on in the title, 17 and on in the second line.
        """
        opening = self.encoders.t5_tokenizer.convert_tokens_to_ids('▁"')
        closing = self.encoders.t5_tokenizer.convert_tokens_to_ids('"')
        place, remaining = torch.zeros_like(t5_ids), torch.zeros_like(t5_ids)
        for row, ids in enumerate(t5_ids.tolist()):
            starts = [index for index, token in enumerate(ids) if token == opening]
            for line, start in enumerate(starts[:2]):
                end = ids.index(closing, start) if closing in ids[start:] else len(ids)
                count = end - start - 1
                place[row, start + 1 : end] = 1 + line * _LONGEST + torch.arange(count)
                remaining[row, start + 1 : end] = torch.arange(count).flip(0)
        return place, remaining
