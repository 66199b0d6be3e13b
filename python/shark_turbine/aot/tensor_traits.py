# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Marks on tensors that say how they are exported."""

import dataclasses
from typing import ClassVar


class DeviceAffinity:
    """A logical device and its queues. There is one device here: it changes nothing."""

    def __init__(self, ordinal, queues=None):
        self.ordinal = ordinal
        self.queues = queues

    def __eq__(self, other):
        if not isinstance(other, DeviceAffinity):
            return False
        return (self.ordinal, self.queues) == (other.ordinal, other.queues)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self):
        if self.queues is None:
            return f"DeviceAffinity({self.ordinal})"
        return f"DeviceAffinity({self.ordinal}, [{', '.join(map(str, self.queues))}])"


class _Trait:
    """Kept as an attribute of the tensor object itself."""

    _attribute: ClassVar[str]

    @classmethod
    def get(cls, tensor):
        """The tensor's trait of this kind, or None."""
        found = getattr(tensor, cls._attribute, None)
        if found is not None and not isinstance(found, cls):
            raise TypeError(f"expected a {cls.__name__} on the tensor, found {found!r}")
        return found

    def set(self, tensor):
        setattr(tensor, self._attribute, self)


@dataclasses.dataclass
class DeviceTensorTrait(_Trait):
    """The logical device of a constant. There is one device here: it changes nothing."""

    ordinal: int
    queues: list | None = None

    _attribute = "_turbine_device_tensor_trait"


@dataclasses.dataclass
class ExternalTensorTrait(_Trait):
    """The tensor is not stored in the artifact: it is looked up by scope and name in the
    parameters that the program is loaded with."""

    external_scope: str
    external_name: str

    _attribute = "_turbine_external_tensor_trait"
