"""The brief of a campaign: a YAML file.

    name: spring
    goal: profit            # profit, sales, or offered_sales: on the offered items alone
    budget: 5000            # money, for contacts and discounts
    starts_on: 2018-01-08
    ends_on: 2018-02-04     # the last day
    holdout: 0.1            # share of the selected users who get nothing, to measure what it added
    margin: 0.3             # share of sales that remains after the cost of goods
    contact_cost: 0.5       # money of one offer to one user
    usual_discount: 0.2     # of past campaigns, whose effects the plan is learned from
    discounts: [0.1, 0.2, 0.3]
    offers_per_user: 2
    offers:
      tea: {kind: coupon, category: [Grocery, Tea]}
      pans: {kind: coupon, items: [i1, i2]}

``kind``: as in the canonical table ``campaigns``. ``margin`` is used for the goal ``profit`` only.
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from penchant.errors import UsageError

MOST_DAYS = 91
Discount = Annotated[float, Field(gt=0, lt=1)]


class Offer(BaseModel):
    """Items, or all items below a category path."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    items: tuple[str, ...] = ()
    category: tuple[str, ...] = Field((), max_length=3)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.items) == bool(self.category):
            raise ValueError("an offer has either items or a category")
        return self


class Brief(BaseModel):
    """The file; offers keep its order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    goal: Literal["profit", "sales", "offered_sales"] = "profit"
    budget: float = Field(gt=0, allow_inf_nan=False)
    starts_on: date
    ends_on: date
    holdout: float = Field(gt=0, le=0.5)
    margin: float = Field(0.3, gt=0, le=1)
    contact_cost: float = Field(ge=0, allow_inf_nan=False)
    usual_discount: Discount
    discounts: tuple[Discount, ...] = Field(min_length=1, max_length=10)
    offers_per_user: int = Field(1, ge=1, le=10)
    offers: dict[str, Offer] = Field(min_length=1, max_length=100)

    @property
    def days(self) -> int:
        return (self.ends_on - self.starts_on).days + 1

    def check_dates(self, as_of: date, path: Path) -> None:
        """Raise UsageError for a campaign that does not begin at or after the snapshot's end."""
        if self.starts_on < as_of:
            raise UsageError(
                f"{path}: starts_on: {self.starts_on} is before {as_of}, the end of the snapshot",
                "plan a campaign that begins later, or on an earlier snapshot",
            )
        if not 1 <= self.days <= MOST_DAYS:
            raise UsageError(
                f"{path}: ends_on: {self.ends_on} is {self.days} days after {self.starts_on}",
                f"end it on the first day or later, within {MOST_DAYS} days",
            )


def read_brief(path: Path) -> Brief:
    """Raises UsageError for a missing or invalid file."""
    try:
        return Brief.model_validate(yaml.safe_load(path.read_text()))
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist", "pass a brief") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not YAML: {error}", "fix the file") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UsageError(
            f"{path}: {key}: {first['msg']}",
            "see the example in the docstring of training/campaigns/brief.py",
        ) from None
