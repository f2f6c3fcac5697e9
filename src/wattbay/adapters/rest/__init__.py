"""The other end of our own REST interface: what commands ask a running service with."""
