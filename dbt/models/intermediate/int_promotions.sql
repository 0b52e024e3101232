{{ union_of_sources('promotions') }}
