"""Expectations of the policy log, from which policies are trained and evaluated.

Off-policy estimates divide by propensities. A wrong propensity invalidates every estimate: a
critical failure. A small effective sample size makes estimates useless: a warning.
"""

from collections.abc import Iterator

from penchant.manifest import Mart
from penchant.quality.rule import WARNING, Rule

TOLERANCE = 1e-6  # of propensities that were summed in double precision and written as text
MIN_EFFECTIVE_SHARE = 0.05  # effective sample size as a share of a policy's rows


def policy_rules(mart: Mart) -> Iterator[Rule]:
    """The expectations of the marts ``propensities`` and ``policy_log``; none for other marts."""
    if mart.name == "propensities":
        yield Rule(
            "propensities_sum_to_one",
            "the propensities of each position of a slate sum to one",
            "select slate_id, position, sum(propensity) as total from {batch} "
            f"group by slate_id, position having abs(sum(propensity) - 1) > {TOLERANCE} "
            "order by all",
        )
    if mart.name == "policy_log":
        yield Rule(
            "support",
            "each shown item is a candidate of its slate, with the logged propensity",
            "select impression_id, shown.propensity, chances.propensity as of_candidate "
            "from {batch} as shown left join propensities as chances on "
            "shown.slate_id = chances.slate_id and shown.position = chances.position "
            "and shown.item_id = chances.candidate_id "
            "where shown.slate_id in (select slate_id from propensities) and "
            "(chances.propensity is null or "
            f"abs(chances.propensity - shown.propensity) > {TOLERANCE}) order by all",
        )
        yield Rule(
            "effective_sample_size",
            f"the effective sample size is at least {MIN_EFFECTIVE_SHARE:.0%} of a policy's rows",
            "select policy, count(*) as rows, pow(sum(1 / propensity), 2) / "
            "sum(pow(1 / propensity, 2)) as effective_rows from {batch} group by policy "
            f"having effective_rows < {MIN_EFFECTIVE_SHARE} * count(*) order by all",
            WARNING,
        )
