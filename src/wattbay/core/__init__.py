"""What the exchange decides: pure, exact, synchronous; standard library and msgspec only."""
