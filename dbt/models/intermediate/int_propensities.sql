{{ union_of_sources('propensities') }}
