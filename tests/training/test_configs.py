"""Every family has a config for every reference run."""

import pytest

from penchant.settings import Settings
from training.configs import PUBLISHED, chosen, main_job, published, reference
from training.fitting.family import make
from training.names import FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_every_run_of_a_family_can_be_made(family: str) -> None:
    configs = [main_job(family), reference(family)]
    configs += [published(table, family) for table in PUBLISHED]
    for config in configs:
        make(family, config)


def test_a_setting_chooses_the_larger_configs(settings: Settings) -> None:
    larger = settings.model_copy(update={"reference_configs": True})
    assert chosen(settings, "sasrec") == main_job("sasrec")
    assert chosen(larger, "sasrec") == reference("sasrec") != main_job("sasrec")


def test_published_tables_name_families() -> None:
    assert {family for table in PUBLISHED.values() for family in table} <= set(FAMILIES)
