"""``/v1/subjects``: people's requests about their data."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from penchant.api.auth.access import RequireScope, charge_work
from penchant.api.auth.audit_context import record_entities
from penchant.api.auth.tokens import PRIVACY
from penchant.api.http.problems import UNKNOWN_USER, HTTPProblem
from penchant.api.http.repetition import WITHOUT_EFFECT
from penchant.api.http.services import AppServices
from penchant.api.schemas.subjects import (
    HeldData,
    NewSubjectRequest,
    Receipt,
    ReceiptQuery,
    SubjectExport,
    SubjectQuery,
    SubjectRequest,
    SubjectRequests,
)
from penchant.artifacts import ErasureReceipt
from penchant.artifacts import SubjectRequest as Registered
from penchant.errors import UsageError
from penchant.privacy.erase import not_stored, receipt_path
from penchant.privacy.export import everything_held
from penchant.settings import Settings
from penchant.subjects import Subjects

SEARCH_WORK = 50.0  # of a request that reads everything that is stored

router = APIRouter(prefix="/v1/subjects", tags=["subjects"])
guard = [Depends(RequireScope(PRIVACY))]


@router.post(
    "/requests",
    summary="Register a person's request",
    status_code=HTTPStatus.ACCEPTED,
    dependencies=guard,
    responses=UNKNOWN_USER,
    openapi_extra=WITHOUT_EFFECT,
)
def request_for_subject(
    request: Request, body: NewSubjectRequest, services: AppServices
) -> SubjectRequest:
    """Register an erasure or an objection, in force at once. The DAG `process_subject_requests`
    removes the data. Idempotent."""
    record_entities(request, 1)
    charge_work(request, SEARCH_WORK)
    subjects = Subjects(services.settings)
    if not subjects.excluded(body.user_id):
        _require_stored(services.settings, body.user_id)
    now = datetime.now(UTC).replace(tzinfo=None)
    return _described(subjects.request(body.kind, body.user_id, now))


@router.get("/requests", summary="List people's requests", dependencies=guard)
def subject_requests(services: AppServices) -> SubjectRequests:
    """All requests, oldest first."""
    registered = Subjects(services.settings).requests()
    return SubjectRequests(requests=[_described(each) for each in registered])


@router.delete(
    "/objection",
    summary="Withdraw a person's objection",
    dependencies=guard,
    responses=UNKNOWN_USER,
)
def withdraw_objection(
    query: Annotated[SubjectQuery, Query()], services: AppServices
) -> SubjectRequest:
    """The next snapshot includes the person again."""
    try:
        return _described(Subjects(services.settings).withdraw(query.user_id))
    except UsageError as error:
        raise HTTPProblem(HTTPStatus.NOT_FOUND, error.cause, remedy=error.remedy) from error


@router.get(
    "/export",
    summary="Export all that is held of a person",
    dependencies=guard,
    responses=UNKNOWN_USER,
)
def export_subject(
    request: Request, query: Annotated[SubjectQuery, Query()], services: AppServices
) -> SubjectExport:
    """Rows of every place, with what they are used for."""
    charge_work(request, SEARCH_WORK)
    held = [each for each in everything_held(services.settings, query.user_id) if each.rows]
    if not held:
        raise _unknown(query.user_id)
    return SubjectExport(
        user_id=query.user_id,
        held=[HeldData(place=each.place, purpose=each.purpose, rows=each.rows) for each in held],
    )


@router.get(
    "/receipt",
    summary="Read the receipt of an erasure",
    dependencies=guard,
    responses={404: {"description": "No complete erasure of this id."}},
)
def erasure_receipt(query: Annotated[ReceiptQuery, Query()], services: AppServices) -> Receipt:
    """What was removed where, what was verified; signed."""
    try:
        receipt = ErasureReceipt.read(receipt_path(services.settings, query.request_id))
    except FileNotFoundError:
        raise HTTPProblem(
            HTTPStatus.NOT_FOUND,
            f"request_id: no complete erasure {query.request_id}",
            remedy="GET /v1/subjects/requests lists the requests with their state",
        ) from None
    return Receipt(receipt=receipt.as_dict())


def _described(registered: Registered) -> SubjectRequest:
    return SubjectRequest(
        request_id=registered.id,
        kind=registered.kind,
        state=registered.state,
        requested_at=registered.requested_at.replace(tzinfo=UTC),
        user_id=registered.user_id,
    )


def _require_stored(settings: Settings, user_id: str) -> None:
    if not_stored(settings, [user_id]):
        raise _unknown(user_id)


def _unknown(user_id: str) -> HTTPProblem:
    return HTTPProblem(
        HTTPStatus.NOT_FOUND,
        f"user_id: nothing is held of user {user_id!r}",
        remedy="pass the user_id as the source has it",
    )
