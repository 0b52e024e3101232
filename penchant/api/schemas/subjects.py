"""Models of ``/v1/subjects``: people's requests about their data."""

from typing import Any, Literal

from pydantic import AwareDatetime, Field

from penchant.api_schemas import Id, Request, Response

RequestId = Field(description="As the request was answered.", pattern=r"^q-[0-9a-f]{12}$")


class SubjectQuery(Request):
    user_id: Id


class ReceiptQuery(Request):
    request_id: str = RequestId


class NewSubjectRequest(Request):
    """What a person asks for."""

    user_id: Id
    kind: Literal["erase", "object"] = Field(
        description="`erase`: remove everything and never store it again. `object`: no profile."
    )


class SubjectRequest(Response):
    """A registered request."""

    request_id: str = RequestId
    kind: str
    state: str = Field(
        description="`requested`, `cleaned` (stored rows are gone) or `complete` (receipt written)."
    )
    requested_at: AwareDatetime
    user_id: str | None = Field(description="Null once an erasure is complete.")


class SubjectRequests(Response):
    requests: list[SubjectRequest]


class HeldData(Response):
    """Rows of one place."""

    place: str = Field(description="Such as `landing/files/events` or `marts/users`.")
    purpose: str
    rows: list[dict[str, Any]]


class SubjectExport(Response):
    """All that is held of a person."""

    user_id: str
    held: list[HeldData]


class Receipt(Response):
    """The signed receipt of an erasure, as it is in the home."""

    receipt: dict[str, Any]
