"""Under which ids a home may hold people."""

from collections.abc import Iterable

from penchant.pseudonyms import Pseudonyms
from penchant.settings import Settings
from penchant.vault import Vault


def known_as(settings: Settings, user_ids: Iterable[str]) -> list[str]:
    """The ids themselves, their pseudonyms, and what the vault has for them.

    A home that is being migrated holds both; elsewhere the others are searched for in vain.
    """
    given = list(user_ids)
    coder = Pseudonyms(settings).coder
    pseudonyms = [coder.of(each) for each in given] if coder else []
    revealed = Vault(settings).reveal([*given, *pseudonyms]).values()
    return list(dict.fromkeys([*given, *pseudonyms, *revealed]))
