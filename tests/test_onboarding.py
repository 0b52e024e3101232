"""The page *your own shop in fifteen minutes*, played on made files of two shops."""

import pytest

from benchmarks.onboarding import SHOPS, onboarded


@pytest.mark.long
@pytest.mark.parametrize("name", ["orders and a catalogue", "clicks without a header"])
def test_a_shop_is_online_with_its_drafted_mapping(name: str) -> None:
    shop = onboarded(name, SHOPS[name])
    assert shop["rejected_files"] == 0 and shop["recommended"] > 0
