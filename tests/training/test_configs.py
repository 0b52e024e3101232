"""Every family has a config for every reference run."""

import pytest

from penchant.settings import Settings
from training.configs import config_for, main_job, published, reference
from training.configs.amazon import TABLES
from training.configs.large import CONFIGS
from training.fitting.factory import config_from_json, config_to_json, make
from training.names import FAMILIES, SERVING_COST


@pytest.mark.parametrize("family", FAMILIES)
def test_every_config_makes_its_family_and_survives_json(family: str) -> None:
    configs = [main_job(family), reference(family)]
    configs += [published(table, family) for table in TABLES]
    for config in configs:
        make(family, config)
        assert config_from_json(family, config_to_json(config)) == config


def test_setting_selects_larger_configs(settings: Settings) -> None:
    larger = settings.model_copy(update={"reference_configs": True})
    assert config_for(settings, "sasrec") == main_job("sasrec")
    assert config_for(larger, "sasrec") == reference("sasrec") != main_job("sasrec")


def test_config_functions_name_families() -> None:
    named = {family for table in (*TABLES.values(), CONFIGS) for family in table}
    assert named <= set(FAMILIES)


def test_no_two_families_cost_the_same() -> None:
    assert len(set(SERVING_COST.values())) == len(FAMILIES)
