"""How the tables about people came to be what they are, step by step."""
