"""What a day of ads may cost, as a person writes it: a YAML file.

    attention: 40        # impressions that a user takes in, in a day
    ad_attention: 4      # what one ad takes of it; a recommendation takes 1
    campaigns:
      "22": {budget: 500, price: 0.5, value: 12, cap: 2}

``budget``, ``price`` of an impression and ``value`` of a response are money; ``cap`` is impressions
a user at most.
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
    """The file. Campaigns are in the order in which it names them."""

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
    """Raises UsageError for a file that is not there, is no YAML or says what can't be."""
    try:
        return Budgets.model_validate(yaml.safe_load(path.read_text()))
    except FileNotFoundError:
        raise UsageError(f"{path} isn't there", "name the file of budgets") from None
    except (yaml.YAMLError, ValidationError) as error:
        raise UsageError(
            f"{path} is no file of budgets: {error}",
            "the docstring of penchant/ads/budgets.py has an example",
        ) from None
