"""The Energy Trading Protocol (ETP): batteries sell to competing aggregators in real time."""
