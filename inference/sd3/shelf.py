"""The loaded models of one process: few enough, and fewer where a device is full."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from inference.sd3.base import OutOfMemory

_Key = TypeVar("_Key", bound=Hashable)
_Model = TypeVar("_Model")
_Made = TypeVar("_Made")


class Shelf(Generic[_Key, _Model]):
    """Models by key, the least recently used dropped first."""

    def __init__(
        self, load: Callable[[_Key], _Model], *, most: int, released: Callable[[], None] = lambda: None
    ) -> None:
        """At most `most` stand here at once; `released` is called after some were dropped."""
        self._load = load
        self._most = most
        self._released = released
        self._models: OrderedDict[_Key, _Model] = OrderedDict()

    def __contains__(self, key: object) -> bool:
        return key in self._models

    @property
    def keys(self) -> tuple[_Key, ...]:
        """The least recently used first."""
        return tuple(self._models)

    def use(self, key: _Key, work: Callable[[_Model], _Made]) -> _Made:
        """`work` with the model of `key`, which is loaded where it is not here.

        When the device has no room for model or work, others are dropped, one by one, and it begins anew.

        Raises:
            OutOfMemory: there is no room even for this model alone. Whatever `load` and `work` raise.
        """
        while True:
            try:
                return work(self._get(key))
            except OutOfMemory as error:
                told = str(error)
            # Out here: the error's traceback kept alive what had filled the device.
            if not self._drop_another(key):
                raise OutOfMemory(told)

    def _get(self, key: _Key) -> _Model:
        if key not in self._models:
            while len(self._models) >= self._most and self._drop_another(key):
                pass
            self._models[key] = self._load(key)
        self._models.move_to_end(key)
        return self._models[key]

    def _drop_another(self, kept: _Key) -> bool:
        oldest = next((key for key in self._models if key != kept), None)
        if oldest is None:
            return False
        del self._models[oldest]
        self._released()
        return True
