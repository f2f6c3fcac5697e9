"""How the world reaches us: one room a wire, none knows another."""
