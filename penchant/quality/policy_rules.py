"""What is expected of the log of what policies showed, before a policy is learned or judged by it.

An estimate from such a log divides by propensities: a wrong one makes every figure wrong, and a log
in which few rows carry all the weight makes it worthless. The first is refused, the second warned
of.
"""

from collections.abc import Iterator

from great_expectations.expectations.expectation import Expectation

from penchant.manifest import Mart
from penchant.quality.no_rows import CRITICAL, WARNING, no_rows

TOLERANCE = 1e-6  # of propensities that were summed in double precision and printed
LEAST_EFFECTIVE = 0.05  # share of a policy's rows that count, by weight


def policy_rules(mart: Mart) -> Iterator[Expectation]:
    """The expectations of the marts ``propensities`` and ``policy_log``; none of any other."""
    if mart.name == "propensities":
        yield no_rows(
            "propensities_sum_to_one",
            "the propensities of a slate's position sum to one",
            "select slate_id, position, sum(propensity) as total from {batch} "
            f"group by slate_id, position having abs(sum(propensity) - 1) > {TOLERANCE} "
            "order by all",
            CRITICAL,
        )
    if mart.name == "policy_log":
        yield no_rows(
            "support",
            "what was shown is among its slate's candidates, with the propensity that was logged",
            "select impression_id, shown.propensity, chances.propensity as of_candidate "
            "from {batch} as shown left join propensities as chances on "
            "shown.slate_id = chances.slate_id and shown.position = chances.position "
            "and shown.item_id = chances.candidate_id "
            "where shown.slate_id in (select slate_id from propensities) and "
            "(chances.propensity is null or "
            f"abs(chances.propensity - shown.propensity) > {TOLERANCE}) order by all",
            CRITICAL,
        )
        yield no_rows(
            "effective_sample_size",
            f"weighted by 1 / propensity, at least {LEAST_EFFECTIVE:.0%} of a policy's rows count",
            "select policy, count(*) as rows, pow(sum(1 / propensity), 2) / "
            "sum(pow(1 / propensity, 2)) as effective_rows from {batch} group by policy "
            f"having effective_rows < {LEAST_EFFECTIVE} * count(*) order by all",
            WARNING,
        )
