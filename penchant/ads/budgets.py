"""The budgets of a day of ads: a YAML file.

    attention: 40        # impressions per user and day
    ad_attention: 4      # attention of one ad; a recommendation takes 1
    campaigns:
      "22": {budget: 500, price: 0.5, value: 12, cap: 2}

``budget``, ``price`` of an impression and ``value`` of a response are money; ``cap`` is the largest
number of impressions per user.
"""

from pathlib import Path

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from penchant.ads.campaigns import Campaigns
from penchant.errors import UsageError


class Campaign(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    budget: float = Field(ge=0)
    price: float = Field(gt=0)
    value: float = Field(ge=0)
    cap: int = Field(ge=0)


class Budgets(BaseModel):
    """The file; campaigns keep its order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attention: int = Field(40, ge=0)
    ad_attention: int = Field(4, gt=0)
    campaigns: dict[str, Campaign] = Field(min_length=1)

    def of(self, ids: tuple[str, ...]) -> Campaigns:
        """The named campaigns, in this order."""
        chosen = [self.campaigns[one] for one in ids]

        def column(name: str) -> np.ndarray:
            return np.array([getattr(one, name) for one in chosen], dtype=float)

        return Campaigns(ids, column("budget"), column("price"), column("value"), column("cap"))


def read_budgets(path: Path) -> Budgets:
    """Raises UsageError for a missing or invalid file."""
    try:
        return Budgets.model_validate(yaml.safe_load(path.read_text()))
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist", "pass a budgets file") from None
    except (yaml.YAMLError, ValidationError) as error:
        raise UsageError(
            f"{path}: invalid budgets: {error}",
            "see the example in the docstring of penchant/ads/budgets.py",
        ) from None
