"""The reference runs: the config of each family for each kind of run."""

from dataclasses import replace
from typing import Any

from penchant.settings import Settings
from training.fitting.factory import default_config
from training.layers.encoder_folder import read_encoder_folder
from training.names import PRIVATE
from training.privacy.accounting import Guarantee


def main_job(family: str) -> Any:
    """The run that ``penchant train`` makes on a snapshot: the defaults of the family's ``Config``.

    They were tuned on Complete Journey by NDCG@10 on the validation window, never on the test
    window, and for the main job's time: families that are there for comparison take few steps.
    """
    return default_config(family)


def reference(family: str) -> Any:
    """The larger run of PENCHANT_REFERENCE_CONFIGS, for a GPU or a night."""
    from training.configs.large import CONFIGS  # imports every family

    return CONFIGS[family]() if family in CONFIGS else default_config(family)


def published(table: str, family: str) -> Any:
    """The run that reproduces a published table, ``beauty`` or ``sports``."""
    from training.configs.amazon import TABLES  # imports every family

    configs = TABLES[table]
    return configs[family]() if family in configs else default_config(family)


def config_for(settings: Settings, family: str) -> Any:
    """The config that this installation trains on a snapshot.

    Raises UsageError for a sentence encoder that can't be read.
    """
    config = reference(family) if settings.reference_configs else main_job(family)
    if family == "content" and settings.sentence_encoder is not None:
        folder = read_encoder_folder(settings.sentence_encoder)
        config = replace(config, encoder="folder", encoder_sha256=folder.sha256)
    if settings.dp_epsilon is None or family not in PRIVATE:
        return config
    return replace(config, privacy=Guarantee(settings.dp_epsilon, settings.dp_delta))
