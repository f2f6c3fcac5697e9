"""How energy is traded: products, orders, and the auction."""
