from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.events import Role, Spec, Text

MakeSpec = Callable[..., Spec]


@pytest.fixture
def make_spec() -> MakeSpec:
    """A spec from (role, text) pairs."""

    def make(
        *texts: tuple[Role, str],
        prompt: str = "a poster for a jazz night",
        width: int = 512,
        height: int = 768,
        seed: int = 1,
        locale: str = "en",
    ) -> Spec:
        return Spec(
            prompt=prompt,
            texts=tuple(Text(text, role) for role, text in texts),
            negative_prompt="",
            width=width,
            height=height,
            sampler="euler",
            steps=None,
            guidance=None,
            seed=seed,
            locale=locale,
        )

    return make
