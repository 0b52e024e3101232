{{ union_of_sources('campaigns') }}
