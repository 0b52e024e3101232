"""``GET /v1/popular``, ``/v1/latest`` and ``/v1/trending``: the same lists for everybody."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from penchant.api.auth.access import RequireScope
from penchant.api.http.serialized import serialized
from penchant.api.http.services import AppServices, Services
from penchant.api.schemas.listed import ListedItem, Listing, ListingQuery
from penchant.serving.listings import ListingName

router = APIRouter(
    tags=["recommendations"], dependencies=[Depends(RequireScope("recommendations:read"))]
)
ListingParameters = Annotated[ListingQuery, Query()]


@router.get("/v1/popular", summary="List popular items")
@serialized
def popular(query: ListingParameters, services: AppServices) -> Listing:
    """Items by popularity, as unknown users get them."""
    return _listing(services, "popular", query)


@router.get("/v1/latest", summary="List the latest items")
@serialized
def latest(query: ListingParameters, services: AppServices) -> Listing:
    """Items by the time they were first seen, newest first; the score is that Unix time."""
    return _listing(services, "latest", query)


@router.get("/v1/trending", summary="List trending items")
@serialized
def trending(query: ListingParameters, services: AppServices) -> Listing:
    """Items that more users acted on in the last week of the data than in the weeks before."""
    return _listing(services, "trending", query)


def _listing(services: Services, name: ListingName, query: ListingQuery) -> Listing:
    found = services.recommendations.read(
        lambda opened: services.listings.top(
            opened, name, query.k, query.category, services.new_items.beside(opened)
        )
    )
    return Listing(
        release_id=found.release_id,
        snapshot_id=found.snapshot_id,
        items=[ListedItem(**vars(item)) for item in found.items],
    )
