"""The made-up world at the ends of the wires: town, weather, devices, faults; one seed."""
