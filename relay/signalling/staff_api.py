"""What the staff's APIs share: who may use them, and how they tell why something failed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel

from lecture.errors import HallcastError
from relay.app import Relay
from relay.signalling.http import bearer_token

_BEARER = HTTPBearer(auto_error=False, description="staff token")


def staff_only(relay: Relay) -> Any:
    """The dependency of a route that asks for the staff token."""

    def require_staff(request: Request, _: Annotated[object, Security(_BEARER)]) -> None:
        relay.access.require_staff(bearer_token(request))

    return Depends(require_staff)


class Fault(BaseModel):
    """Why something that staff asked for could not be done."""

    id: str
    text: str


def fault_of(error: HallcastError | None) -> Fault | None:
    """An error as it is told; None for none."""
    return None if error is None else Fault(id=error.error_id, text=error.text)
