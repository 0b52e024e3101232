"""Under which ids a home may hold people."""

from collections.abc import Iterable

from penchant.identities import linked
from penchant.pseudonyms import Pseudonyms
from penchant.settings import Settings
from penchant.vault import Vault


def known_as(settings: Settings, user_ids: Iterable[str]) -> list[str]:
    """The ids themselves, their pseudonyms, what the vault has for them, and the ids of the same
    people in other sources.

    A home that is being migrated holds both; elsewhere the others are searched for in vain.
    """
    given = list(user_ids)
    coder = Pseudonyms(settings).coder
    pseudonyms = [coder.of(each) for each in given] if coder else []
    found = linked(settings, [*given, *pseudonyms])
    revealed = Vault(settings).reveal(found).values()
    return list(dict.fromkeys([*found, *revealed]))
