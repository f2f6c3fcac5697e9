"""One community under many rules: the same homes and the same meters, only the money differs."""
